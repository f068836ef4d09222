//! A fleet: gateways and workers as processes, one Redis, and a per-request round-robin proxy.

use crate::assert_eventually;
use crate::client::RawClient;
use crate::process::Process;
use crate::proxy::RoundRobin;
use crate::redis_server::RedisServer;

/// What a fleet is made of.
pub struct ClusterPlan {
    gateways: usize,
    workers: usize,
    worker_binary: &'static str,
    gateway_args: Vec<String>,
    worker_args: Vec<String>,
}

/// A running fleet; everything ends when it is dropped.
pub struct Cluster {
    /// Its Redis; a private one, so that a test may break it.
    pub redis: RedisServer,
    /// Talks to it.
    pub client: RawClient,
    gateways: Vec<Member>,
    workers: Vec<Process>,
    worker_binary: &'static str,
    gateway_args: Vec<String>,
    worker_args: Vec<String>,
    proxy: RoundRobin,
}

struct Member {
    process: Process,
    address: std::net::SocketAddr,
}

impl Cluster {
    /// Plans a fleet of one gateway and one worker.
    #[expect(clippy::new_ret_no_self, reason = "reads as a sentence in a test")]
    pub fn new() -> ClusterPlan {
        ClusterPlan {
            gateways: 1,
            workers: 1,
            worker_binary: "prynai-worker",
            gateway_args: Vec::new(),
            worker_args: Vec::new(),
        }
    }

    /// The MCP endpoint of one gateway.
    pub fn gateway(&self, index: usize) -> String {
        format!("{}/mcp", self.origin(index))
    }

    /// Scheme and address of one gateway.
    pub fn origin(&self, index: usize) -> String {
        format!("http://{}", self.gateways[index].address)
    }

    /// The MCP endpoint behind the round-robin proxy.
    pub fn proxy(&self) -> String {
        format!("http://{}/mcp", self.proxy.address())
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
        let address = self.gateways[index].address;
        self.gateways[index].process.kill().await;
        let listen = address.to_string();
        self.gateways[index] = start_gateway(&self.redis.url(), &listen, &self.gateway_args).await;
    }

    /// Kills a worker and starts another.
    pub async fn restart_worker(&mut self, index: usize) {
        self.workers[index].kill().await;
        self.workers[index] =
            start_worker(self.worker_binary, &self.redis.url(), &self.worker_args).await;
    }

    /// All gateways and workers.
    pub fn processes(&mut self) -> impl Iterator<Item = &mut Process> {
        let gateways = self.gateways.iter_mut().map(|gateway| &mut gateway.process);
        gateways.chain(&mut self.workers)
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

    /// Another worker than the one with the reference handler.
    pub fn worker_binary(mut self, binary: &'static str) -> Self {
        self.worker_binary = binary;
        self
    }

    /// Further arguments of each gateway.
    pub fn gateway_args(mut self, args: &[&str]) -> Self {
        self.gateway_args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    /// Further arguments of each worker.
    pub fn worker_args(mut self, args: &[&str]) -> Self {
        self.worker_args = args.iter().map(|arg| (*arg).to_owned()).collect();
        self
    }

    /// Starts it; returns when every process serves.
    pub async fn start(self) -> Cluster {
        let redis = RedisServer::start().await;
        let mut workers = Vec::new();
        for _ in 0..self.workers {
            workers.push(start_worker(self.worker_binary, &redis.url(), &self.worker_args).await);
        }
        let mut gateways = Vec::new();
        for _ in 0..self.gateways {
            let listen = "127.0.0.1:0";
            gateways.push(start_gateway(&redis.url(), listen, &self.gateway_args).await);
        }
        let addresses = gateways.iter().map(|g: &Member| g.address).collect();
        Cluster {
            proxy: RoundRobin::start(addresses).await,
            client: RawClient::new(),
            worker_binary: self.worker_binary,
            gateway_args: self.gateway_args,
            worker_args: self.worker_args,
            redis,
            gateways,
            workers,
        }
    }
}

async fn start_gateway(redis: &str, listen: &str, further: &[String]) -> Member {
    let mut args = vec!["--redis-url", redis, "--listen", listen];
    args.extend(further.iter().map(String::as_str));
    let mut process = Process::start("prynai-gateway", &args).await;
    let address = process.address().await;
    Member { process, address }
}

async fn start_worker(binary: &str, redis: &str, further: &[String]) -> Process {
    let mut args = vec!["--redis-url", redis, "--state-key", STATE_KEY];
    args.extend(further.iter().map(String::as_str));
    let mut process = Process::start(binary, &args).await;
    process.logged("ready").await;
    process
}
