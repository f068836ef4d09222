//! Whose turn it is to be asked for a document. A server that keeps us waiting has few of them, so that others get
//! theirs.

use std::sync::{Mutex, PoisonError};

/// Documents that are fetched at a time.
pub(super) const AT_ONCE: usize = 32;

/// Of these, from one host.
pub(super) const OF_HOST: usize = 2;

/// And from one site: whoever has a name has all that end with it.
pub(super) const OF_SITE: usize = 8;

/// The hosts that are asked now.
#[derive(Default)]
pub(super) struct Turns(Mutex<Vec<String>>);

/// Leave to ask one host, until this is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    host: String,
}

impl Turns {
    /// A turn at this host, if there is one now. Whoever would have to wait is told at once: a queue of strangers'
    /// wishes helps nobody.
    pub(super) fn take(&self, host: &str) -> Option<Turn<'_>> {
        let mut asked = self.asked();
        let of_host = asked.iter().filter(|other| *other == host).count();
        let of_site = asked.iter().filter(|other| site(other) == site(host));
        let is_there = asked.len() < AT_ONCE && of_host < OF_HOST && of_site.count() < OF_SITE;
        is_there.then(|| {
            asked.push(host.to_owned());
            Turn {
                turns: self,
                host: host.to_owned(),
            }
        })
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut asked = self.turns.asked();
        if let Some(at) = asked.iter().position(|other| *other == self.host) {
            asked.swap_remove(at);
        }
    }
}

/// What stands for all hosts of one owner: the last two parts of the name. Some owners share such a name (co.uk), and
/// then its bounds.
pub(super) fn site(host: &str) -> &str {
    let mut dots = host.rmatch_indices('.');
    match (dots.next(), dots.next()) {
        (Some(_), Some((at, _))) => &host[at + 1..],
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_host_and_no_site_has_all_turns() {
        let turns = Turns::default();
        let mut taken: Vec<Turn<'_>> = Vec::new();
        let mut take = |host: &str| match turns.take(host) {
            Some(turn) => {
                taken.push(turn);
                true
            }
            None => false,
        };
        for _ in 0..OF_HOST {
            assert!(take("slow.evil.example"));
        }
        assert!(!take("slow.evil.example"));
        for n in OF_HOST..OF_SITE {
            assert!(take(&format!("{n}.evil.example")), "{n}");
        }
        assert!(!take("another.evil.example") && !take("evil.example"));
        for n in OF_SITE..AT_ONCE {
            assert!(take(&format!("site-{n}.example")), "{n}");
        }
        assert!(!take("good.example"), "these are all");
        taken.pop();
        assert!(turns.take("good.example").is_some());
        taken.clear();
        assert!(turns.asked().is_empty());
    }

    #[test]
    fn a_site_is_the_end_of_a_name() {
        for (host, whole) in [
            ("app.example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("example.com", "example.com"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(site(host), whole);
        }
    }
}
