//! Stopping in stages.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The tokens every long-running role gets.
///
/// `leaving`: say that nothing more should come, and serve what comes all the same. `soft`: take nothing
/// new, finish what runs. `hard`: stop now. Each stage is the ones before it, too.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    leaving: CancellationToken,
    soft: CancellationToken,
    hard: CancellationToken,
}

impl Shutdown {
    /// Tokens that nothing has fired yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the orderly stop.
    pub fn begin(&self) {
        self.leaving.cancel();
        self.soft.cancel();
    }

    /// Stops at once.
    pub fn abort(&self) {
        self.begin();
        self.hard.cancel();
    }

    /// Whether the process is about to stop.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Fires when nothing new may be taken.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Fires when everything must end.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Waits for SIGTERM or SIGINT, announces the stop, begins it after `delay`, and aborts `grace` after
    /// the signal or on a second one. Returns once the stop was aborted; drop it when everything has ended
    /// before.
    ///
    /// # Errors
    ///
    /// When the process cannot listen for signals.
    pub async fn on_signals(self, delay: Duration, grace: Duration) -> std::io::Result<()> {
        let mut signals = Signals::new()?;
        let first = signals.next().await;
        tracing::info!(signal = first, grace_s = grace.as_secs_f64(), "stopping");
        self.leaving.cancel();
        let delayed = async {
            tokio::time::sleep(delay).await;
            self.begin();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = delayed => {}
            second = signals.next() => tracing::warn!(signal = second, "second signal: stopping at once"),
            () = tokio::time::sleep(grace) => tracing::warn!("grace period over: stopping at once"),
        }
        self.abort();
        Ok(())
    }
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        // An error here means that the process cannot be interrupted; then only a kill ends it.
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    }
}
