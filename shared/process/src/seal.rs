//! What is kept where others can read it, sealed so that they can neither read nor change it.
//!
//! AES-256-GCM (NIST SP 800-38D) under a key that HKDF-SHA-256 (RFC 5869) makes of a [`Secret`] and of what it is for.
//! Sealed is a byte of version, a nonce, the ciphertext, and the tag. The nonce is random, which NIST allows for
//! 2³² seals under one key.

use std::fmt;
use std::sync::Arc;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};

use crate::secret::Secret;

/// The first byte of what is sealed: the form of the rest.
const VERSION: u8 = 1;

/// Bytes by which what is sealed is longer than what it holds.
pub const SEAL_BYTES: usize = 1 + NONCE_LEN + 16;

/// Makes keys of this module differ from all others that are made of the same secret.
const SALT: &[u8] = b"prynai-mcp seal";

/// Keys that seal: the first one seals, and all open, so that a key can be replaced while the fleet works.
#[derive(Clone)]
pub struct Seal(Arc<[LessSafeKey]>);

impl Seal {
    /// Keys for one `purpose`; what was sealed for another one does not open. `None` without keys.
    pub fn new(purpose: &str, keys: &[Secret]) -> Option<Self> {
        let keys: Option<Arc<_>> = keys.iter().map(|key| derived(purpose, key)).collect();
        keys.filter(|keys| !keys.is_empty()).map(Self)
    }

    /// `plain` sealed; it opens only with the same `context`, which it does not contain.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let mut sealed = Vec::with_capacity(plain.len() + SEAL_BYTES);
        sealed.push(VERSION);
        sealed.extend(nonce);
        let mut text = plain.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        // It fails only above 64 GiB. What was not sealed is not passed on: nothing opens what is left here.
        if self.0[0]
            .seal_in_place_append_tag(nonce, Aad::from(context), &mut text)
            .is_ok()
        {
            sealed.append(&mut text);
        }
        sealed
    }

    /// What is in `sealed`; `None` if it was not sealed like this, with one of these keys and this `context`.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let rest = sealed.strip_prefix(&[VERSION])?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>()?;
        let open = |key: &LessSafeKey| {
            // A key that does not fit leaves nothing behind.
            let mut text = text.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let length = key
                .open_in_place(nonce, Aad::from(context), &mut text)
                .ok()?
                .len();
            text.truncate(length);
            Some(text)
        };
        self.0.iter().find_map(open)
    }
}

/// `None` never: each length is right.
fn derived(purpose: &str, key: &Secret) -> Option<LessSafeKey> {
    let secret = Salt::new(HKDF_SHA256, SALT).extract(key.expose().as_bytes());
    let info = [purpose.as_bytes()];
    let key = secret.expand(&info, &AES_256_GCM).ok()?;
    Some(LessSafeKey::new(UnboundKey::from(key)))
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seal({} keys)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"what nobody must read";

    fn seal(purpose: &str, keys: &[&str]) -> Seal {
        let keys: Vec<Secret> = keys.iter().map(|key| key.repeat(32).into()).collect();
        Seal::new(purpose, &keys).expect("has keys")
    }

    #[test]
    fn what_is_sealed_opens_again_and_shows_nothing() {
        let seal = seal("tests", &["a"]);
        for plain in [PLAIN, b"", &[0; 70_000]] {
            let sealed = seal.seal(b"here", plain);
            assert_eq!(sealed.len(), plain.len() + SEAL_BYTES);
            assert_eq!(seal.open(b"here", &sealed).as_deref(), Some(plain));
        }
        let sealed = seal.seal(b"here", PLAIN);
        assert!(!sealed.windows(4).any(|bytes| bytes == b"what"));
        assert_ne!(seal.seal(b"here", PLAIN), sealed, "no nonce is used twice");
    }

    #[test]
    fn a_key_can_be_replaced() {
        let sealed = seal("tests", &["a"]).seal(b"here", PLAIN);
        let both = seal("tests", &["b", "a"]);
        assert_eq!(both.open(b"here", &sealed).as_deref(), Some(PLAIN));
        let newer = both.seal(b"here", PLAIN);
        assert_eq!(seal("tests", &["a"]).open(b"here", &newer), None);
        let opened = seal("tests", &["b"]).open(b"here", &newer);
        assert_eq!(opened.as_deref(), Some(PLAIN));
    }

    #[test]
    fn nothing_else_opens() {
        let good = seal("tests", &["a"]);
        let sealed = good.seal(b"here", PLAIN);
        for other in [seal("others", &["a"]), seal("tests", &["b"])] {
            assert_eq!(other.open(b"here", &sealed), None, "another purpose or key");
        }
        for context in [&b"there"[..], b"her", b"here ", b""] {
            assert_eq!(good.open(context, &sealed), None, "another context");
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(good.open(b"here", &changed), None, "byte {at} changed");
            assert_eq!(good.open(b"here", &sealed[..at]), None, "cut off at {at}");
        }
        assert_eq!(good.open(b"here", PLAIN), None, "never sealed");
        assert_eq!(
            good.open(b"here", &[sealed.clone(), vec![0]].concat()),
            None
        );
    }

    #[test]
    fn no_key_no_seal_and_no_key_is_shown() {
        assert!(Seal::new("tests", &[]).is_none());
        assert_eq!(format!("{:?}", seal("tests", &["a", "b"])), "Seal(2 keys)");
    }
}
