//! A certificate with its key, and what is signed with it.
//!
//! Sources: RFC 7523, section 3; learn.microsoft.com/entra/identity-platform/certificate-credentials.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use ring::rsa::KeyPair;
use ring::signature::RSA_PSS_SHA256;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;

use crate::sealed::{now_s, unguessable};
use crate::signing::{jwt, rsa_key};

/// How long an assertion is good, in seconds.
const LIFETIME_S: u64 = 300;

/// By how much the issuer's clock may be behind, in seconds.
const SKEW_S: u64 = 30;

/// A certificate that the registration has, and its RSA key.
#[derive(Clone)]
pub struct Certificate(Arc<Signer>);

struct Signer {
    key: KeyPair,
    /// Names the certificate, as the issuer looks it up.
    thumbprint: String,
    thumbprint_256: String,
}

impl FromStr for Certificate {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let certificate = CertificateDer::from_pem_file(path)
            .map_err(|error| format!("it has no certificate that can be read: {error}"))?;
        Ok(Self(Arc::new(Signer {
            key: rsa_key(path)?,
            thumbprint: BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate)),
            thumbprint_256: BASE64.encode(digest(&SHA256, &certificate)),
        })))
    }
}

impl Certificate {
    /// That the bearer is the client.
    ///
    /// # Errors
    ///
    /// When it cannot be signed.
    pub(crate) fn assertion(&self, client_id: &str, audience: &str) -> Result<String, String> {
        let now = now_s();
        let header = json!({
            "alg": "PS256", "typ": "JWT", "x5t": self.0.thumbprint, "x5t#S256": self.0.thumbprint_256,
        });
        let claims = json!({
            "iss": client_id, "sub": client_id, "aud": audience, "jti": unguessable(),
            "nbf": now.saturating_sub(SKEW_S), "iat": now, "exp": now + LIFETIME_S,
        });
        jwt(&self.0.key, &RSA_PSS_SHA256, &header, &claims)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.0.thumbprint_256)
    }
}
