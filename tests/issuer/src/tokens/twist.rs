//! What may be wrong with a token.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What makes a token different from one that Entra would issue.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Twist {
    /// Seconds until `exp`; negative: it has expired.
    pub expires_in: Option<i64>,
    /// Seconds until `nbf`.
    pub not_before_in: Option<i64>,
    /// Fields of the header to set; null removes one.
    pub header: Map<String, Value>,
    /// Claims to set, last of all; null removes one.
    pub claims: Map<String, Value>,
    /// Whose signature it has.
    pub sign_with: SignWith,
}

/// Whose signature a token has. The header names the current key in any case, unless it is changed as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignWith {
    /// The issuer's current key: RS256.
    #[default]
    Current,
    /// The key that was retired last, under its own `kid`.
    Retired,
    /// A key that the issuer does not have, under the `kid` of one that it has: RS256.
    Foreign,
    /// Nobody's: `alg` is `none` and the signature empty.
    Nobody,
    /// HMAC with the public key's PEM as the secret: HS256.
    PublicKeyAsSecret,
}

/// Sets what `changes` has, and removes what is null there.
pub(crate) fn merge(into: &mut Map<String, Value>, changes: &Map<String, Value>) {
    for (name, value) in changes {
        if value.is_null() {
            into.remove(name);
        } else {
            into.insert(name.clone(), value.clone());
        }
    }
}
