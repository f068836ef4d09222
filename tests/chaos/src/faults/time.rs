//! Faults of time: Redis away for longer than a lease, leases that differ, clocks that are wrong, a runtime that is
//! blocked.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::clients::balancer::Balancer;
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::skew::skewed_by;
use prynai_test_redis::seed::Seed;

/// How long a worker of the chaos runs blocks its runtime when it gets SIGUSR1, in milliseconds.
pub const BLOCK: &str = "PRYNAI_CHAOS_BLOCK";

/// Beyond a lease, so that the others notice.
const BEYOND: Duration = Duration::from_secs(3);

/// How wrong clocks are.
const SKEWS: [&str; 4] = ["+300s", "-300s", "+3660s", "-3660s"];

/// How long a runtime is blocked where leases last so long.
pub fn blocked_for(lease: Duration) -> Duration {
    lease + BEYOND
}

/// Halts Redis, or stops it, for longer than a lease.
pub(super) async fn stop_redis(fleet: &mut Cluster, lease: Duration, chance: &mut Seed) {
    if chance.below(2) == 0 {
        fleet.redis.freeze();
        tokio::time::sleep(lease + BEYOND).await;
        fleet.redis.thaw();
    } else {
        fleet.redis.stop();
        tokio::time::sleep(lease + BEYOND).await;
        fleet.redis.restart().await;
    }
}

/// Exchanges a worker for one with another lease.
pub(super) async fn mix_leases(
    fleet: &mut Cluster,
    worker: usize,
    lease: Duration,
    chance: &mut Seed,
) {
    fleet.worker_process(worker).signal("-TERM");
    fleet.worker_process(worker).ended().await;
    let other = *chance.choose(&[Duration::from_secs(1), lease * 3]);
    let other = format!("{}ms", other.as_millis());
    fleet
        .replace_worker_as(worker, &["--lease", &other], &[])
        .await;
}

/// Exchanges a worker or a gateway for one whose clock is wrong.
pub(super) async fn skew_clock(
    fleet: &mut Cluster,
    balancer: &Balancer,
    (worker, gateway): (usize, usize),
    chance: &mut Seed,
) {
    let skew: &&str = chance.choose(&SKEWS);
    let skew = skewed_by(skew);
    if chance.below(2) == 0 {
        fleet.worker_process(worker).signal("-TERM");
        fleet.worker_process(worker).ended().await;
        return fleet.replace_worker_as(worker, &[], &skew).await;
    }
    fleet.gateway_process(gateway).signal("-TERM");
    fleet.gateway_is_unready(gateway).await;
    balancer.set_leaving(gateway, true);
    fleet.gateway_process(gateway).ended().await;
    fleet.replace_gateway_as(gateway, &skew).await;
    balancer.set_leaving(gateway, false);
}

/// Lets a worker's handlers block its runtime for longer than a lease.
pub(super) async fn block_runtime(fleet: &mut Cluster, worker: usize, lease: Duration) {
    fleet.worker_process(worker).signal("-USR1");
    tokio::time::sleep(blocked_for(lease) + BEYOND).await;
}

/// Blocks all threads of this runtime whenever this process gets SIGUSR1, as a handler does that blocks
/// without knowing that it is on a runtime.
///
/// # Errors
///
/// When the process cannot listen for signals.
pub fn block_when_told() -> std::io::Result<()> {
    let Some(ms) = std::env::var(BLOCK).ok().and_then(|ms| ms.parse().ok()) else {
        return Ok(());
    };
    let mut told = signal(SignalKind::user_defined1())?;
    let threads = tokio::runtime::Handle::current().metrics().num_workers();
    tokio::spawn(async move {
        while told.recv().await.is_some() {
            let all_here = std::sync::Arc::new(std::sync::Barrier::new(threads));
            for _ in 0..threads {
                let all_here = std::sync::Arc::clone(&all_here);
                // A thread that blocks takes no second one.
                tokio::spawn(async move {
                    all_here.wait();
                    std::thread::sleep(Duration::from_millis(ms));
                });
            }
        }
    });
    Ok(())
}
