//! Tokens that clients show: read, and their signatures checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};
use serde_json::{Map, Value};

/// By how many seconds another's clock may be wrong: Entra takes five minutes.
const SKEW_S: i64 = 5 * 60;

/// A JWT in compact form (RFC 7515, section 7.1). Nothing of it is checked yet.
pub(crate) struct Jwt {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    message: String,
    signature: Vec<u8>,
}

impl Jwt {
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        Some(Self {
            header: object(header)?,
            claims: object(claims)?,
            message: message.to_owned(),
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// A field of the header, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    /// A claim, if it is text.
    pub(crate) fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name)?.as_str()
    }

    /// Whether `roles` has this one.
    pub(crate) fn has_role(&self, role: &str) -> bool {
        let roles = self.claims.get("roles").and_then(Value::as_array);
        roles.is_some_and(|roles| roles.iter().any(|has| has == role))
    }

    /// A claim that is a number of seconds.
    fn seconds(&self, name: &str) -> Option<i64> {
        self.claims.get(name)?.as_i64()
    }

    /// Whether it is good now. Without `exp` it never is.
    pub(crate) fn is_current(&self, now_s: i64) -> bool {
        let begins_s = self.seconds("nbf").unwrap_or(now_s);
        let ends_s = self.seconds("exp").unwrap_or(i64::MIN + SKEW_S);
        begins_s - SKEW_S <= now_s && now_s < ends_s + SKEW_S
    }

    /// Whether this public key, an `RSAPublicKey` (RFC 8017, appendix A.1.1), made the signature: RS256 or PS256.
    pub(crate) fn is_signed_with(&self, public_key: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match self.header("alg") {
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            _ => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, public_key);
        key.verify(self.message.as_bytes(), &self.signature).is_ok()
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&json).ok()
}
