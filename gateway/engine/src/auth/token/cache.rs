//! Tokens that were accepted, so that the next request with one costs a digest and no signature: a
//! microsecond of CPU time instead of fifty (`scripts/auth-cost` measures it on a gateway).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use prynai_bus::wire::principal::Principal;
use prynai_process::clock::unix_millis;
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::auth::issuer::keys::IssuerKeys;

/// How far the clocks of issuer and gateway may be apart, in seconds.
pub(crate) const CLOCK_SKEW_S: u64 = 60;

/// The longest time a token may last for the streams that end with it; any longer is as good as for ever.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Tokens in one generation; there are two. About a kilobyte each.
const GENERATION: usize = 5_000;

/// Tokens that were accepted, by their digest. The tokens themselves are not kept.
#[derive(Default)]
pub(crate) struct TokenCache(Mutex<Generations>);

/// Whatever is used moves to the young; what was not used while a whole generation came is forgotten.
#[derive(Default)]
struct Generations {
    young: HashMap<TokenDigest, Arc<Verified>>,
    old: HashMap<TokenDigest, Arc<Verified>>,
}

type TokenDigest = [u8; 32];

/// Who sent a token that was accepted.
pub(crate) struct Verified {
    pub(crate) principal: Principal,
    /// When the token expires, in seconds since the Unix epoch.
    pub(crate) expires_s: f64,
    pub(crate) signed_with: SignedWith,
}

/// The key that a signature was checked with.
pub(crate) struct SignedWith {
    pub(crate) keys: IssuerKeys,
    pub(crate) kid: String,
    pub(crate) key: Arc<DecodingKey>,
}

impl TokenCache {
    /// Who sent this token, if that is known and would be found again.
    pub(crate) fn get(&self, token: &[u8]) -> Option<Arc<Verified>> {
        let digest = digest(token);
        let known = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&digest)?;
        known.still_holds().then_some(known)
    }

    /// Remembers who sent this token.
    pub(crate) fn put(&self, token: &[u8], verified: Arc<Verified>) {
        let digest = digest(token);
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        generations.put(digest, verified);
    }
}

impl Generations {
    fn get(&mut self, digest: &TokenDigest) -> Option<Arc<Verified>> {
        if let Some(known) = self.young.get(digest) {
            return Some(known.clone());
        }
        let known = self.old.remove(digest)?;
        self.put(*digest, known.clone());
        Some(known)
    }

    fn put(&mut self, digest: TokenDigest, verified: Arc<Verified>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, verified);
    }
}

impl Verified {
    /// When the token stops being accepted.
    pub(crate) fn ends(&self) -> Instant {
        let now_s = unix_millis() as f64 / 1000.0;
        let left_s = self.expires_s + CLOCK_SKEW_S as f64 - now_s;
        let left = Duration::try_from_secs_f64(left_s.max(0.0)).unwrap_or(LONGEST);
        Instant::now() + left.min(LONGEST)
    }

    /// Whether the token is accepted for as long as it said, and its key is still the one that its issuer
    /// publishes. Every fetch makes new keys, so a token is checked in full again at least once an hour.
    fn still_holds(&self) -> bool {
        let expired = self.expires_s + (CLOCK_SKEW_S as f64) < unix_millis() as f64 / 1000.0;
        !expired && self.signed_with.is_current()
    }
}

impl SignedWith {
    fn is_current(&self) -> bool {
        let current = self.keys.look(&self.kid);
        current.is_ok_and(|current| Arc::ptr_eq(&current, &self.key))
    }
}

fn digest(token: &[u8]) -> TokenDigest {
    Sha256::digest(token).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::issuer::jwks::KeySet;

    fn some_keys() -> KeySet {
        let key = DecodingKey::from_rsa_raw_components(&[1], &[1]);
        KeySet::from([("kid".to_owned(), Arc::new(key))])
    }

    fn verified(keys: &IssuerKeys, expires_in_s: f64) -> Arc<Verified> {
        Arc::new(Verified {
            principal: Principal::named("alice"),
            expires_s: unix_millis() as f64 / 1000.0 + expires_in_s,
            signed_with: SignedWith {
                keys: keys.clone(),
                kid: "kid".to_owned(),
                key: keys.look("kid").unwrap(),
            },
        })
    }

    fn keys() -> IssuerKeys {
        let keys = IssuerKeys::new();
        keys.learn(Ok::<_, ()>(some_keys())).unwrap();
        keys
    }

    #[test]
    fn a_token_is_known_until_it_expires() {
        let (accepted, keys) = (TokenCache::default(), keys());
        accepted.put(b"a.b.c", verified(&keys, 1.0 - CLOCK_SKEW_S as f64 + 30.0));
        accepted.put(b"d.e.f", verified(&keys, -1.0 - CLOCK_SKEW_S as f64));
        assert!(accepted.get(b"a.b.c").is_some());
        assert!(accepted.get(b"d.e.f").is_none());
        assert!(accepted.get(b"a.b.d").is_none());
    }

    #[test]
    fn a_token_is_forgotten_with_its_key() {
        let (accepted, keys) = (TokenCache::default(), keys());
        accepted.put(b"a.b.c", verified(&keys, 60.0));
        keys.learn(Err(())).unwrap_err();
        assert!(accepted.get(b"a.b.c").is_some(), "the issuer is away");
        assert!(keys.withdraw());
        assert!(accepted.get(b"a.b.c").is_none(), "the key was withdrawn");
        keys.learn(Ok::<_, ()>(some_keys())).unwrap();
        assert!(accepted.get(b"a.b.c").is_none(), "another key has its name");
    }

    #[test]
    fn there_is_a_bound_and_what_is_used_stays() {
        let (accepted, keys) = (TokenCache::default(), keys());
        accepted.put(b"used", verified(&keys, 60.0));
        for n in 0..GENERATION * 4 {
            accepted.put(n.to_string().as_bytes(), verified(&keys, 60.0));
            assert!(accepted.get(b"used").is_some(), "{n}");
        }
        let generations = accepted.0.lock().unwrap();
        assert!(generations.young.len() <= GENERATION);
        assert!(generations.old.len() <= GENERATION);
        drop(generations);
        assert!(accepted.get(b"0").is_none());
    }
}
