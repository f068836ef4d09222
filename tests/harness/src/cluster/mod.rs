//! A fleet: gateways and workers as processes, one Redis, and a per-request round-robin proxy.

mod plan;

pub use plan::ClusterPlan;

use std::net::SocketAddr;
use std::time::Duration;

use plan::Launch;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::replies::ReplyThief;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::switch::Switch;
use prynai_test_redis::throttle::Throttle;

use crate::client::RawClient;
use crate::process::Process;
use crate::round_robin::RoundRobin;

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
        ClusterPlan::of_one_each()
    }

    /// The MCP endpoint of one gateway.
    pub fn gateway(&self, index: usize) -> String {
        format!("{}/mcp", self.origin(index))
    }

    /// Scheme and address of one gateway.
    pub fn origin(&self, index: usize) -> String {
        format!("{}://{}", self.scheme, self.address(index))
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

    /// Starts a worker beside those of the plan, and does not wait until it is ready.
    pub async fn further_worker(&self) -> Process {
        let url = self.redis_url();
        self.of_workers.start(&["--redis-url", &url]).await
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

    /// The address of one gateway.
    pub fn address(&self, index: usize) -> SocketAddr {
        self.gateways[index].address
    }

    /// The addresses of all gateways.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.gateways.iter().map(|member| member.address).collect()
    }

    /// Kills Redis and promotes its replica, which the fleet finds under the same address; then there is another
    /// replica. The plan must have asked for one.
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

    /// Hands the role of the master to its replica, to which new connections lead; those that are open stay. The plan
    /// must have asked for a replica.
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

    /// How many requests wait or run.
    pub async fn queued(&self) -> usize {
        self.redis.command(&["XLEN", QUEUE]).await
    }

    /// What is left of the calls made: queue entries, and streams that gateways hold.
    pub async fn left_over(&self) -> (usize, i64) {
        let queued = self.queued().await;
        let mut held = 0;
        for index in 0..self.gateways.len() {
            let url = format!("{}/readyz", self.origin(index));
            let ready = self.client.get_json(&url).await;
            held += ready["calls"].as_i64().unwrap_or(1);
        }
        (queued, held)
    }

    /// The workers that have requests, named once for each request.
    pub async fn owners(&self) -> Vec<String> {
        let pending = ["XPENDING", QUEUE, "workers", "-", "+", "100"];
        let pending: Vec<(String, String, i64, i64)> = self.redis.command(&pending).await;
        pending.into_iter().map(|(_, owner, ..)| owner).collect()
    }

    /// Fails if anything is left of the calls made: a queue entry, or a stream that a gateway holds.
    pub async fn assert_idle(&self) {
        assert_eventually!(self.queued().await == 0, "requests are left in the queue");
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

fn redis_url(redis: &RedisServer, through: Option<&Switch>) -> String {
    match through {
        Some(switch) => format!("redis://{}", switch.address()),
        None => redis.url(),
    }
}
