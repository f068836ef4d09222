//! Every process of a fleet is exchanged while clients call. The load tool holds the promise against it, as an operator
//! would do at a larger one.

use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use serde_json::Value;
use uuid::Uuid;

use super::fleet::{FIRST, Fleet, SECOND, free_port};
use super::ops::{ops, ops_json};

const CLIENTS: &str = "24";

#[tokio::test]
async fn a_rolling_restart_loses_no_session_no_call_and_no_event() {
    let port = free_port().await;
    let mut fleet = Fleet::start(port, &[FIRST, SECOND]).await;
    fleet.add_worker().await;
    let mut first = fleet.gateway(FIRST).await;
    let mut second = fleet.gateway(SECOND).await;

    let report = std::env::temp_dir().join(format!("prynai-load-{}.json", Uuid::new_v4()));
    let (url, file) = (fleet.url(), report.to_str().expect("is UTF-8"));
    // Long enough that processes end while calls run. How long all of it takes is the machine's affair, so the load
    // goes on until it is told to end.
    let call = [
        "--tool",
        "long_running",
        "--arguments",
        r#"{"steps":4,"delay_ms":50}"#,
    ];
    let clients = ["--mode", "session", "--clients", CLIENTS, "--think", "50ms"];
    let until_told = ["--duration", "1h", "--progress", "--json", file];
    let limits = ["--p95-ms", "10000", "--max-lost", "0", "--max-errors", "0"];
    let args = [&[url.as_str()][..], &call, &clients, &until_told, &limits].concat();
    let mut load = Process::start("prynai-load", &args).await;
    assert_eventually!(!load.log().is_empty(), "the load does not begin");

    // Whoever stopped in order is not taken for one that hears nothing.
    let redis = fleet.redis.url();
    fleet.restart(&mut first, FIRST).await;
    assert_well(&redis).await;
    fleet.restart_workers().await;
    assert_well(&redis).await;
    fleet.restart(&mut second, SECOND).await;
    assert_well(&redis).await;
    let workers = ops_json(&redis, &["workers"]).await;
    let workers = workers["workers"].as_array().expect("is a list").iter();
    let stopped = workers.filter(|worker| worker["has_stopped"] == true);
    assert_eq!(stopped.count(), 2);

    load.signal("-INT");
    let status = load.ended().await;
    let said = load.log().join("\n");
    assert_eq!(status.code(), Some(0), "{said}");
    let written = std::fs::read_to_string(&report).expect("is written");
    std::fs::remove_file(&report).expect("is removed");
    let report: Value = serde_json::from_str(&written).expect("is JSON");
    assert_eq!(report["sessions_lost"], 0, "{said}");
    assert_eq!(report["calls_lost"], 0, "{said}");
    assert_eq!(report["events_lost"], 0, "{said}");
    // None was opened anew, and the streams of the gateway that stopped first went on at the other one.
    let clients: u64 = CLIENTS.parse().expect("is a number");
    assert_eq!(report["sessions"], clients, "{said}");
    assert!(report["streams_resumed"].as_u64() > Some(0), "{said}");
    assert!(
        report["events"].as_u64() >= report["answered"].as_u64(),
        "{said}"
    );
}

/// Looks once, and right now: nothing is to be done.
async fn assert_well(redis: &str) {
    let doctor = ops(redis, &["doctor"]).await;
    assert!(doctor.status.success(), "{}", doctor.output);
    let well = "fleet: good.";
    assert!(doctor.output.contains(well), "{}", doctor.output);
}
