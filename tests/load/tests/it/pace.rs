//! An open loop tells of a stall what a closed one hides.

use std::time::Duration;

use crate::{Scratch, Server, begin, number};

/// How long the server stands still.
const STALL: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_stall_makes_every_call_late_that_was_due_meanwhile() {
    let server = Server::start().await;
    let (url, report) = (server.url(), Scratch::new("pace.json"));
    let rate = [&url, "--clients", "4", "--rate", "100", "--duration", "6s"];
    let mut load = begin(&[&rate[..], &["--json", report.path()]].concat()).await;
    server.process.signal("-STOP");
    tokio::time::sleep(STALL).await;
    server.process.signal("-CONT");
    assert!(load.ended().await.success(), "{:?}", load.log());
    let report = report.json();
    // 200 calls were due while nobody answered: half of them waited for a second or longer. Only 4 had been sent, which
    // is all that a closed loop would have noticed.
    let bars = report["distribution"].as_array().expect("is an array");
    let slow = bars.iter().filter(|bar| number(&bar["from_ms"]) >= 900.0);
    let slow: f64 = slow.map(|bar| number(&bar["count"])).sum();
    assert!(slow >= 80.0, "{slow} calls: {report:#}");
    assert!(
        number(&report["latency_ms"]["p99"]) >= 1_500.0,
        "{report:#}"
    );
    assert_eq!(report["calls"], 600, "{report:#}");
    assert_eq!(report["errors"], 0, "{report:#}");
}
