//! Short chaos runs; `scripts/chaos` makes long ones. A failure names the seed, with which it happens again.

use std::time::Duration;

use prynai_chaos::clients::record::{Answer, Era};
use prynai_chaos::faults::fault::Fault;
use prynai_chaos::judging::outcome::Outcome;
use prynai_chaos::scenarios::scenario::Scenario;

async fn holds(name: &str, seed: u64, faults: &[Fault]) -> Outcome {
    let scenario = Scenario::small(name, seed).faults(faults);
    let outcome = scenario.run().await;
    let table = outcome.table(&scenario);
    assert!(outcome.violations.is_empty(), "{table}");
    assert!(outcome.injected.len() > 1, "{table}");
    let results = outcome.records.iter();
    let results = results.filter(|record| matches!(record.answer, Answer::Result(_)));
    assert!(results.count() > 20, "{table}");
    outcome
}

#[tokio::test]
async fn workers_die_and_freeze() {
    holds("workers", 11, &[Fault::KillWorker, Fault::FreezeWorker]).await;
}

#[tokio::test]
async fn gateways_die() {
    holds("gateways", 12, &[Fault::KillGateway]).await;
}

#[tokio::test]
async fn redis_is_cut_off_and_restarted() {
    let faults = [Fault::KillPubsub, Fault::KillNormal, Fault::RestartRedis];
    holds("redis", 13, &faults).await;
}

#[tokio::test]
async fn redis_forgets() {
    let faults = [Fault::FlushRedis, Fault::DropGroup, Fault::FailOver];
    holds("forgetful redis", 14, &faults).await;
}

#[tokio::test]
async fn replies_are_lost() {
    holds("replies", 16, &[Fault::LoseReplies]).await;
}

#[tokio::test]
async fn time_goes_wrong() {
    let outages = [Fault::OutageBeyondLease];
    holds("outages", 18, &outages).await;
    let others = [Fault::MixedLease, Fault::SkewedClock, Fault::BlockedRuntime];
    holds("time", 17, &others).await;
}

#[tokio::test]
async fn redis_is_handed_over_and_lags() {
    let faults = [Fault::SwitchOver, Fault::LaggingReplica];
    holds("handed over", 19, &faults).await;
}

#[tokio::test]
async fn tasks_outlive_everything() {
    let faults = [Fault::KillWorker, Fault::KillGateway, Fault::RestartRedis];
    let mut scenario = Scenario::small("tasks", 20).faults(&faults);
    scenario.load.eras = vec![Era::Tasks];
    scenario.load.takes = (Duration::from_millis(500), Duration::from_secs(4));
    scenario.load.events = 0;
    scenario.attempts = 100;
    let outcome = scenario.run().await;
    let table = outcome.table(&scenario);
    assert!(outcome.violations.is_empty(), "{table}");
    assert!(outcome.tasks_fetched() > 20, "{table}");
}

#[tokio::test]
async fn a_rolling_restart_fails_no_call() {
    let faults = [Fault::StopWorker, Fault::StopGateway];
    let mut scenario = Scenario::small("rolling restart", 15).faults(&faults);
    scenario.every = (Duration::from_secs(1), Duration::from_secs(1));
    let outcome = scenario.run().await;
    let table = outcome.table(&scenario);
    assert!(outcome.violations.is_empty(), "{table}");
    for record in &outcome.records {
        let is_well = match (&record.answer, record.era) {
            (Answer::Result(_), _) => true,
            (Answer::Refused(status), Era::Modern) => *status == 503,
            _ => false,
        };
        assert!(is_well, "{record:?}\n{table}");
    }
}
