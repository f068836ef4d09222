//! Limits decide the exit code.

use crate::{Scratch, Server, load, number};

#[tokio::test]
async fn a_broken_limit_is_named_and_changes_the_exit_code() {
    let server = Server::start().await;
    let (url, json) = (server.url(), Scratch::new("limits.json"));
    let common = [
        &url,
        "--clients",
        "2",
        "--duration",
        "1s",
        "--json",
        json.path(),
    ];
    let with = async |limits: &[&str]| load(&[&common, limits].concat()).await;

    let good = with(&["--p95-ms", "30000", "--max-lost", "0", "--max-errors", "0"]).await;
    assert_eq!(good.status.code(), Some(0), "{}", good.output);
    assert!(
        good.output.contains("--max-lost 0 holds"),
        "{}",
        good.output
    );

    let slow = with(&["--p95-ms", "0.001", "--max-lost", "0"]).await;
    assert_eq!(slow.status.code(), Some(1), "{}", slow.output);
    let report = json.json();
    let p95 = number(&report["latency_ms"]["p95"]);
    let over = ((p95 - 0.001) * 1e3).round() / 1e3;
    let named = format!(
        "--p95-ms 0.001 is broken: it was {}",
        (p95 * 1e3).round() / 1e3
    );
    assert!(slow.output.contains(&named), "{named}: {}", slow.output);
    assert!(
        slow.output.contains(&format!("{over} too much")),
        "{}",
        slow.output
    );
    assert!(
        slow.output.contains("--max-lost 0 holds"),
        "{}",
        slow.output
    );
    assert_eq!(report["limits"][0]["is_broken"], true);
    assert_eq!(report["limits"][1]["is_broken"], false);
}
