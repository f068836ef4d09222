//! Warnings of what was forged: there may be more of it than anybody wants to read.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prynai_bus::wire::WireError;
use tokio::time::Instant;

/// Least time between two warnings.
const PAUSE: Duration = Duration::from_secs(10);

/// Warns of forgeries now and then, and counts those in between.
#[derive(Default)]
pub(crate) struct Forgeries(Mutex<Warned>);

#[derive(Default)]
struct Warned {
    last: Option<Instant>,
    since: u64,
}

impl Forgeries {
    /// Says what was found where, and never what it says.
    pub(crate) fn found(&self, what: &'static str, place: &dyn Display, reason: &WireError) {
        if let Some(others) = self.count() {
            tracing::warn!(
                what,
                %place,
                %reason,
                others,
                "ignored what no gateway of this fleet signed: somebody else writes to this Redis, or the gateways \
                 have other envelope keys"
            );
        }
    }

    /// Counts one; how many others there were since the last warning, if it is time for the next.
    fn count(&self) -> Option<u64> {
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.last.is_some_and(|last| last.elapsed() < PAUSE) {
            warned.since += 1;
            return None;
        }
        warned.last = Some(Instant::now());
        Some(std::mem::take(&mut warned.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_forgeries_make_few_warnings() {
        let forgeries = Forgeries::default();
        assert_eq!(forgeries.count(), Some(0));
        for _ in 0..1000 {
            assert_eq!(forgeries.count(), None);
        }
        tokio::time::advance(PAUSE).await;
        assert_eq!(forgeries.count(), Some(1000));
        assert_eq!(forgeries.count(), None);
        tokio::time::advance(PAUSE).await;
        assert_eq!(forgeries.count(), Some(1));
    }
}
