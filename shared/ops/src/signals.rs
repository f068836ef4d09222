//! What tells the program to stop.

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears from its making on that the program is to stop: with Ctrl-C, or as processes are ended in order. What cannot
/// be heard ends the process as it always did.
pub(crate) struct Stop {
    #[cfg(unix)]
    signals: [Option<Signal>; 3],
}

impl Stop {
    pub(crate) fn hear() -> Self {
        Self {
            #[cfg(unix)]
            signals: [
                signal(SignalKind::interrupt()).ok(),
                signal(SignalKind::terminate()).ok(),
                signal(SignalKind::hangup()).ok(),
            ],
        }
    }

    /// Waits until somebody wants the program to stop.
    #[cfg(unix)]
    pub(crate) async fn told(&mut self) {
        let hear = async |signal: &mut Option<Signal>| match signal {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        };
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            () = hear(interrupt) => {}
            () = hear(terminate) => {}
            () = hear(hangup) => {}
        }
    }

    /// Waits until somebody wants the program to stop.
    #[cfg(not(unix))]
    pub(crate) async fn told(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
