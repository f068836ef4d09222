//! The keys of an issuer, as it publishes them (RFC 7517).

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most keys of one issuer; Entra ID has about ten.
const MAX_KEYS: usize = 100;

/// Longest `kid`, in bytes.
pub(crate) const MAX_KID_BYTES: usize = 256;

/// Sizes of an RSA modulus, in bits: below, signatures can be forged; above, checking them costs too much.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Keys by `kid`.
pub(crate) type KeySet = HashMap<String, Arc<DecodingKey>>;

/// A document of keys.
#[derive(Deserialize)]
pub(crate) struct Jwks<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: String,
    kid: String,
    n: String,
    e: String,
    alg: Option<String>,
    /// Entra ID only: whose tokens it may sign.
    issuer: Option<String>,
}

impl Jwks<'_> {
    /// The keys that may sign tokens of ours, which may be none: an issuer that withdraws all its keys says so like
    /// this. `may_sign` says whether a key that names an issuer signs for the right one.
    ///
    /// # Errors
    ///
    /// When there are more than can be right.
    pub(crate) fn usable(self, may_sign: impl Fn(&str) -> bool) -> Result<KeySet, String> {
        if self.keys.len() > MAX_KEYS {
            return Err(format!("there are more than {MAX_KEYS} keys"));
        }
        let mut keys = KeySet::new();
        // What cannot be read is a key of another kind.
        for jwk in self
            .keys
            .iter()
            .filter_map(|raw| serde_json::from_str::<Jwk>(raw.get()).ok())
        {
            if jwk.issuer.as_deref().is_none_or(&may_sign)
                && let Some(key) = jwk.rs256()
            {
                keys.entry(jwk.kid).or_insert(Arc::new(key));
            }
        }
        Ok(keys)
    }
}

impl Jwk {
    fn rs256(&self) -> Option<DecodingKey> {
        let meant = self.kty == "RSA"
            && self.purpose == "sig"
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256")
            && (1..=MAX_KID_BYTES).contains(&self.kid.len());
        let n = URL_SAFE_NO_PAD.decode(&self.n).ok()?;
        let e = URL_SAFE_NO_PAD.decode(&self.e).ok()?;
        let sound = MODULUS_BITS.contains(&bits(&n)) && (2..=33).contains(&bits(&e));
        (meant && sound).then(|| DecodingKey::from_rsa_raw_components(&n, &e))
    }
}

/// How long a number is, without leading zeros.
fn bits(number: &[u8]) -> usize {
    let digits = number.iter().position(|byte| *byte != 0);
    digits.map_or(0, |first| {
        (number.len() - first) * 8 - number[first].leading_zeros() as usize
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::DecodingKeyKind;
    use serde_json::{Value, json};

    use super::*;

    fn modulus(bits: usize) -> String {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        URL_SAFE_NO_PAD.encode(n)
    }

    fn key(changes: Value) -> Value {
        let mut key =
            json!({ "kty": "RSA", "use": "sig", "kid": "a", "n": modulus(2048), "e": "AQAB" });
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    }

    fn usable(keys: &[Value]) -> Result<Vec<String>, String> {
        let document = json!({ "keys": keys }).to_string();
        let jwks: Jwks<'_> = serde_json::from_str(&document).unwrap();
        let keys = jwks.usable(|issuer| issuer == "https://a/")?;
        let mut names: Vec<String> = keys.into_keys().collect();
        names.sort();
        Ok(names)
    }

    #[test]
    fn only_keys_for_rs256_signatures_count() {
        let good =
            key(json!({ "kid": "good", "issuer": "https://a/", "alg": "RS256", "x5c": ["…"] }));
        let bad = [
            json!({ "kty": "EC" }),
            json!({ "kty": "oct", "k": "c2VjcmV0" }),
            json!({ "use": "enc" }),
            json!({ "use": null }),
            json!({ "alg": "RS512" }),
            json!({ "kid": "" }),
            json!({ "kid": "x".repeat(MAX_KID_BYTES + 1) }),
            json!({ "kid": null }),
            json!({ "n": modulus(1024) }),
            json!({ "n": modulus(2040) }),
            json!({ "n": modulus(8200) }),
            json!({ "n": "" }),
            json!({ "n": "not base64!" }),
            json!({ "n": URL_SAFE_NO_PAD.encode([vec![0; 200], vec![1; 100]].concat()) }),
            json!({ "e": "AQ" }),
            json!({ "issuer": "https://b/" }),
        ];
        for bad in bad {
            let bad = key(bad);
            assert_eq!(
                usable(&[bad.clone(), good.clone()]),
                Ok(vec!["good".to_owned()]),
                "{bad}"
            );
            assert_eq!(usable(&[bad]), Ok(Vec::new()));
        }
    }

    #[test]
    fn the_first_of_two_keys_with_one_name_counts() {
        let two = [key(json!({})), key(json!({ "n": modulus(4096) }))];
        let document = json!({ "keys": two }).to_string();
        let jwks: Jwks<'_> = serde_json::from_str(&document).unwrap();
        let keys = jwks.usable(|_| true).unwrap();
        match keys["a"].kind() {
            DecodingKeyKind::RsaModulusExponent { n, .. } => assert_eq!(bits(n), 2048),
            other => panic!("{other:?}"),
        }
        assert_eq!(keys.len(), 1);
    }

    #[test]
    fn there_is_a_bound() {
        let keys = |count: usize| -> Vec<Value> {
            (0..count)
                .map(|n| key(json!({ "kid": n.to_string() })))
                .collect()
        };
        assert_eq!(
            usable(&keys(MAX_KEYS)).map(|names| names.len()),
            Ok(MAX_KEYS)
        );
        assert!(usable(&keys(MAX_KEYS + 1)).is_err());
        assert_eq!(usable(&[]), Ok(Vec::new()));
    }
}
