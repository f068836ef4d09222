//! What tells the program to stop.

/// Waits until somebody wants the program to stop: with Ctrl-C, or as processes are ended in order. What cannot be
/// heard ends the process as it always did.
#[cfg(unix)]
pub(crate) async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};

    let hear = async |kind| match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = hear(SignalKind::interrupt()) => {}
        () = hear(SignalKind::terminate()) => {}
        () = hear(SignalKind::hangup()) => {}
    }
}

/// Waits until somebody wants the program to stop.
#[cfg(not(unix))]
pub(crate) async fn told_to_stop() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
