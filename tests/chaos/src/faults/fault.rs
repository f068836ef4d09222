//! What is broken, by name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;

use crate::clients::balancer::Balancer;
use crate::clients::record::Answer;
use crate::faults::time;
use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_redis::seed::Seed;

/// The consumer group of the workers.
const GROUP: &str = "workers";

/// One reply in so many is lost, for so long.
const LOST_REPLY: u64 = 50;
const LOSING: Duration = Duration::from_secs(2);

/// How long Redis is away.
const AWAY: Duration = Duration::from_secs(10);

/// What a lagging replica lacks.
const LAG: Duration = Duration::from_secs(1);

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL to a worker; another one starts.
    KillWorker,
    /// SIGSTOP to a worker until after its lease, then SIGCONT.
    FreezeWorker,
    /// SIGTERM to a worker; another one starts when it has ended.
    StopWorker,
    /// SIGKILL to a gateway; another one starts at its address.
    KillGateway,
    /// SIGTERM to a gateway, which the balancer notices; another one starts at its address when it has ended.
    StopGateway,
    /// Every subscription is cut off.
    KillPubsub,
    /// Every command connection is cut off.
    KillNormal,
    /// Redis does not answer for ten seconds; connections stay open.
    PauseRedis,
    /// Redis is killed and started again from its append-only file.
    RestartRedis,
    /// Redis forgets everything.
    FlushRedis,
    /// The consumer group is gone.
    DropGroup,
    /// Redis is killed and its replica is promoted.
    FailOver,
    /// Redis executes all commands; one reply in many is lost with its connection, or comes too late.
    LoseReplies,
    /// Redis does not answer for longer than a lease, halted or stopped; it keeps its data.
    OutageBeyondLease,
    /// SIGTERM to a worker; another one starts, with another lease.
    MixedLease,
    /// SIGTERM to a worker or a gateway; another one starts, whose clock is wrong.
    SkewedClock,
    /// A worker's handlers block its runtime for longer than a lease.
    BlockedRuntime,
    /// The role of the master is handed to the replica, as an operator does it; no connection is cut.
    SwitchOver,
    /// Redis is killed and a replica is promoted that lacks what was written last.
    LaggingReplica,
}

/// A fault that was injected.
#[derive(Debug, Clone, Copy)]
pub struct Injected {
    /// Which.
    pub fault: Fault,
    /// When.
    pub at: Instant,
    /// The worker it hit, if it hit one.
    pub worker: Option<u32>,
}

impl Fault {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 19] = [
        (Self::KillWorker, "kill-worker"),
        (Self::FreezeWorker, "freeze-worker"),
        (Self::StopWorker, "stop-worker"),
        (Self::KillGateway, "kill-gateway"),
        (Self::StopGateway, "stop-gateway"),
        (Self::KillPubsub, "kill-pubsub"),
        (Self::KillNormal, "kill-normal"),
        (Self::PauseRedis, "pause-redis"),
        (Self::RestartRedis, "restart-redis"),
        (Self::FlushRedis, "flush-redis"),
        (Self::DropGroup, "drop-group"),
        (Self::FailOver, "fail-over"),
        (Self::LoseReplies, "lose-replies"),
        (Self::OutageBeyondLease, "outage-beyond-lease"),
        (Self::MixedLease, "mixed-lease"),
        (Self::SkewedClock, "skewed-clock"),
        (Self::BlockedRuntime, "blocked-runtime"),
        (Self::SwitchOver, "switch-over"),
        (Self::LaggingReplica, "lagging-replica"),
    ];

    /// Lets it happen, once; returns when the fleet is whole again.
    pub async fn inject(
        self,
        fleet: &mut Cluster,
        balancer: &Balancer,
        lease: Duration,
        chance: &mut Seed,
    ) -> Injected {
        let index = |count: usize, chance: &mut Seed| {
            usize::try_from(chance.below(count as u64)).expect("fits")
        };
        let worker = index(fleet.worker_count(), chance);
        let gateway = index(fleet.gateway_count(), chance);
        let pid = self
            .hits_worker()
            .then(|| fleet.worker_process(worker).pid());
        let at = Instant::now();
        match self {
            Self::KillWorker => fleet.restart_worker(worker).await,
            Self::FreezeWorker => freeze(fleet, worker, lease).await,
            Self::StopWorker => {
                fleet.worker_process(worker).signal("-TERM");
                fleet.worker_process(worker).ended().await;
                fleet.replace_worker(worker).await;
            }
            Self::KillGateway => fleet.restart_gateway(gateway).await,
            Self::StopGateway => {
                fleet.gateway_process(gateway).signal("-TERM");
                fleet.gateway_is_unready(gateway).await;
                balancer.set_leaving(gateway, true);
                fleet.gateway_process(gateway).ended().await;
                fleet.replace_gateway(gateway).await;
                balancer.set_leaving(gateway, false);
            }
            Self::RestartRedis => fleet.redis.restart().await,
            Self::FailOver => fleet.fail_over().await,
            Self::SwitchOver => fleet.switch_over().await,
            Self::LaggingReplica => fleet.fail_over_after_a_lag(LAG).await,
            Self::KillPubsub => command(fleet, &["CLIENT", "KILL", "TYPE", "pubsub"]).await,
            Self::KillNormal => command(fleet, &["CLIENT", "KILL", "TYPE", "normal"]).await,
            Self::FlushRedis => command(fleet, &["FLUSHALL"]).await,
            Self::DropGroup => command(fleet, &["XGROUP", "DESTROY", QUEUE, GROUP]).await,
            Self::LoseReplies => {
                let part = chance.below(u64::MAX);
                fleet.replies().hit_one_in(LOST_REPLY, chance.of_part(part));
                tokio::time::sleep(LOSING).await;
                fleet.replies().stop();
            }
            Self::PauseRedis => {
                fleet.redis.freeze();
                tokio::time::sleep(AWAY).await;
                fleet.redis.thaw();
            }
            Self::OutageBeyondLease => time::stop_redis(fleet, lease, chance).await,
            Self::MixedLease => time::mix_leases(fleet, worker, lease, chance).await,
            Self::SkewedClock => {
                time::skew_clock(fleet, balancer, (worker, gateway), chance).await;
            }
            Self::BlockedRuntime => time::block_runtime(fleet, worker, lease).await,
        }
        Injected {
            fault: self,
            at,
            worker: pid,
        }
    }

    fn hits_worker(self) -> bool {
        matches!(
            self,
            Self::KillWorker | Self::FreezeWorker | Self::StopWorker
        )
    }

    /// Whether Redis loses what it knew, or is away.
    fn hits_redis(self) -> bool {
        self.loses_data()
            || matches!(
                self,
                Self::KillNormal
                    | Self::PauseRedis
                    | Self::RestartRedis
                    | Self::DropGroup
                    | Self::LoseReplies
                    | Self::SwitchOver
            )
    }

    /// Whether what Redis knew may be gone.
    pub fn loses_data(self) -> bool {
        matches!(
            self,
            Self::FlushRedis | Self::FailOver | Self::LaggingReplica
        )
    }

    /// Whether it takes a Redis with a replica.
    pub fn needs_replica(self) -> bool {
        matches!(
            self,
            Self::FailOver | Self::SwitchOver | Self::LaggingReplica
        )
    }

    /// Whether a call may run again because of it: its worker is lost, or Redis does not know what ran.
    pub fn repeats_runs(self) -> bool {
        let loses_worker = matches!(self, Self::KillWorker | Self::FreezeWorker);
        loses_worker || self.loses_data() || self == Self::DropGroup
    }

    /// Whether a call may be answered so because of it.
    pub fn excuses(self, answer: &Answer) -> bool {
        match answer {
            Answer::Result(_) => true,
            Answer::OutcomeUnknown | Answer::GivenUp => self.repeats_runs(),
            Answer::Refused(_) => {
                let refuses = [
                    Self::StopGateway,
                    Self::SkewedClock,
                    Self::OutageBeyondLease,
                ];
                self.hits_redis() || refuses.contains(&self)
            }
            // A stopping gateway breaks nothing off.
            Answer::Unsent | Answer::Dropped => self == Self::KillGateway,
            // Nobody knows whether it was queued.
            Answer::AnswerLost => self.hits_redis() || self == Self::OutageBeyondLease,
            Answer::SessionGone | Answer::NotResumable => self.loses_data(),
            Answer::Unexpected(_) | Answer::Hung => false,
        }
    }
}

/// Past its lease, and long enough for the others to notice.
async fn freeze(fleet: &mut Cluster, worker: usize, lease: Duration) {
    let process = fleet.worker_process(worker);
    process.signal("-STOP");
    tokio::time::sleep(lease + Duration::from_secs(2)).await;
    process.signal("-CONT");
}

async fn command(fleet: &Cluster, parts: &[&str]) {
    let _: redis::Value = fleet.redis.command(parts).await;
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Self::ALL.iter().find(|(fault, _)| fault == self);
        f.write_str(named.map_or("unnamed", |(_, name)| name))
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::ALL.iter().find(|(_, name)| *name == text);
        named.map(|(fault, _)| *fault).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(_, name)| *name).collect();
            format!(
                "no fault is called {text:?}; there are: {}",
                names.join(", ")
            )
        })
    }
}
