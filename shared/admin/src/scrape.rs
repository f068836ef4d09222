//! The metrics as they are read.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use prynai_process::metrics::metrics;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// What is read once within this time is read once for all: a hundred readers cost as much as one.
const FRESH: Duration = Duration::from_millis(250);

/// How long a reader waits for what must be looked up elsewhere. A scrape ends in any case.
const LOOKING: Duration = Duration::from_millis(500);

/// Looks something up that metrics tell of, before they are read; given up when it takes too long.
pub type Look = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// Makes the text for one reader at a time.
pub(crate) struct Scrape {
    look: Arc<OnceLock<Look>>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Scrape {
    /// `look` may come later.
    pub(crate) fn new(look: Arc<OnceLock<Look>>) -> Self {
        Self {
            look,
            last: Mutex::default(),
        }
    }

    pub(crate) async fn text(&self) -> Bytes {
        let mut last = self.last.lock().await;
        if let Some((made, text)) = &*last
            && made.elapsed() < FRESH
        {
            return text.clone();
        }
        if let Some(look) = self.look.get() {
            // What could not be looked up in time is not told.
            let _ = timeout(LOOKING, look()).await;
        }
        let text = Bytes::from(metrics().text());
        *last = Some((Instant::now(), text.clone()));
        text
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_crowd_of_readers_looks_once_and_waits_for_nothing_that_hangs() {
        let looks = Arc::new(AtomicUsize::new(0));
        let scrape = Scrape::new(Arc::default());
        let counted = looks.clone();
        let look: Look = Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            futures::future::pending().boxed()
        });
        assert!(scrape.look.set(look).is_ok());
        let begun = Instant::now();
        let texts = futures::future::join_all((0..100).map(|_| scrape.text())).await;
        assert!(texts.iter().all(|text| *text == texts[0]));
        assert!(texts[0].starts_with(b"# HELP"));
        // One after the other they would have waited for a minute.
        let most = usize::try_from(begun.elapsed().as_millis() / 250).unwrap_or(0) + 1;
        let looks = looks.load(Ordering::Relaxed);
        assert!(looks <= most && looks < 50, "{looks}");
    }
}
