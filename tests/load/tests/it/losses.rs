//! What a server forgets is counted.

use clap::Parser;
use prynai_load::settings::Settings;
use prynai_load::{Progress, run};
use prynai_test_redis::assert_eventually;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Server;

#[tokio::test]
async fn a_server_that_forgets_its_sessions_has_lost_them() {
    let mut server = Server::start().await;
    let url = server.url();
    let args = ["prynai-load", &url, "--mode", "session", "--clients", "4"];
    let limits = ["--duration", "5m", "--max-lost", "0"];
    let settings = Settings::parse_from([&args[..], &limits].concat());
    let (stop, (told, sessions)) = (CancellationToken::new(), watch::channel(0));
    let stopped = stop.clone();
    let running = tokio::spawn(async move {
        let watch = |progress: Progress| {
            told.send_replace(progress.sessions);
        };
        run(&settings, &stopped, watch).await
    });
    assert_eventually!(*sessions.borrow() == 4, "the sessions are not opened");
    server.replace().await;
    // Each client has noticed, and has opened another session.
    assert_eventually!(*sessions.borrow() == 8, "the clients do not come back");
    stop.cancel();
    let report = running.await.expect("ends").expect("is usable");
    assert_eq!(report.sessions_lost, 4, "{report:#?}");
    assert_eq!(report.sessions, 8, "{report:#?}");
    assert!(report.lost >= 4, "{report:#?}");
    assert!(!report.is_good(), "{report:#?}");
    // Nobody asks for the stream of a session that is gone.
    assert_eq!(report.events_lost, 0, "{report:#?}");
}
