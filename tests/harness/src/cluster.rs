//! A fleet: gateways and workers as processes, one Redis, and a per-request round-robin proxy.

use std::net::SocketAddr;
use std::time::Duration;

use crate::certificates::Certificates;
use crate::client::RawClient;
use crate::process::Process;
use crate::round_robin::RoundRobin;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::replies::ReplyThief;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::switch::Switch;
use prynai_test_redis::throttle::Throttle;

/// What a fleet is made of.
pub struct ClusterPlan {
    gateways: usize,
    workers: usize,
    durable: bool,
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
struct Launch {
    binary: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
}

/// A running fleet; everything ends when it is dropped.
pub struct Cluster {
    /// Its Redis; a private one, so that a test may break it.
    pub redis: RedisServer,
    /// Talks to it.
    pub client: RawClient,
    /// Where Redis is for the fleet; `None` when it is reached directly.
    redis_address: Option<Switch>,
    replica: Option<RedisServer>,
    throttle: Option<Throttle>,
    /// Between the fleet and Redis, if the plan asks for it.
    replies: Option<ReplyThief>,
    scheme: &'static str,
    gateways: Vec<Member>,
    workers: Vec<Process>,
    of_gateways: Launch,
    of_workers: Launch,
    proxy: RoundRobin,
}

struct Member {
    process: Process,
    address: SocketAddr,
}

impl Cluster {
    /// Plans a fleet of one gateway and one worker.
    #[expect(clippy::new_ret_no_self, reason = "reads as a sentence in a test")]
    pub fn new() -> ClusterPlan {
        ClusterPlan {
            gateways: 1,
            workers: 1,
            durable: false,
            spare: false,
            throttle: None,
            lossy: false,
            scheme: "http",
            client: RawClient::new(),
            of_gateways: Launch::of("prynai-gateway", &[]),
            of_workers: Launch::of("prynai-worker", &["--state-key", STATE_KEY]),
        }
    }

    /// The MCP endpoint of one gateway.
    pub fn gateway(&self, index: usize) -> String {
        format!("{}/mcp", self.origin(index))
    }

    /// Scheme and address of one gateway.
    pub fn origin(&self, index: usize) -> String {
        format!("{}://{}", self.scheme, self.gateways[index].address)
    }

    /// The MCP endpoint behind the round-robin proxy, which does not speak TLS.
    pub fn proxy(&self) -> String {
        format!("http://{}/mcp", self.proxy.address())
    }

    /// How often a client of the proxy has tried to resume the stream of a call.
    pub fn resumes(&self) -> usize {
        self.proxy.resumes()
    }

    /// The process of a gateway.
    pub fn gateway_process(&mut self, index: usize) -> &mut Process {
        &mut self.gateways[index].process
    }

    /// The process of a worker.
    pub fn worker_process(&mut self, index: usize) -> &mut Process {
        &mut self.workers[index]
    }

    /// Kills a gateway and starts another on its address.
    pub async fn restart_gateway(&mut self, index: usize) {
        self.gateways[index].process.kill().await;
        self.replace_gateway(index).await;
    }

    /// Starts a gateway on the address of one that has ended.
    pub async fn replace_gateway(&mut self, index: usize) {
        self.replace_gateway_as(index, &[]).await;
    }

    /// As [`Cluster::replace_gateway`], with further variables in its environment.
    pub async fn replace_gateway_as(&mut self, index: usize, env: &[(String, String)]) {
        let address = self.gateways[index].address;
        let launch = self.of_gateways.with(&[], env);
        self.gateways[index] = launch
            .gateway(&self.redis_url(), &address.to_string())
            .await;
    }

    /// Waits until a gateway says that nobody should be sent to it.
    pub async fn gateway_is_unready(&self, index: usize) {
        let url = format!("{}/readyz", self.origin(index));
        let ready = async || {
            let answer = self.client.request("GET", &url).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        };
        assert_eventually!(!ready().await, "gateway {index} says that it is ready");
    }

    /// Kills a worker and starts another.
    pub async fn restart_worker(&mut self, index: usize) {
        self.workers[index].kill().await;
        self.replace_worker(index).await;
    }

    /// Starts a worker in place of one that has ended.
    pub async fn replace_worker(&mut self, index: usize) {
        self.replace_worker_as(index, &[], &[]).await;
    }

    /// As [`Cluster::replace_worker`], with another value for an option, and further variables in its environment.
    pub async fn replace_worker_as(
        &mut self,
        index: usize,
        option: &[&str],
        env: &[(String, String)],
    ) {
        let launch = self.of_workers.with(option, env);
        self.workers[index] = launch.worker(&self.redis_url()).await;
    }

    /// All gateways and workers.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        let gateways = self.gateways.iter_mut().map(|gateway| &mut gateway.process);
        gateways.chain(&mut self.workers)
    }

    /// How many gateways it has.
    pub fn gateway_count(&self) -> usize {
        self.gateways.len()
    }

    /// How many workers it has.
    pub fn worker_count(&self) -> usize {
        self.workers.len()
    }

    /// The addresses of all gateways.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|member| member.address).collect()
    }

    /// Kills Redis and promotes its replica, which the fleet finds under the same address; then there is another replica.
    /// The plan must have asked for one.
    pub async fn fail_over(&mut self) {
        let replica = self.replica.take().expect("the plan has a replica");
        self.redis.stop();
        let _: String = replica.command(&["REPLICAOF", "NO", "ONE"]).await;
        self.redis = replica;
        let address = self.redis_address.as_ref().expect("comes with a replica");
        address.turn_to(self.redis.address());
        self.replica = Some(RedisServer::start_replica_of(&self.redis).await);
    }

    /// The narrow way to Redis, which the plan must have asked for.
    pub fn throttle(&self) -> &Throttle {
        self.throttle.as_ref().expect("the plan has a narrow way")
    }

    /// The replies of Redis to the fleet. The plan must have asked for it.
    pub fn replies(&self) -> &ReplyThief {
        self.replies.as_ref().expect("the plan is lossy")
    }

    /// Hands the role of the master to its replica, to which new connections lead; those that are open stay. The plan must
    /// have asked for a replica.
    pub async fn switch_over(&mut self) {
        let replica = self.replica.take().expect("the plan has a replica");
        let address = self.redis_address.as_ref().expect("comes with a replica");
        address.lead_to(replica.address());
        self.redis.hand_over_to(&replica).await;
        let demoted = std::mem::replace(&mut self.redis, replica);
        demoted.follows().await;
        self.replica = Some(demoted);
    }

    /// As [`Cluster::fail_over`], after the replica had lagged for some time.
    pub async fn fail_over_after_a_lag(&mut self, lag: Duration) {
        let replica = self.replica.as_ref().expect("the plan has a replica");
        let _: String = replica.command(&["REPLICAOF", "NO", "ONE"]).await;
        tokio::time::sleep(lag).await;
        self.fail_over().await;
    }

    fn redis_url(&self) -> String {
        if let Some(replies) = &self.replies {
            return replies.url();
        }
        match &self.throttle {
            Some(throttle) => format!("redis://{}", throttle.address()),
            None => redis_url(&self.redis, self.redis_address.as_ref()),
        }
    }

    /// What is left of the calls made: queue entries, and streams that gateways hold.
    pub async fn left_over(&self) -> (i64, i64) {
        let queued: i64 = self.redis.command(&["XLEN", QUEUE]).await;
        let mut held = 0;
        for index in 0..self.gateways.len() {
            let url = format!("{}/readyz", self.origin(index));
            let ready = self.client.get_json(&url).await;
            held += ready["calls"].as_i64().unwrap_or(1);
        }
        (queued, held)
    }

    /// Fails if anything is left of the calls made: a queue entry, or a stream that a gateway holds.
    pub async fn assert_idle(&self) {
        let waiting = async || {
            let length: i64 = self.redis.command(&["XLEN", QUEUE]).await;
            length
        };
        assert_eventually!(waiting().await == 0, "requests are left in the queue");
        for index in 0..self.gateways.len() {
            let held = async || {
                let url = format!("{}/readyz", self.origin(index));
                self.client.get_json(&url).await["calls"].clone()
            };
            assert_eventually!(held().await == 0, "gateway {index} still holds streams");
        }
    }
}

/// The key with which the workers sign what clients carry.
pub const STATE_KEY: &str = "the key of all workers of the tests";

/// The request queue's key under the default prefix.
pub const QUEUE: &str = "prynai:{main.0}:requests";

impl ClusterPlan {
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
        let redis = match self.durable {
            true => RedisServer::start_durable().await,
            false => RedisServer::start().await,
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
    fn of(binary: &str, args: &[&str]) -> Self {
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
    fn with(&self, option: &[&str], env: &[(String, String)]) -> Self {
        let mut other = self.clone();
        if let [name, value] = option {
            let at = other.args.iter().position(|arg| arg == name);
            let at = at.expect("an option to exchange") + 1;
            other.args[at] = (*value).to_owned();
        }
        other.env.extend_from_slice(env);
        other
    }

    async fn start(&self, first: &[&str]) -> Process {
        let further = self.args.iter().map(String::as_str);
        let args: Vec<&str> = first.iter().copied().chain(further).collect();
        Process::start_with(&self.binary, &args, &self.env).await
    }

    async fn gateway(&self, redis: &str, listen: &str) -> Member {
        let args = ["--redis-url", redis, "--listen", listen];
        let mut process = self.start(&args).await;
        let address = process.address().await;
        Member { process, address }
    }

    async fn worker(&self, redis: &str) -> Process {
        let mut process = self.start(&["--redis-url", redis]).await;
        process.logged("ready").await;
        process
    }
}

fn redis_url(redis: &RedisServer, through: Option<&Switch>) -> String {
    match through {
        Some(switch) => format!("redis://{}", switch.address()),
        None => redis.url(),
    }
}
