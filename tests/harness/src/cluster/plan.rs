//! What a fleet is made of, and how its processes are started.

use prynai_test_redis::replies::ReplyThief;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::switch::Switch;
use prynai_test_redis::throttle::Throttle;

use super::{Cluster, Member, STATE_KEY, redis_url};
use crate::certificates::Certificates;
use crate::client::RawClient;
use crate::process::Process;
use crate::round_robin::RoundRobin;

/// What a fleet is made of.
pub struct ClusterPlan {
    gateways: usize,
    workers: usize,
    durable: bool,
    waitaof: bool,
    spare: bool,
    throttle: Option<u64>,
    lossy: bool,
    scheme: &'static str,
    client: RawClient,
    of_gateways: Launch,
    of_workers: Launch,
}

/// How the processes of one kind are started.
#[derive(Clone)]
pub(super) struct Launch {
    binary: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

impl ClusterPlan {
    /// One gateway and one worker, with nothing between them and Redis.
    pub(super) fn of_one_each() -> Self {
        Self {
            gateways: 1,
            workers: 1,
            durable: false,
            waitaof: false,
            spare: false,
            throttle: None,
            lossy: false,
            scheme: "http",
            client: RawClient::new(),
            of_gateways: Launch::of("prynai-gateway", &[]),
            of_workers: Launch::of("prynai-worker", &["--state-key", STATE_KEY]),
        }
    }

    /// How many gateways.
    pub fn gateways(mut self, count: usize) -> Self {
        self.gateways = count;
        self
    }

    /// How many workers.
    pub fn workers(mut self, count: usize) -> Self {
        self.workers = count;
        self
    }

    /// Further arguments of each gateway.
    pub fn gateway_args(mut self, args: &[&str]) -> Self {
        self.of_gateways.add(args);
        self
    }

    /// Gateways that speak TLS, and a client that trusts them.
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        let args = certificates.args();
        self.scheme = "https";
        self.client = RawClient::of(certificates.trusted());
        self.gateway_args(&args.each_ref().map(String::as_str))
    }

    /// Further arguments of each worker.
    pub fn worker_args(mut self, args: &[&str]) -> Self {
        self.of_workers.add(args);
        self
    }

    /// Variables in the environment of each worker.
    pub fn worker_env(mut self, env: &[(String, String)]) -> Self {
        self.of_workers.env.extend_from_slice(env);
        self
    }

    /// Variables in the environment of each gateway.
    pub fn gateway_env(mut self, env: &[(String, String)]) -> Self {
        self.of_gateways.env.extend_from_slice(env);
        self
    }

    /// The program of the workers, instead of the one with the reference handler.
    pub fn worker_binary(mut self, binary: &str) -> Self {
        binary.clone_into(&mut self.of_workers.binary);
        self
    }

    /// A variable in the environment of every process.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let variable = (name.to_owned(), value.to_owned());
        self.of_gateways.env.push(variable.clone());
        self.of_workers.env.push(variable);
        self
    }

    /// A Redis whose data survives its restart.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// A Redis that can say what is on its disk, and writes to it every second.
    pub fn with_waitaof(mut self) -> Self {
        self.waitaof = true;
        self
    }

    /// A Redis with a replica, for [`Cluster::fail_over`].
    pub fn with_replica(mut self) -> Self {
        self.spare = true;
        self
    }

    /// A Redis to which a narrow way leads, with so many bytes a second in each direction.
    pub fn throttled(mut self, bytes_per_second: u64) -> Self {
        self.throttle = Some(bytes_per_second);
        self
    }

    /// A way to Redis on which replies can be lost: [`Cluster::replies`].
    pub fn lossy(mut self) -> Self {
        self.lossy = true;
        self
    }

    /// Starts it; returns when every process serves.
    pub async fn start(self) -> Cluster {
        let redis = match (self.waitaof, self.durable) {
            (true, _) => {
                RedisServer::start_durable_with_waitaof(&["--appendfsync", "everysec"]).await
            }
            (false, true) => RedisServer::start_durable().await,
            (false, false) => RedisServer::start().await,
        };
        let (mut redis_address, mut replica) = (None, None);
        if self.spare {
            redis_address = Some(Switch::start(redis.address()).await);
            replica = Some(RedisServer::start_replica_of(&redis).await);
        }
        let mut url = redis_url(&redis, redis_address.as_ref());
        let mut throttle = None;
        if let Some(bytes_per_second) = self.throttle {
            let narrow = Throttle::start(redis.address(), bytes_per_second).await;
            url = format!("redis://{}", narrow.address());
            throttle = Some(narrow);
        }
        let mut replies = None;
        if self.lossy {
            let target = redis_address
                .as_ref()
                .map_or(redis.address(), Switch::address);
            let way = ReplyThief::start(target).await;
            url = way.url();
            replies = Some(way);
        }
        let mut workers = Vec::new();
        for _ in 0..self.workers {
            workers.push(self.of_workers.worker(&url).await);
        }
        let mut gateways = Vec::new();
        for _ in 0..self.gateways {
            gateways.push(self.of_gateways.gateway(&url, "127.0.0.1:0").await);
        }
        let addresses = gateways.iter().map(|g: &Member| g.address).collect();
        Cluster {
            proxy: RoundRobin::start(addresses).await,
            client: self.client,
            redis,
            redis_address,
            replica,
            throttle,
            replies,
            scheme: self.scheme,
            gateways,
            workers,
            of_gateways: self.of_gateways,
            of_workers: self.of_workers,
        }
    }
}

impl Launch {
    pub(super) fn of(binary: &str, args: &[&str]) -> Self {
        let mut launch = Self {
            binary: binary.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
        };
        launch.add(args);
        launch
    }

    fn add(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    }

    /// With an option's value exchanged, and further variables.
    pub(super) fn with(&self, option: &[&str], env: &[(String, String)]) -> Self {
        let mut other = self.clone();
        if let [name, value] = option {
            let at = other.args.iter().position(|arg| arg == name);
            let at = at.expect("an option to exchange") + 1;
            other.args[at] = (*value).to_owned();
        }
        other.env.extend_from_slice(env);
        other
    }

    pub(super) async fn start(&self, first: &[&str]) -> Process {
        let further = self.args.iter().map(String::as_str);
        let args: Vec<&str> = first.iter().copied().chain(further).collect();
        Process::start_with(&self.binary, &args, &self.env).await
    }

    pub(super) async fn gateway(&self, redis: &str, listen: &str) -> Member {
        let args = ["--redis-url", redis, "--listen", listen];
        let mut process = self.start(&args).await;
        let address = process.address().await;
        Member { process, address }
    }

    pub(super) async fn worker(&self, redis: &str) -> Process {
        let mut process = self.start(&["--redis-url", redis]).await;
        process.logged("ready").await;
        process
    }
}
