//! What travels through clients and browsers: they can neither read nor change it.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use prynai_process::clock::unix_millis;
use prynai_process::seal::Seal;
use prynai_process::secret::Secret;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

/// What something sealed is. One never counts for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Who registered: the client id.
    Client,
    /// A request for a code, in the form of the page that asks the person.
    Ask,
    /// A sign-in that is under way, in a cookie.
    SignIn,
    /// Who signed in with a browser, and what they agreed to; a cookie.
    Browser,
    /// What a code is good for, on the bus.
    Code,
    /// A refresh token.
    Refresh,
    /// What a refresh token gave, on the bus.
    Answer,
}

/// Seals.
pub(crate) struct Sealer {
    seal: Seal,
    issuer: String,
}

impl Sealer {
    /// `None` without keys.
    pub(crate) fn new(keys: &[Secret], issuer: &str) -> Option<Self> {
        let issuer = issuer.to_owned();
        Seal::new("oauth façade", keys).map(|seal| Self { seal, issuer })
    }

    /// `what` sealed for `life`, so that it opens with the same `bond`.
    pub(crate) fn seal(
        &self,
        kind: Kind,
        bond: &str,
        what: &impl Serialize,
        life: Duration,
    ) -> String {
        let until = now_s().saturating_add(life.as_secs());
        // What cannot be written is nothing that opens; our own types all can.
        let plain = serde_json::to_vec(&(until, what)).unwrap_or_default();
        BASE64.encode(self.seal.seal(&self.context(kind, bond), &plain))
    }

    /// What is in `sealed`; `None` unless it was sealed here, like this, and not too long ago.
    pub(crate) fn open<T: DeserializeOwned>(
        &self,
        kind: Kind,
        bond: &str,
        sealed: &str,
    ) -> Option<T> {
        let sealed = BASE64.decode(sealed).ok()?;
        let plain = self.seal.open(&self.context(kind, bond), &sealed)?;
        let (until, what) = serde_json::from_slice::<(u64, T)>(&plain).ok()?;
        (now_s() < until).then_some(what)
    }

    fn context(&self, kind: Kind, bond: &str) -> Vec<u8> {
        format!("{kind:?}\n{}\n{bond}", self.issuer).into_bytes()
    }
}

/// A name that nobody can guess: 32 random bytes.
pub(crate) fn unguessable() -> String {
    BASE64.encode(rand::random::<[u8; 32]>())
}

/// A name for something, by which it cannot be found.
pub(crate) fn digest(text: &str) -> String {
    BASE64.encode(Sha256::digest(text))
}

/// The time, Unix seconds.
pub(crate) fn now_s() -> u64 {
    unix_millis() / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(issuer: &str) -> Sealer {
        let key = Secret::from("k".repeat(32));
        Sealer::new(&[key], issuer).expect("has a key")
    }

    #[test]
    fn nothing_counts_for_something_else() {
        let here = sealer("https://a/oauth");
        let sealed = here.seal(Kind::Ask, "x", &"what", Duration::from_secs(60));
        let open = |sealer: &Sealer, kind, bond| sealer.open::<String>(kind, bond, &sealed);
        assert_eq!(open(&here, Kind::Ask, "x").as_deref(), Some("what"));
        assert_eq!(open(&here, Kind::Ask, "y"), None);
        assert_eq!(open(&here, Kind::Code, "x"), None);
        assert_eq!(open(&sealer("https://b/oauth"), Kind::Ask, "x"), None);
        let old = here.seal(Kind::Ask, "x", &"what", Duration::ZERO);
        assert_eq!(here.open::<String>(Kind::Ask, "x", &old), None);
        assert_eq!(here.open::<u64>(Kind::Ask, "x", &sealed), None);
    }
}
