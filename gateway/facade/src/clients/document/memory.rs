//! What is known of clients by their documents.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use url::Url;

use super::turns::site;
use crate::clients::client::Client;

/// Documents that are remembered.
const MOST: usize = 500;

/// Of these, from one site: whoever answers for any path must not drive out all others.
const OF_SITE: usize = 50;

/// How long a client is known without being asked again, and that there is none.
pub(super) const FRESH: Duration = Duration::from_secs(600);
const ABSENT: Duration = Duration::from_secs(60);

/// How much longer it is known while its server does not answer.
pub(super) const LASTING: Duration = Duration::from_secs(3600);

/// What is known, by URL.
#[derive(Default)]
pub(super) struct Memory(HashMap<String, Known>);

struct Known {
    found: Found,
    site: String,
    /// Until it is to be read again.
    fresh_until: Instant,
    /// Until it is forgotten.
    until: Instant,
}

/// What came of a fetch.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Client(Client),
    /// There is no client.
    Nothing,
    /// Its server does not answer.
    Away,
}

/// What is known now.
pub(super) enum Look {
    Fresh(Found),
    /// A client whose document is to be read again.
    Old(Client),
    Nothing,
}

impl Memory {
    pub(super) fn look(&self, url: &Url, now: Instant) -> Look {
        match self.0.get(url.as_str()) {
            Some(known) if now < known.fresh_until => Look::Fresh(known.found.clone()),
            Some(Known {
                found: Found::Client(client),
                until,
                ..
            }) if now < *until => Look::Old(client.clone()),
            _ => Look::Nothing,
        }
    }

    /// Remembers what was found. A client drives out what was no client, but not the other way round.
    pub(super) fn keep(&mut self, url: &Url, found: Found, now: Instant) {
        let is_client = matches!(found, Found::Client(_));
        let site = site(url.host_str().unwrap_or_default()).to_owned();
        self.0.remove(url.as_str());
        let of_site = self.0.values().filter(|known| known.site == site).count();
        if of_site >= OF_SITE {
            self.forget_one(|known| known.site == site);
        }
        if self.0.len() >= MOST {
            self.0.retain(|_, known| now < known.until);
        }
        if self.0.len() >= MOST {
            let may_go = |known: &Known| is_client || !known.is_client();
            self.forget_one(may_go);
        }
        if self.0.len() >= MOST {
            return;
        }
        let fresh_until = now + if is_client { FRESH } else { ABSENT };
        let known = Known {
            found,
            site,
            fresh_until,
            until: fresh_until + if is_client { LASTING } else { Duration::ZERO },
        };
        self.0.insert(url.as_str().to_owned(), known);
    }

    /// The client could not be asked; that is tried again later.
    pub(super) fn put_off(&mut self, url: &Url, now: Instant) {
        if let Some(known) = self.0.get_mut(url.as_str()) {
            known.fresh_until = (now + ABSENT).min(known.until);
        }
    }

    /// Forgets one of those that may go: rather what is no client, and what is to be forgotten first.
    fn forget_one(&mut self, may_go: impl Fn(&Known) -> bool) {
        let those = self.0.iter().filter(|(_, known)| may_go(known));
        let first = those.min_by_key(|(_, known)| (known.is_client(), known.until));
        if let Some(url) = first.map(|(url, _)| url.clone()) {
            self.0.remove(&url);
        }
    }

    /// Lets time pass for one of them.
    #[cfg(test)]
    pub(super) fn age(&mut self, url: &Url, by: Duration) {
        if let Some(known) = self.0.get_mut(url.as_str()) {
            known.fresh_until -= by;
            known.until -= by;
        }
    }
}

impl Known {
    fn is_client(&self) -> bool {
        matches!(self.found, Found::Client(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::client::NamedBy;

    fn url(site: usize, n: usize) -> Url {
        let url = format!("https://{n}.site-{site}.example/client.json");
        url.parse().unwrap()
    }

    fn client() -> Found {
        Found::Client(Client {
            digest: String::new(),
            name: String::new(),
            redirect_uris: Vec::new(),
            refreshes: false,
            named_by: NamedBy::Itself,
        })
    }

    fn is_known(memory: &Memory, url: &Url, now: Instant) -> bool {
        !matches!(memory.look(url, now), Look::Nothing)
    }

    #[test]
    fn no_more_are_remembered_than_fit() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for n in 0..=MOST {
            memory.keep(&url(n, 0), client(), now + Duration::from_millis(n as u64));
        }
        assert_eq!(memory.0.len(), MOST);
        assert!(!is_known(&memory, &url(0, 0), now) && is_known(&memory, &url(1, 0), now));
    }

    #[test]
    fn who_is_not_found_drives_out_no_client() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for n in 1..MOST {
            memory.keep(&url(n, 0), client(), now);
        }
        for n in 0..3 {
            let (nothing, away) = (url(MOST + n, 0), url(MOST + n, 1));
            memory.keep(&nothing, Found::Nothing, now);
            assert!(is_known(&memory, &nothing, now));
            memory.keep(&away, Found::Away, now);
            assert!(is_known(&memory, &away, now) && !is_known(&memory, &nothing, now));
        }
        assert!((1..MOST).all(|n| is_known(&memory, &url(n, 0), now)));
        // The last place is a client's.
        memory.keep(&url(0, 0), client(), now);
        memory.keep(&url(MOST, 0), Found::Nothing, now);
        assert!((0..MOST).all(|n| is_known(&memory, &url(n, 0), now)));
        assert_eq!(memory.0.len(), MOST);
    }

    #[test]
    fn no_site_drives_out_all_others() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        memory.keep(&url(1, 0), client(), now);
        for n in 0..2 * MOST {
            memory.keep(&url(2, n), client(), now + Duration::from_millis(n as u64));
        }
        assert!(is_known(&memory, &url(1, 0), now));
        assert_eq!(memory.0.len(), 1 + OF_SITE);
        assert!(is_known(&memory, &url(2, 2 * MOST - 1), now), "the newest");
    }

    #[test]
    fn a_failure_makes_nobody_known_for_longer() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let url = url(0, 0);
        memory.keep(&url, client(), now);
        let last = now + FRESH + LASTING - Duration::from_secs(1);
        memory.put_off(&url, last);
        assert!(is_known(&memory, &url, last));
        assert!(!is_known(&memory, &url, last + Duration::from_secs(1)));
    }
}
