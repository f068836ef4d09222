//! A crowd: what a stream costs when many others are open, and whether all who come at once are served.

mod client;

pub use client::Open;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use client::{Refusal, broken, connect, initialize, listen};
use futures::future::join_all;
use futures::stream::{self, StreamExt};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::server::RedisServer;
use tokio::time::Instant;

/// Streams that one connection carries while they are counted; gateways allow 128.
const PER_CONNECTION: usize = 100;

/// Streams opened at a time while they are counted.
const AT_ONCE: usize = 16;

/// Streams over which the cost of one is taken.
const MEASURED: usize = 1000;

/// What `/proc/PID/stat` counts in.
const TICKS_PER_SECOND: u64 = 100;

/// What became of clients that came at once.
#[derive(Debug)]
pub struct Storm {
    /// How many came.
    pub clients: usize,
    /// How many have their stream.
    pub served: usize,
    /// How many were refused at each step, with what they were told.
    pub refused: BTreeMap<String, usize>,
    /// Until the last of them had its answer.
    pub took: Duration,
    /// How often Redis was asked for a part of the feed meanwhile.
    pub feed_reads: u64,
}

/// What opening one more stream costs when others are open.
#[derive(Debug)]
pub struct Cost {
    /// How many are open at all gateways together.
    pub open: usize,
    /// Processor time of all gateways per stream that was opened.
    pub per_open: Duration,
}

/// What a run has found.
#[derive(Debug)]
pub struct Crowd {
    /// With more and more streams open.
    pub costs: Vec<Cost>,
    /// Clients that are new.
    pub arrival: Storm,
    /// The same ones after their gateway died.
    pub coming_back: Storm,
}

/// Opens streams, up to the last of `levels`, and lets `clients` come at once on `connections`.
pub async fn run(levels: &[usize], clients: usize, connections: usize) -> Crowd {
    // All come from one address, and none of them is the share of an address.
    let plan = Cluster::new().gateways(2);
    let mut fleet = plan
        .gateway_args(&["--caller-sessions", "100000"])
        .start()
        .await;
    let addresses = fleet.addresses();
    let mut open = Vec::new();
    let mut costs = Vec::new();
    for level in levels {
        let more = level.saturating_sub(open.len());
        let sessions = sessions(&addresses, more).await;
        open.extend(open_streams(&addresses, sessions).await);
        let sessions = self::sessions(&addresses, MEASURED).await;
        let before = processor_time(&mut fleet);
        let measured = open_streams(&addresses, sessions).await;
        let taken = processor_time(&mut fleet) - before;
        let per_open = taken / u32::try_from(measured.len()).expect("few");
        costs.push(Cost {
            open: open.len(),
            per_open,
        });
        eprintln!("{}", costs[costs.len() - 1]);
    }
    drop(open);
    let (open, arrival) = arrive(&fleet.redis, addresses[0], clients, connections).await;
    eprintln!("{arrival}");
    fleet.gateway_process(0).kill().await;
    let (_, coming_back) = come_back(&fleet.redis, addresses[1], open, connections).await;
    Crowd {
        costs,
        arrival,
        coming_back,
    }
}

/// Lets clients come at once, each of which opens a session and its stream of changes.
pub async fn arrive(
    redis: &RedisServer,
    address: SocketAddr,
    clients: usize,
    connections: usize,
) -> (Vec<Open>, Storm) {
    let clients = vec![None; clients];
    storm(redis, address, clients, connections).await
}

/// Lets clients come back at once, each of which goes on with its stream where it was.
pub async fn come_back(
    redis: &RedisServer,
    address: SocketAddr,
    were_open: Vec<Open>,
    connections: usize,
) -> (Vec<Open>, Storm) {
    let clients = were_open.into_iter();
    let clients = clients.map(|open| Some((open.session, open.place)));
    storm(redis, address, clients.collect(), connections).await
}

/// A session that is known, and the place in its stream.
type Known = (String, Option<String>);

async fn storm(
    redis: &RedisServer,
    address: SocketAddr,
    mut clients: Vec<Option<Known>>,
    connections: usize,
) -> (Vec<Open>, Storm) {
    let reads = commands(redis, "xrange").await;
    let begun = Instant::now();
    let count = clients.len();
    let on_each = count.div_ceil(connections).max(1);
    let mut running = Vec::new();
    while !clients.is_empty() {
        let some = clients.split_off(clients.len().saturating_sub(on_each));
        running.push(tokio::spawn(on_one_connection(address, some)));
    }
    let mut open = Vec::new();
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for outcome in join_all(running).await {
        for outcome in outcome.expect("does not panic") {
            match outcome {
                Ok(stream) => open.push(stream),
                Err((step, told)) => *refused.entry(format!("{step}: {told}")).or_default() += 1,
            }
        }
    }
    let storm = Storm {
        clients: count,
        served: open.len(),
        refused,
        took: begun.elapsed(),
        feed_reads: commands(redis, "xrange").await - reads,
    };
    (open, storm)
}

type Served = Result<Open, (&'static str, Refusal)>;

async fn on_one_connection(address: SocketAddr, clients: Vec<Option<Known>>) -> Vec<Served> {
    let Some(connection) = connect(address).await else {
        let unserved = clients.iter().map(|_| Err(("connect", broken())));
        return unserved.collect();
    };
    let served = clients.into_iter().map(|known| {
        let connection = connection.clone();
        async move {
            let (session, place) = match known {
                Some(known) => known,
                None => {
                    let session = initialize(&connection, address).await;
                    (session.map_err(|refusal| ("initialize", refusal))?, None)
                }
            };
            let opened = listen(&connection, address, session, place).await;
            opened.map_err(|refusal| ("GET", refusal))
        }
    });
    join_all(served).await
}

/// New sessions, at these gateways in turn.
async fn sessions(addresses: &[SocketAddr], count: usize) -> Vec<String> {
    let connections = join_all(addresses.iter().map(|address| connect(*address))).await;
    let opened = stream::iter(0..count).map(|number| {
        let at = number % addresses.len();
        let connection = connections[at].clone().expect("connects");
        async move { initialize(&connection, addresses[at]).await }
    });
    let opened = opened.buffer_unordered(AT_ONCE);
    opened
        .map(|session| session.unwrap_or_else(|refusal| panic!("refused: {refusal}")))
        .collect()
        .await
}

/// The streams of sessions, at these gateways in turn.
async fn open_streams(addresses: &[SocketAddr], sessions: Vec<String>) -> Vec<Open> {
    let groups = sessions.len().div_ceil(PER_CONNECTION);
    let at = |group: usize| addresses[group % addresses.len()];
    let connections = join_all((0..groups).map(|group| connect(at(group)))).await;
    let opened = stream::iter(sessions.into_iter().enumerate()).map(|(number, session)| {
        let group = number % groups;
        let connection = connections[group].clone().expect("connects");
        async move { listen(&connection, at(group), session, None).await }
    });
    let opened = opened.buffer_unordered(AT_ONCE);
    opened
        .map(|open| open.unwrap_or_else(|refusal| panic!("refused: {refusal}")))
        .collect()
        .await
}

/// What all gateways have taken of the processors until now.
fn processor_time(fleet: &mut Cluster) -> Duration {
    (0..fleet.gateway_count())
        .map(|index| of_process(fleet.gateway_process(index).pid()))
        .sum()
}

fn of_process(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("runs");
    // The name, in brackets, may hold blanks; after it `utime` and `stime` are the 12th and the 13th.
    let (_, fields) = stat.rsplit_once(')').expect("has a name");
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|t| t.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1_000 / TICKS_PER_SECOND)
}

/// How often Redis was given a command until now.
async fn commands(redis: &RedisServer, name: &str) -> u64 {
    let stats: String = redis.command(&["INFO", "commandstats"]).await;
    let prefix = format!("cmdstat_{name}:calls=");
    let line = stats.lines().find_map(|line| line.strip_prefix(&prefix));
    let calls = line.and_then(|line| line.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

impl Crowd {
    /// Whether nobody was refused, and a stream does not cost more the more there are.
    pub fn is_served(&self) -> bool {
        let [Some(first), Some(last)] = [self.costs.first(), self.costs.last()] else {
            return false;
        };
        // Twice, for what a busy machine adds.
        let is_flat = last.per_open <= first.per_open * 2;
        is_flat && self.arrival.is_served() && self.coming_back.is_served()
    }

    /// For people.
    pub fn table(&self) -> String {
        let costs = self.costs.iter().map(Cost::to_string);
        let storms = [&self.arrival, &self.coming_back].map(Storm::to_string);
        costs.chain(storms).collect::<Vec<_>>().join("\n")
    }
}

impl Storm {
    /// Whether nobody was refused.
    pub fn is_served(&self) -> bool {
        self.served == self.clients
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, cost) = (self.open, self.per_open.as_micros());
        write!(
            f,
            "{open:>6} streams open: {cost} µs of the gateways per further one"
        )
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            clients,
            served,
            refused,
            took,
            feed_reads,
        } = self;
        let seconds = took.as_secs_f64();
        write!(
            f,
            "{clients:>6} clients at once: {served} served in {seconds:.1} s, refused {refused:?}, {feed_reads} XRANGE"
        )
    }
}
