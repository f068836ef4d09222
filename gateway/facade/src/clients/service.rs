//! Services that prove themselves here with a key of their own (`private_key_jwt`).

use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;

use crate::clients::client::MOST_OF_ID;

/// How services may sign.
pub(crate) const ALGORITHMS: [&str; 3] = ["ES256", "PS256", "RS256"];

/// Most keys of one service.
const MOST_KEYS: usize = 4;

/// Longest assertion, in bytes.
const MOST_BYTES: usize = 8 * 1024;

/// How far the clocks of the service and of this server may be apart, in seconds.
const SKEW_S: f64 = 60.0;

/// How far away the end of an assertion may be, in seconds: until then it is remembered.
const LONGEST_S: f64 = 3600.0;

/// The id of a service, and the public keys that it signs with.
#[derive(Debug, Clone)]
pub struct ServiceKeys {
    id: String,
    keys: Vec<ServiceKey>,
}

#[derive(Debug, Clone)]
enum ServiceKey {
    /// An `RSAPublicKey` (RFC 8017, appendix A.1.1).
    Rsa(Vec<u8>),
    /// An uncompressed point on P-256.
    P256(Vec<u8>),
}

/// What a service says of itself (RFC 7523, section 3).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    List([String; 1]),
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    crit: Option<Value>,
}

/// An assertion that was checked, but for whether it was shown before.
#[derive(Debug)]
pub(crate) struct Proven {
    /// Names the assertion among those of its service.
    pub(crate) id: String,
    /// For how many seconds it could be shown again.
    pub(crate) life_s: u64,
}

impl FromStr for ServiceKeys {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, path) = text
            .split_once('=')
            .ok_or("write ID=FILE, such as 11111111-2222-3333-4444-555555555555=service.pem")?;
        if id.is_empty() || id.len() > MOST_OF_ID || !id.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("an ID has visible ASCII characters".to_owned());
        }
        let unreadable = |error| format!("its public keys cannot be read: {error}");
        let mut keys = Vec::new();
        for key in SubjectPublicKeyInfoDer::pem_file_iter(path).map_err(unreadable)? {
            let key = ServiceKey::read(&key.map_err(unreadable)?);
            keys.push(key.ok_or("a key is neither RSA of 2048 bits or more nor P-256")?);
        }
        match (1..=MOST_KEYS).contains(&keys.len()) {
            true => Ok(Self {
                id: id.to_owned(),
                keys,
            }),
            false => Err(format!("it needs 1 to {MOST_KEYS} keys (BEGIN PUBLIC KEY)")),
        }
    }
}

impl ServiceKeys {
    /// The id of the service, here and at the issuer.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Checks what the service shows to a server that goes by these names.
    ///
    /// # Errors
    ///
    /// Why it proves nothing.
    pub(crate) fn check(
        &self,
        assertion: &str,
        server: &[&str],
        now_s: u64,
    ) -> Result<Proven, &'static str> {
        const MALFORMED: &str = "it is no JWT that can be read";
        if assertion.len() > MOST_BYTES {
            return Err("it is too long");
        }
        let (signed, signature) = assertion.rsplit_once('.').ok_or(MALFORMED)?;
        let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
        let signature = BASE64.decode(signature).map_err(|_| MALFORMED)?;
        let header: Header = part(header).ok_or(MALFORMED)?;
        let claims: Claims = part(claims).ok_or("iss, sub, aud, exp and jti are needed")?;
        if header.crit.is_some() {
            return Err("it needs an extension (crit)");
        }
        let mut keys = self.keys.iter();
        if !keys.any(|key| key.has_signed(&header.alg, signed.as_bytes(), &signature)) {
            return Err("no key of the service signed it");
        }
        let (Audience::One(audience) | Audience::List([audience])) = &claims.aud;
        if claims.iss != self.id || claims.sub != self.id {
            return Err("it is of somebody else (iss, sub)");
        }
        if !server.contains(&audience.as_str()) {
            return Err("it is for somebody else (aud)");
        }
        let now = now_s as f64;
        // Not the negation: a number that is none is refused too.
        let has_begun = |time: Option<f64>| time.is_none_or(|time| time <= now + SKEW_S);
        let is_good = claims.exp > now - SKEW_S && claims.exp <= now + LONGEST_S + SKEW_S;
        if !is_good || !has_begun(claims.nbf) || !has_begun(claims.iat) {
            return Err("it is not good now, or for more than an hour (exp, nbf, iat)");
        }
        Ok(Proven {
            id: claims.jti,
            life_s: (claims.exp - now + 2.0 * SKEW_S).max(1.0) as u64,
        })
    }
}

impl ServiceKey {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, section 4.1).
    fn read(der: &[u8]) -> Option<Self> {
        const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
        const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
        const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let (info, _) = element(0x30, der)?;
        let (algorithm, rest) = element(0x30, info)?;
        let (bits, _) = element(0x03, rest)?;
        let key = bits.strip_prefix(&[0])?.to_vec();
        let (kind, parameters) = element(0x06, algorithm)?;
        match kind {
            RSA => (key.len() > 256).then_some(Self::Rsa(key)),
            EC => (element(0x06, parameters)?.0 == P256).then_some(Self::P256(key)),
            _ => None,
        }
    }

    fn has_signed(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        let (algorithm, key): (&dyn VerificationAlgorithm, _) = match (self, algorithm) {
            (Self::Rsa(key), "RS256") => (&RSA_PKCS1_2048_8192_SHA256, key),
            (Self::Rsa(key), "PS256") => (&RSA_PSS_2048_8192_SHA256, key),
            (Self::P256(key), "ES256") => (&ECDSA_P256_SHA256_FIXED, key),
            _ => return false,
        };
        let key = UnparsedPublicKey::new(algorithm, key);
        key.verify(message, signature).is_ok()
    }
}

/// The content of one element of DER, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&BASE64.decode(text).ok()?).ok()
}
