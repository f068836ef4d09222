//! The live screen, at a real terminal.

use std::process::Command;

use prynai_test_harness::client::{long_running, modern};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::terminal::Terminal;
use prynai_test_redis::assert_eventually;

/// `prynai-ops top`, once it has the screen.
async fn top(cluster: &Cluster) -> Terminal {
    let url = cluster.redis.url();
    let top = Terminal::start("prynai-ops", &["--redis-url", &url, "top", "--every", "1s"]).await;
    assert_eventually!(top.is_taken(), "{}", top.text());
    assert_eventually!(!top.has_cursor(), "{}", top.text());
    top
}

/// Waits until the shell has the terminal again, as it was, and says so.
async fn is_given_back(top: Terminal) {
    assert_eventually!(top.text().contains("it ended with 0"), "{}", top.text());
    assert_eventually!(
        top.text().contains("the terminal is as it was"),
        "{}",
        top.text()
    );
    assert!(!top.is_taken() && top.has_cursor(), "{}", top.text());
    assert!(top.leave().await.success());
}

#[tokio::test]
async fn the_live_screen_shows_the_fleet_filters_and_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let (client, gateway) = (&cluster.client, cluster.gateway(0));
    let call = modern(1, "tools/call", long_running(1000, 100));
    let mut events = client.modern(&gateway, &call).await.events();
    events.expect("notifications/progress").await;
    let worker = cluster.owners().await.pop().expect("runs");

    let mut top = top(&cluster).await;
    let shows = |top: &Terminal, texts: &[&str]| texts.iter().all(|text| top.text().contains(text));
    let fleet = [
        "workers 2 alive",
        "gateways 2 alive",
        "long_running",
        &worker,
    ];
    assert_eventually!(shows(&top, &fleet), "{}", top.text());

    top.press("/no such tool").await;
    assert_eventually!(
        shows(&top, &["/no such tool", "Nothing here has this text."]),
        "{}",
        top.text()
    );
    assert!(!top.text().contains("long_running"), "{}", top.text());
    top.press("\u{1b}").await;
    assert_eventually!(shows(&top, &["long_running"]), "{}", top.text());
    top.press("/LONG_R\r").await;
    assert_eventually!(
        shows(&top, &["/LONG_R ", "tools/call long_running"]),
        "{}",
        top.text()
    );
    // The details of the call, which go on by themselves.
    top.press("\r").await;
    assert_eventually!(shows(&top, &["renewed its lease"]), "{}", top.text());
    top.press("2").await;
    assert_eventually!(shows(&top, &["HEARD AGO"]), "{}", top.text());

    top.press("q").await;
    is_given_back(top).await;
}

#[tokio::test]
async fn a_live_screen_that_is_told_to_end_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::new().start().await;
    let mut interrupted = top(&cluster).await;
    interrupted.press("\u{3}").await;
    is_given_back(interrupted).await;

    let ended = top(&cluster).await;
    let pid = ended.program().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.expect("kill runs").success());
    is_given_back(ended).await;
}
