//! The keys that sign tokens: RSA of 2,048 bits, made anew in each process, as Entra's are.

use std::sync::{Arc, Mutex, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Entra publishes keys that no longer sign, and keys that do not sign yet. More than these are not kept.
const MOST_KEYS: usize = 8;

/// Of a line in PEM (RFC 7468, section 2).
const PEM_COLUMNS: usize = 64;

/// Pairs that were made in this process. A pair that no live issuer has is given out again: making one takes half a
/// second in a debug build.
static POOL: Mutex<Vec<Arc<Pair>>> = Mutex::new(Vec::new());

/// The private key and the parts of the public one.
struct Pair {
    private: RsaKeyPair,
    private_pem: String,
    public_pem: String,
    modulus: String,
    exponent: String,
    /// Signed by itself.
    certificate: CertificateDer<'static>,
}

/// A pair under a name.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pair: Arc<Pair>,
}

/// The keys of one issuer.
pub(crate) struct KeyRing {
    /// The last one signs.
    published: Vec<SigningKey>,
    /// Kept so that no later key has the same pair.
    retired: Vec<SigningKey>,
    /// The attacker's; never published among the others.
    foreign: Arc<OnceLock<SigningKey>>,
}

impl SigningKey {
    /// Takes about half a second when the pool has no free pair.
    pub(crate) fn generate() -> Self {
        Self {
            kid: kid(),
            pair: take_from_pool().unwrap_or_else(add_to_pool),
        }
    }

    /// The signature of RS256 (RFC 7518, section 3.3).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let private = &self.pair.private;
        let mut signature = vec![0; private.public().modulus_len()];
        let random = SystemRandom::new();
        private
            .sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
            .expect("a key of 2,048 bits signs anything");
        signature
    }

    pub(crate) fn public_pem(&self) -> &str {
        &self.pair.public_pem
    }

    /// The public key as an `RSAPublicKey` (RFC 8017, appendix A.1.1).
    pub(crate) fn public_key(&self) -> &[u8] {
        self.pair.private.public().as_ref()
    }

    pub(crate) fn private_pem(&self) -> &str {
        &self.pair.private_pem
    }

    pub(crate) fn certificate_pem(&self) -> String {
        let body = STANDARD.encode(&self.pair.certificate);
        let lines = body.as_bytes().chunks(PEM_COLUMNS);
        let lines = lines.map(|line| format!("{}\n", String::from_utf8_lossy(line)));
        let lines = lines.collect::<String>();
        format!("-----BEGIN CERTIFICATE-----\n{lines}-----END CERTIFICATE-----\n")
    }

    /// The public key as a JWK (RFC 7517). Entra names the issuer in the keys of its v2 endpoint.
    pub(crate) fn jwk(&self, issuer: Option<&str>) -> Value {
        let mut jwk = json!({
            "kty": "RSA",
            "use": "sig",
            "kid": self.kid,
            "x5t": self.kid,
            "n": self.pair.modulus,
            "e": self.pair.exponent,
            "x5c": [STANDARD.encode(&self.pair.certificate)],
            "cloud_instance_name": "microsoftonline.com",
        });
        if let Some(issuer) = issuer {
            jwk["issuer"] = issuer.into();
        }
        jwk
    }
}

impl KeyRing {
    pub(crate) fn new(key: SigningKey) -> Self {
        Self {
            published: vec![key],
            retired: Vec::new(),
            foreign: Arc::default(),
        }
    }

    pub(crate) fn current(&self) -> SigningKey {
        self.published.last().expect("is never empty").clone()
    }

    /// A published key by its `kid`.
    pub(crate) fn find(&self, kid: &str) -> Option<SigningKey> {
        let found = self.published.iter().find(|key| key.kid == kid);
        found.cloned()
    }

    /// The last key that was retired.
    pub(crate) fn retired(&self) -> Option<SigningKey> {
        self.retired.last().cloned()
    }

    /// A slot that makes the foreign key when it is first asked for.
    pub(crate) fn foreign(&self) -> Arc<OnceLock<SigningKey>> {
        self.foreign.clone()
    }

    /// From now on this key signs; the others stay published.
    pub(crate) fn rotate(&mut self, key: SigningKey) {
        self.published.push(key);
        if self.published.len() > MOST_KEYS {
            let oldest = self.published.remove(0);
            self.put_away(oldest);
        }
    }

    /// All keys but the one that signs vanish.
    pub(crate) fn retire(&mut self) {
        let last = self.published.len() - 1;
        for key in self.published.drain(..last).collect::<Vec<_>>() {
            self.put_away(key);
        }
    }

    /// A JWK set (RFC 7517, section 5), newest key first.
    pub(crate) fn jwks(&self, issuer: Option<&str>) -> Value {
        let keys: Vec<Value> = self
            .published
            .iter()
            .rev()
            .map(|key| key.jwk(issuer))
            .collect();
        json!({ "keys": keys })
    }

    fn put_away(&mut self, key: SigningKey) {
        self.retired.push(key);
        if self.retired.len() > MOST_KEYS {
            self.retired.remove(0);
        }
    }
}

fn take_from_pool() -> Option<Arc<Pair>> {
    let pool = POOL.lock().expect("is never poisoned");
    // At a count of one only the pool has it, and whoever takes it from here holds the lock.
    pool.iter()
        .find(|pair| Arc::strong_count(pair) == 1)
        .cloned()
}

/// Without the lock while it computes: two tests that begin together make a pair each.
fn add_to_pool() -> Arc<Pair> {
    let pair = Arc::new(generate());
    POOL.lock().expect("is never poisoned").push(pair.clone());
    pair
}

fn generate() -> Pair {
    let private =
        RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("the system has randomness");
    let der = private.to_pkcs8_der().expect("a fresh key can be written");
    let public = private.to_public_key();
    Pair {
        private: RsaKeyPair::from_pkcs8(der.as_bytes()).expect("is an RSA key"),
        private_pem: private
            .to_pkcs8_pem(LineEnding::LF)
            .expect("a fresh key can be written")
            .to_string(),
        public_pem: public
            .to_public_key_pem(LineEnding::LF)
            .expect("a fresh key can be written"),
        modulus: URL_SAFE_NO_PAD.encode(public.n().to_bytes_be()),
        exponent: URL_SAFE_NO_PAD.encode(public.e().to_bytes_be()),
        certificate: certificate(der.as_bytes()),
    }
}

/// Entra's keys come with one. Whoever checks tokens has no use for it.
fn certificate(private: &[u8]) -> CertificateDer<'static> {
    let private = PrivatePkcs8KeyDer::from(private);
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&private, &PKCS_RSA_SHA256);
    let key = key.expect("is an RSA key");
    let certificate = CertificateParams::default().self_signed(&key);
    certificate.expect("can be signed").der().clone()
}

/// As long as Entra's: the Base64url form of twenty bytes.
fn kid() -> String {
    let digest = Sha256::digest(Uuid::new_v4().as_bytes());
    URL_SAFE_NO_PAD.encode(&digest[..20])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_and_retired_keys_are_bounded() {
        let first = SigningKey::generate();
        let mut ring = KeyRing::new(first.clone());
        for _ in 0..3 * MOST_KEYS {
            let pair = first.pair.clone();
            ring.rotate(SigningKey { kid: kid(), pair });
        }
        let published = ring.jwks(None)["keys"].as_array().map(Vec::len);
        assert_eq!(published, Some(MOST_KEYS));
        assert_eq!(ring.retired.len(), MOST_KEYS);
        assert_eq!(ring.jwks(None)["keys"][0]["kid"], ring.current().kid);
    }
}
