//! The keys of one issuer: known by `kid`, fetched by one task and by nobody else.
//!
//! The task fetches as soon as it runs, then every hour, so that a key that was withdrawn is used for no
//! more than an hour. A `kid` that is not known lets it fetch at once, but not twice within five minutes
//! ([Entra ID, signing key rollover]): strangers choose the `kid`. Keys that are known stay in use while
//! the issuer is away.
//!
//! [Entra ID, signing key rollover]: https://learn.microsoft.com/entra/identity-platform/signing-key-rollover

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use crate::auth::issuer::jwks::KeySet;
use crate::metrics::metrics;

/// How old the keys may get.
const REFRESH: Duration = Duration::from_secs(3600);

/// Shortest time between two fetches for the sake of keys that are not known, and after one that failed.
const PAUSE: Duration = Duration::from_secs(300);

/// Pauses between attempts while nothing is known: they double from the first to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(10);

/// How long a request waits for a fetch.
const WAIT: Duration = Duration::from_secs(5);

/// The part of a pause by which it is shorter, at most.
const JITTER: f64 = 0.1;

/// Requests that wait for a fetch, at most; others are answered at once.
const MAX_WAITING: usize = 1000;

/// The keys of one issuer. Cheap to clone.
#[derive(Clone)]
pub(crate) struct IssuerKeys(Arc<Shared>);

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The issuer has none of that name.
    Unknown,
    /// Nothing was ever heard from the issuer.
    Silence,
}

struct Shared {
    known: watch::Sender<Known>,
    wanted: Notify,
    waiting: Semaphore,
}

struct Known {
    keys: Option<KeySet>,
    fetching: bool,
    /// When a key that was not known last made us fetch.
    asked: Option<Instant>,
    /// Nobody fetches: these are all.
    fixed: bool,
}

impl IssuerKeys {
    pub(crate) fn new() -> Self {
        let known = Known {
            keys: None,
            // The task will do so as soon as it runs.
            fetching: true,
            asked: None,
            fixed: false,
        };
        metrics().token_keys_missing.inc();
        Self(Arc::new(Shared {
            known: watch::Sender::new(known),
            wanted: Notify::new(),
            waiting: Semaphore::new(MAX_WAITING),
        }))
    }

    /// Keys that are known already, and never change.
    pub(crate) fn fixed(keys: KeySet) -> Self {
        let known = Known {
            keys: Some(keys),
            fetching: false,
            asked: None,
            fixed: true,
        };
        Self(Arc::new(Shared {
            known: watch::Sender::new(known),
            wanted: Notify::new(),
            waiting: Semaphore::new(MAX_WAITING),
        }))
    }

    /// The key of this name. Waits for a fetch that may bring it.
    pub(crate) async fn find(&self, kid: &str) -> Result<Arc<DecodingKey>, NoKey> {
        let found = self.look(kid);
        if found.is_ok() || !self.may_come() {
            return found;
        }
        let Ok(_place) = self.0.waiting.try_acquire() else {
            return found;
        };
        let mut known = self.0.known.subscribe();
        let fetched = known.wait_for(|known| !known.fetching);
        // Too late, or the task has ended: either way what is known now counts.
        let _ = tokio::time::timeout(WAIT, fetched).await;
        self.look(kid)
    }

    /// Whether the issuer's keys were fetched.
    pub(crate) fn are_known(&self) -> bool {
        self.0.known.borrow().keys.is_some()
    }

    /// The key of this name, if it is known now.
    pub(crate) fn look(&self, kid: &str) -> Result<Arc<DecodingKey>, NoKey> {
        let known = self.0.known.borrow();
        let keys = known.keys.as_ref().ok_or(NoKey::Silence)?;
        keys.get(kid).cloned().ok_or(NoKey::Unknown)
    }

    /// Whether a fetch is under way that may bring what is missing, or begins now.
    fn may_come(&self) -> bool {
        let mut fetching = false;
        let begins = self.0.known.send_if_modified(|known| {
            let begins = !known.fetching
                && !known.fixed
                && known.keys.is_some()
                && known.asked.is_none_or(|asked| asked.elapsed() >= PAUSE);
            if begins {
                known.asked = Some(Instant::now());
                known.fetching = true;
            }
            fetching = known.fetching;
            begins
        });
        if begins {
            self.0.wanted.notify_one();
        }
        fetching
    }

    /// Fetches, again and again; never ends. `issuer` is for the log.
    pub(crate) async fn keep<E: Display>(
        self,
        issuer: String,
        fetch: impl AsyncFn() -> Result<KeySet, E>,
    ) {
        let mut retry = FIRST_RETRY;
        loop {
            self.0.known.send_modify(|known| known.fetching = true);
            let fetched = fetch().await;
            let mut soon = || {
                let later = (retry * 2).min(LONGEST_RETRY);
                std::mem::replace(&mut retry, later)
            };
            let pause = match fetched {
                Ok(keys) if keys.is_empty() => {
                    tracing::error!(
                        issuer,
                        "the issuer has no RSA key for RS256 signatures; no token can be checked"
                    );
                    match self.withdraw() {
                        true => PAUSE,
                        false => soon(),
                    }
                }
                fetched => match self.learn(fetched) {
                    Ok(()) => {
                        tracing::debug!(issuer, "fetched the keys of the issuer");
                        REFRESH
                    }
                    Err((error, Some(_))) => {
                        tracing::warn!(%error, issuer, "could not fetch the keys of the issuer; the known ones stay in use");
                        PAUSE
                    }
                    Err((error, None)) => {
                        tracing::warn!(%error, issuer, "could not fetch the keys of the issuer; none are known yet, so no token can be checked");
                        soon()
                    }
                },
            };
            // Earlier by a random part, so that the gateways of a fleet do not come in step.
            let pause = pause.mul_f64(1.0 - rand::random_range(0.0..JITTER));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.0.wanted.notified() => {}
            }
        }
    }

    /// Ends a fetch that found no key: those known are withdrawn. Whether any fetch ever found one.
    pub(crate) fn withdraw(&self) -> bool {
        let mut had_some = false;
        self.0.known.send_modify(|known| {
            known.fetching = false;
            had_some = known.keys.is_some();
            if let Some(keys) = &mut known.keys {
                keys.clear();
            }
        });
        had_some
    }

    /// Ends a fetch; an error comes with the number of keys that stay in use.
    pub(crate) fn learn<E>(&self, fetched: Result<KeySet, E>) -> Result<(), (E, Option<usize>)> {
        let mut result = Ok(());
        self.0.known.send_modify(|known| {
            known.fetching = false;
            match fetched {
                Ok(keys) => {
                    if known.keys.replace(keys).is_none() {
                        metrics().token_keys_missing.dec();
                    }
                }
                Err(error) => result = Err((error, known.keys.as_ref().map(KeySet::len))),
            }
        });
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// An issuer that has the key "new" after some fetches, and counts them.
    #[derive(Clone, Default)]
    struct Source {
        fetches: Arc<AtomicUsize>,
        dead: Arc<std::sync::atomic::AtomicBool>,
        takes: Duration,
        new_from: usize,
    }

    impl Source {
        fn fetches(&self) -> usize {
            self.fetches.load(Ordering::SeqCst)
        }

        fn start(&self) -> IssuerKeys {
            let keys = IssuerKeys::new();
            let source = self.clone();
            let fetch = async move || source.fetch().await;
            tokio::spawn(keys.clone().keep("test".to_owned(), fetch));
            keys
        }

        async fn fetch(&self) -> Result<KeySet, &'static str> {
            let count = self.fetches.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::time::sleep(self.takes).await;
            if self.dead.load(Ordering::SeqCst) {
                return Err("dead");
            }
            let key = Arc::new(DecodingKey::from_rsa_raw_components(&[1], &[1]));
            let name = if count >= self.new_from { "new" } else { "old" };
            Ok(KeySet::from([(name.to_owned(), key)]))
        }
    }

    async fn why(keys: &IssuerKeys, kid: &str) -> Option<NoKey> {
        keys.find(kid).await.err()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_keys_that_never_change() {
        let key = Arc::new(DecodingKey::from_rsa_raw_components(&[1], &[1]));
        let keys = IssuerKeys::fixed(KeySet::from([("own".to_owned(), key)]));
        let begun = Instant::now();
        assert_eq!(why(&keys, "own").await, None);
        assert_eq!(why(&keys, "other").await, Some(NoKey::Unknown));
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_requests_wait_for_the_first_fetch() {
        let source = Source {
            takes: Duration::from_secs(2),
            ..Source::default()
        };
        let keys = source.start();
        let both = tokio::join!(why(&keys, "new"), why(&keys, "none"));
        assert_eq!(both, (None, Some(NoKey::Unknown)));
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_unknown_names_fetch_once_in_five_minutes() {
        let source = Source {
            takes: Duration::from_millis(100),
            new_from: 2,
            ..Source::default()
        };
        let keys = source.start();
        assert_eq!(why(&keys, "old").await, None);
        let names: Vec<String> = (1..1000).map(|n| format!("none-{n}")).collect();
        let unknown = names.iter().map(|name| why(&keys, name));
        let (unknown, rotated) =
            tokio::join!(futures::future::join_all(unknown), why(&keys, "new"));
        assert_eq!(rotated, None, "the fetch they caused serves everybody");
        assert!(unknown.iter().all(|why| *why == Some(NoKey::Unknown)));
        assert_eq!(source.fetches(), 2);
        tokio::time::advance(PAUSE - Duration::from_secs(1)).await;
        assert_eq!(why(&keys, "none").await, Some(NoKey::Unknown));
        assert_eq!(source.fetches(), 2);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(why(&keys, "none").await, Some(NoKey::Unknown));
        assert_eq!(source.fetches(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_fetched_anew_every_hour_and_withdrawn_ones_forgotten() {
        let source = Source {
            new_from: 2,
            ..Source::default()
        };
        let keys = source.start();
        assert_eq!(why(&keys, "old").await, None);
        tokio::time::sleep(REFRESH).await;
        assert_eq!(source.fetches(), 2);
        assert_eq!(why(&keys, "new").await, None);
        assert_eq!(keys.look("old").err(), Some(NoKey::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_issuer_takes_no_known_key_away() {
        let source = Source::default();
        let keys = source.start();
        assert_eq!(why(&keys, "new").await, None);
        source.dead.store(true, Ordering::SeqCst);
        tokio::time::sleep(REFRESH * 24).await;
        assert_eq!(why(&keys, "new").await, None);
        let tries = source.fetches();
        assert!((24..24 * 14).contains(&tries), "{tries} fetches in a day");
    }

    #[tokio::test(start_paused = true)]
    async fn an_issuer_that_never_spoke_is_not_an_unknown_key() {
        let source = Source {
            takes: Duration::from_secs(60),
            ..Source::default()
        };
        source.dead.store(true, Ordering::SeqCst);
        let keys = source.start();
        let begun = Instant::now();
        assert_eq!(why(&keys, "new").await, Some(NoKey::Silence));
        assert_eq!(begun.elapsed(), WAIT);
        source.dead.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(130)).await;
        assert_eq!(why(&keys, "new").await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_some_wait() {
        let source = Source {
            takes: Duration::from_secs(1),
            ..Source::default()
        };
        let keys = source.start();
        let begun = Instant::now();
        let answered = Arc::new(AtomicUsize::new(0));
        let requests = (0..=MAX_WAITING).map(|_| {
            let (keys, answered) = (keys.clone(), answered.clone());
            async move {
                let found = keys.find("new").await;
                if found.is_err() {
                    assert_eq!(begun.elapsed(), Duration::ZERO);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        futures::future::join_all(requests).await;
        assert_eq!(answered.load(Ordering::SeqCst), 1);
    }
}
