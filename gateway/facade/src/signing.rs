//! What is signed here: JWTs (RFC 7515, RFC 7519), and the keys from the settings that sign them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_SHA256, RsaEncoding};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};

use crate::refusal::Refusal;
use crate::sealed::digest;

/// Most keys at a time: the new one and the one it replaces.
pub(crate) const MOST_KEYS: usize = 2;

/// A key that access tokens are signed with.
#[derive(Clone)]
pub struct SigningKey(Arc<Own>);

struct Own {
    pair: KeyPair,
    public: PublicKey,
}

/// The public part of a [`SigningKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name: the thumbprint of its JWK (RFC 7638).
    pub kid: String,
    /// The modulus, big-endian.
    pub modulus: Vec<u8>,
    /// The exponent, big-endian.
    pub exponent: Vec<u8>,
}

impl FromStr for SigningKey {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let pair = rsa_key(path)?;
        let public: PublicKeyComponents<Vec<u8>> = pair.public().into();
        let (modulus, exponent) = (public.n, public.e);
        // The required members in the order of their names (RFC 7638, section 3.2).
        let (n, e) = (BASE64.encode(&modulus), BASE64.encode(&exponent));
        let kid = digest(&format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#));
        let public = PublicKey {
            kid,
            modulus,
            exponent,
        };
        Ok(Self(Arc::new(Own { pair, public })))
    }
}

impl SigningKey {
    pub(crate) fn public(&self) -> &PublicKey {
        &self.0.public
    }

    /// A JWT of this kind.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub(crate) fn sign(&self, typ: &str, claims: &Value) -> Result<String, Refusal> {
        let header = json!({ "alg": "RS256", "typ": typ, "kid": self.0.public.kid });
        jwt(&self.0.pair, &RSA_PKCS1_SHA256, &header, claims).map_err(|reason| {
            tracing::error!(reason, "no token can be given");
            Refusal::passing("the server cannot do this now; try again")
        })
    }
}

impl PublicKey {
    pub(crate) fn jwk(&self) -> Value {
        json!({
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid,
            "n": BASE64.encode(&self.modulus), "e": BASE64.encode(&self.exponent),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.0.public.kid)
    }
}

/// The RSA key in a PEM file.
///
/// # Errors
///
/// Why it cannot be used.
pub(crate) fn rsa_key(path: &str) -> Result<KeyPair, String> {
    let key = PrivateKeyDer::from_pem_file(path)
        .map_err(|error| format!("it has no private key that can be read: {error}"))?;
    let key = match &key {
        PrivateKeyDer::Pkcs8(key) => KeyPair::from_pkcs8(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => KeyPair::from_der(key.secret_pkcs1_der()),
        _ => return Err("its key is no RSA key".to_owned()),
    };
    key.map_err(|error| format!("its key is no RSA key of 2048 bits or more: {error}"))
}

/// A JWT in compact form.
///
/// # Errors
///
/// When it cannot be signed.
pub(crate) fn jwt(
    key: &KeyPair,
    encoding: &'static dyn RsaEncoding,
    header: &Value,
    claims: &Value,
) -> Result<String, String> {
    let part = |json: &Value| BASE64.encode(json.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    let random = SystemRandom::new();
    key.sign(encoding, &random, signed.as_bytes(), &mut signature)
        .map_err(|_| "the token cannot be signed".to_owned())?;
    Ok(format!("{signed}.{}", BASE64.encode(signature)))
}
