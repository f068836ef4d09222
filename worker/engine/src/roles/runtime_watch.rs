//! Notices when handlers hold the runtime up.

use std::cell::Cell;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use crate::metrics::metrics;

/// Time between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// How long a task that is ready waits for its turn on a runtime that stands still.
const STANDS_AFTER: Duration = Duration::from_millis(500);

/// After so much more it is told.
const TELLS_AFTER: Duration = Duration::from_millis(1500);

/// Time between two complaints.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Gives the runtime of the handlers a task to do, again and again, and notes since when it did none. Runs until it is
/// dropped, on another runtime.
pub(crate) async fn run(handlers: &Handle, stands_since: &Cell<Option<Instant>>) {
    let mut told: Option<Instant> = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let asked = Instant::now();
        let mut turn = handlers.spawn(std::future::ready(()));
        if timeout(STANDS_AFTER, &mut turn).await.is_ok() {
            continue;
        }
        stands_since.set(Some(asked));
        metrics().blocked.inc();
        let is_short = timeout(TELLS_AFTER, &mut turn).await.is_ok();
        let tells = !is_short && told.is_none_or(|told| told.elapsed() >= TELL_EVERY);
        if tells {
            told = Some(Instant::now());
            tracing::warn!(
                "handlers block the runtime: no other call of this worker goes on, and none is cancelled or ends at its \
                 deadline; let blocking work run in tokio::task::spawn_blocking"
            );
        }
        if !is_short {
            // An error says that the runtime has ended.
            let _ = turn.await;
        }
        stands_since.set(None);
        if tells {
            let blocked_s = asked.elapsed().as_secs_f64();
            tracing::warn!(blocked_s, "the runtime goes on");
        }
    }
}
