//! Tokens for other APIs, as they lie in Redis: sealed, and bound to whom and what they are for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use prynai_bus::DownstreamToken;
use prynai_process::seal::Seal;
use prynai_process::secret::{Secret, check_keys};
use sha2::{Digest, Sha256};

/// Keeps these keys apart from others that are made of the same secret.
const PURPOSE: &str = "downstream token";

/// Keys that seal tokens. The first one seals, all open, so that a key can be replaced while the fleet works. Without
/// keys no token is kept and none is read.
#[derive(Debug, Clone, Default)]
pub struct DownstreamKeys(Option<Seal>);

impl DownstreamKeys {
    /// Keys from settings, the sealing one first.
    ///
    /// # Errors
    ///
    /// What is wrong with them, without repeating them.
    pub fn new(keys: &[Secret]) -> Result<Self, String> {
        check_keys("--downstream-key", keys)?;
        Ok(Self(Seal::new(PURPOSE, keys)))
    }

    /// Whether no token can be kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The token as it may lie in Redis; `None` without keys.
    pub(crate) fn seal(
        &self,
        principal: &str,
        scope: &str,
        token: &DownstreamToken,
    ) -> Option<String> {
        let plain = format!("{}\n{}", token.ends_s, token.token);
        let seal = self.0.as_ref()?;
        Some(STANDARD_NO_PAD.encode(seal.seal(&context(principal, scope), plain.as_bytes())))
    }

    /// The token that was sealed like this, for these.
    pub(crate) fn open(
        &self,
        principal: &str,
        scope: &str,
        sealed: &str,
    ) -> Option<DownstreamToken> {
        let sealed = STANDARD_NO_PAD.decode(sealed).ok()?;
        let plain = self.0.as_ref()?.open(&context(principal, scope), &sealed)?;
        let plain = String::from_utf8(plain).ok()?;
        let (ends_s, token) = plain.split_once('\n')?;
        Some(DownstreamToken {
            token: token.to_owned(),
            ends_s: ends_s.parse().ok()?,
        })
    }
}

/// What a token is kept under: it tells nobody whose it is.
pub(crate) fn name(principal: &str, scope: &str) -> String {
    let digest = Sha256::digest(context(principal, scope));
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The length keeps principals and scopes apart.
fn context(principal: &str, scope: &str) -> Vec<u8> {
    format!("{}\n{principal}\n{scope}", principal.len()).into_bytes()
}
