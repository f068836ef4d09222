//! Stopping in stages.

use std::time::Duration;

use tokio::runtime;
use tokio_util::sync::{CancellationToken, DropGuard};

/// What the process may take to end after the hard stop, or after everything in it has ended.
const END: Duration = Duration::from_secs(5);

/// What the log may take for its last line.
const LAST_LINE: Duration = Duration::from_millis(200);

/// The tokens every long-running task gets.
///
/// `leaving`: say that nothing more should come, and serve what comes all the same. `soft`: take nothing
/// new, finish what runs. `hard`: stop now. Each stage is the ones before it, too.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    leaving: CancellationToken,
    soft: CancellationToken,
    hard: CancellationToken,
}

/// Held while there is something to be ended in order.
#[derive(Debug)]
#[must_use = "the process ends soon after this is dropped"]
pub struct Unended(#[expect(dead_code, reason = "for its drop")] DropGuard);

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

    /// Listens for SIGTERM and SIGINT, on a thread that nothing else can block. The first one announces the stop,
    /// begins it after `delay`, and aborts it `grace` after the signal; a second one aborts it at once.
    ///
    /// The process ends five seconds after the hard stop, or after the answer was dropped, whichever comes first: also
    /// when some thread blocks for ever, for which a runtime waits without end. The exit code is 1 then.
    ///
    /// # Errors
    ///
    /// When the process cannot listen for signals.
    pub fn on_signals(&self, delay: Duration, grace: Duration) -> std::io::Result<Unended> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let signals = {
            let _context = runtime.enter();
            Signals::new()?
        };
        let shutdown = self.clone();
        let listen = move || {
            runtime.block_on(shutdown.stop_on(signals, delay, grace));
            tracing::error!(
                "the process does not end by itself: a thread is blocked, perhaps by a handler's spawn_blocking; \
                 ending it"
            );
            // The log has a writer of its own, for which nobody waits.
            std::thread::sleep(LAST_LINE);
            std::process::exit(1);
        };
        std::thread::Builder::new()
            .name("signals".to_owned())
            .spawn(listen)?;
        Ok(Unended(self.hard.clone().drop_guard()))
    }

    /// Returns when the process must be gone.
    async fn stop_on(self, mut signals: Signals, delay: Duration, grace: Duration) {
        let ended = self.hard.clone();
        ended
            .run_until_cancelled(async {
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
                    second = signals.next() => {
                        tracing::warn!(signal = second, "second signal: stopping at once");
                    }
                    () = tokio::time::sleep(grace) => tracing::warn!("grace period over: stopping at once"),
                }
            })
            .await;
        self.abort();
        tokio::time::sleep(END).await;
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
