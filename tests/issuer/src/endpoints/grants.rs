//! Codes and refresh tokens that are out, by their text.

use std::collections::HashMap;

use crate::directory::Platform;
use crate::endpoints::scope::Asked;
use crate::tokens::claims::opaque;

/// Seconds within which a code must be redeemed, as at Entra.
const CODE_S: i64 = 10 * 60;

/// Seconds within which a refresh token must be used: 90 days, as at Entra.
const REFRESH_S: i64 = 90 * 24 * 60 * 60;

/// Codes, and refresh tokens, that are kept; the oldest goes for one more.
const MOST: usize = 10_000;

/// Who signed in, where, and for what.
#[derive(Debug, Clone)]
pub(crate) struct SignIn {
    pub(crate) tenant: String,
    pub(crate) client: String,
    /// A name in the directory.
    pub(crate) user: String,
    pub(crate) asked: Asked,
    pub(crate) nonce: Option<String>,
    /// How the client must redeem what it gets for it.
    pub(crate) platform: Platform,
}

/// What a code was given out for.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) sign_in: SignIn,
    pub(crate) redirect_uri: String,
    /// Base64url of the verifier's SHA-256 (RFC 7636, section 4.2).
    pub(crate) challenge: String,
}

/// What became of something that can be used once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Redeemed<T> {
    /// It is good, and was not used before.
    First(T),
    /// It was used before.
    Again,
    /// It was never given out, or too long ago.
    Unknown,
}

/// All that is out.
#[derive(Default)]
pub(crate) struct Grants {
    codes: Once<Code>,
    refresh_tokens: Once<SignIn>,
}

/// Things that can be used once, by a random name.
struct Once<T> {
    given: HashMap<String, Given<T>>,
    count: u64,
}

struct Given<T> {
    number: u64,
    expires_s: i64,
    /// `None`: used.
    what: Option<T>,
}

impl Grants {
    pub(crate) fn give_code(&mut self, code: Code, now_s: i64) -> String {
        self.codes.give(code, now_s, CODE_S)
    }

    pub(crate) fn redeem_code(&mut self, name: &str, now_s: i64) -> Redeemed<Code> {
        self.codes.redeem(name, now_s)
    }

    pub(crate) fn give_refresh_token(&mut self, sign_in: SignIn, now_s: i64) -> String {
        self.refresh_tokens.give(sign_in, now_s, REFRESH_S)
    }

    pub(crate) fn find_refresh_token(&self, name: &str, now_s: i64) -> Option<SignIn> {
        self.refresh_tokens.find(name, now_s).cloned()
    }

    pub(crate) fn redeem_refresh_token(&mut self, name: &str, now_s: i64) -> Redeemed<SignIn> {
        self.refresh_tokens.redeem(name, now_s)
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self {
            given: HashMap::new(),
            count: 0,
        }
    }
}

impl<T> Once<T> {
    fn give(&mut self, what: T, now_s: i64, lifetime_s: i64) -> String {
        if self.given.len() >= MOST {
            self.make_room(now_s);
        }
        let name = format!("1.{}", opaque(48));
        self.count += 1;
        let given = Given {
            number: self.count,
            expires_s: now_s + lifetime_s,
            what: Some(what),
        };
        self.given.insert(name.clone(), given);
        name
    }

    fn find(&self, name: &str, now_s: i64) -> Option<&T> {
        let given = self.given.get(name)?;
        given.what.as_ref().filter(|_| now_s < given.expires_s)
    }

    fn redeem(&mut self, name: &str, now_s: i64) -> Redeemed<T> {
        match self.given.get_mut(name) {
            Some(given) if now_s < given.expires_s => {
                given.what.take().map_or(Redeemed::Again, Redeemed::First)
            }
            _ => Redeemed::Unknown,
        }
    }

    fn make_room(&mut self, now_s: i64) {
        self.given.retain(|_, given| now_s < given.expires_s);
        if self.given.len() < MOST {
            return;
        }
        let oldest = self.given.iter().min_by_key(|(_, given)| given.number);
        if let Some(name) = oldest.map(|(name, _)| name.clone()) {
            self.given.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_or_too_old_is_good_no_more() {
        let mut once = Once::default();
        let name = once.give('a', 1_000, 600);
        assert_eq!(once.redeem(&name, 1_600), Redeemed::Unknown);
        assert_eq!(once.redeem(&name, 1_599), Redeemed::First('a'));
        assert_eq!(once.redeem(&name, 1_599), Redeemed::Again);
        assert_eq!(once.redeem("another", 1_000), Redeemed::Unknown);
    }

    #[test]
    fn the_oldest_goes_for_one_more() {
        let mut once = Once::default();
        let names: Vec<_> = (0..=MOST).map(|n| once.give(n, 0, 600)).collect();
        assert_eq!(once.given.len(), MOST);
        assert_eq!(once.redeem(&names[0], 0), Redeemed::Unknown);
        assert_eq!(once.redeem(&names[1], 0), Redeemed::First(1));
        once.give(0, 600, 600);
        assert_eq!(once.given.len(), 1, "what has run out goes first");
    }
}
