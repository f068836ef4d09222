//! What a server forgets is counted.

use clap::Parser;
use prynai_load::report::Report;
use prynai_load::settings::Settings;
use prynai_load::{Progress, run};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Server;

/// A load that goes on until it is told to end.
struct Load {
    stop: CancellationToken,
    progress: watch::Receiver<Option<Progress>>,
    running: JoinHandle<Report>,
}

impl Load {
    fn begin(args: &[&str]) -> Self {
        let endless = ["--duration", "1h", "--max-lost", "0"];
        let settings = Settings::parse_from([&["prynai-load"][..], args, &endless].concat());
        let stop = CancellationToken::new();
        let (told, progress) = watch::channel(None);
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            let watch = |progress| {
                told.send_replace(Some(progress));
            };
            let report = run(&settings, &stopped, watch).await;
            report.expect("the server is usable")
        });
        Self {
            stop,
            progress,
            running,
        }
    }

    /// Whether it is as far as this.
    fn has(&self, count: impl FnOnce(Progress) -> u64, least: u64) -> bool {
        self.progress.borrow().is_some_and(|p| count(p) >= least)
    }

    async fn end(self) -> Report {
        self.stop.cancel();
        self.running.await.expect("does not panic")
    }
}

#[tokio::test]
async fn a_server_that_forgets_its_sessions_has_lost_them() {
    let mut server = Server::start().await;
    let url = server.url();
    let load = Load::begin(&[&url, "--mode", "session", "--clients", "4"]);
    let sessions = |progress: Progress| progress.sessions;
    assert_eventually!(load.has(sessions, 4), "the sessions are not opened");
    server.replace().await;
    // Each client has noticed, and has opened another session.
    assert_eventually!(load.has(sessions, 8), "the clients do not come back");
    let report = load.end().await;
    assert_eq!(report.sessions_lost, 4, "{report:#?}");
    assert_eq!(report.sessions, 8, "{report:#?}");
    assert!(report.lost >= 4, "{report:#?}");
    assert!(!report.is_good(), "{report:#?}");
    // Nobody asks for the stream of a session that is gone.
    assert_eq!(report.events_lost, 0, "{report:#?}");
}

#[tokio::test]
async fn calls_whose_gateway_dies_are_resumed_at_another_one() {
    let mut cluster = Cluster::new().gateways(2).start().await;
    let url = cluster.proxy();
    // Long enough that all calls are under way when the gateway dies.
    let steps = r#"{"steps":30,"delay_ms":100}"#;
    let call = ["--tool", "long_running", "--arguments", steps, "--progress"];
    let clients = [&url, "--mode", "session", "--clients", "6"];
    let load = Load::begin(&[&clients[..], &call].concat());
    let (events, answered) = (|p: Progress| p.events, |p: Progress| p.answered);
    assert_eventually!(load.has(events, 60), "the calls do not begin");
    cluster.restart_gateway(0).await;
    assert_eventually!(load.has(answered, 6), "the calls do not end");
    let report = load.end().await;
    assert!(report.calls_resumed >= 1, "{report:#?}");
    assert!(report.streams_resumed >= 1, "{report:#?}");
    assert_eq!(report.lost, 0, "{report:#?}");
    // Two of each step, and no one twice.
    assert_eq!(report.events, 60 * report.answered, "{report:#?}");
}
