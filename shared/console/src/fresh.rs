//! Pages that were made a moment ago.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::answer::Answer;

/// What is made once within this time is made once for all: a hundred readers cost as much as one.
const FRESH: Duration = Duration::from_secs(1);

/// How long a reader waits until those before have their pages. Connections to administration last a little longer.
const PATIENCE: Duration = Duration::from_secs(8);

/// How long a page may take.
pub(crate) const LONGEST: Duration = Duration::from_secs(5);

/// Pages that are kept.
const MOST: usize = 16;

/// Makes one page at a time.
#[derive(Default)]
pub(crate) struct Fresh {
    kept: Mutex<HashMap<String, Kept>>,
    /// How often something was changed here.
    changes: AtomicU64,
}

/// A page, when it was made, and how many changes there had been before.
struct Kept {
    page: Answer,
    made: Instant,
    changes: u64,
}

/// Why there is no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// Others ask for too much.
    Crowd,
    /// The bus did not answer.
    Bus,
}

impl Fresh {
    /// The page of this name, made if there is none.
    pub(crate) async fn page(
        &self,
        name: &str,
        make: impl Future<Output = Answer>,
    ) -> Result<Answer, Late> {
        let waiting = timeout(PATIENCE, self.kept.lock());
        let mut kept = waiting.await.map_err(|_| Late::Crowd)?;
        // Before it is made: a page may have read what was changed meanwhile.
        let changes = self.changes.load(Ordering::Acquire);
        kept.retain(|_, kept| kept.made.elapsed() < FRESH && kept.changes == changes);
        if let Some(kept) = kept.get(name) {
            return Ok(kept.page.clone());
        }
        let page = timeout(LONGEST, make).await.map_err(|_| Late::Bus)?;
        if kept.len() < MOST {
            let made = Kept {
                page: page.clone(),
                made: Instant::now(),
                changes,
            };
            kept.insert(name.to_owned(), made);
        }
        Ok(page)
    }

    /// Forgets all of them, since something was changed; it waits for nobody.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    fn answer() -> Answer {
        Answer::SeeOther(String::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_crowd_costs_as_much_as_one_reader() {
        let (fresh, made) = (Fresh::default(), AtomicUsize::new(0));
        let make = || async {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer()
        };
        let crowd = (0..100).map(|_| fresh.page("a", make()));
        let pages = futures::future::join_all(crowd).await;
        assert!(pages.iter().all(Result::is_ok));
        assert_eq!(made.load(Ordering::Relaxed), 1);
        tokio::time::advance(FRESH).await;
        fresh.page("a", make()).await.unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 2);
        fresh.forget();
        fresh.page("a", make()).await.unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_page_that_was_being_made_when_something_changed_is_not_shown_again() {
        let (fresh, made) = (Fresh::default(), AtomicUsize::new(0));
        let slow = fresh.page("a", async {
            fresh.forget();
            made.fetch_add(1, Ordering::Relaxed);
            answer()
        });
        slow.await.unwrap();
        for _ in 0..2 {
            let make = async {
                made.fetch_add(1, Ordering::Relaxed);
                answer()
            };
            fresh.page("a", make).await.unwrap();
        }
        assert_eq!(made.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_pages_are_kept_than_may_be() {
        let fresh = Fresh::default();
        for number in 0..10 * MOST {
            let name = number.to_string();
            fresh.page(&name, async { answer() }).await.unwrap();
        }
        assert_eq!(fresh.kept.lock().await.len(), MOST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bus_that_hangs_holds_nobody_up_for_long() {
        let fresh = Fresh::default();
        let hanging = || fresh.page("a", futures::future::pending());
        let waits = (0..5).map(|_| hanging());
        let ends = futures::future::join_all(waits).await;
        assert_eq!(ends[0], Err(Late::Bus));
        assert!(ends.contains(&Err(Late::Crowd)), "{ends:?}");
    }
}
