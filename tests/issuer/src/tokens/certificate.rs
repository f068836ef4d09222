//! Certificates that clients have registered, and one to register.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tokens::keys::SigningKey;

/// A certificate of a client, signed by itself, and its private key: for tests of whoever shows one.
pub struct ClientCertificate {
    /// What is registered at the client.
    pub certificate_pem: String,
    /// What it signs its assertions with: PKCS #8.
    pub key_pem: String,
    /// Nobody else is given its pair of keys while this lives.
    _key: SigningKey,
}

impl ClientCertificate {
    /// Makes one; it may take half a second.
    pub fn generate() -> Self {
        let key = SigningKey::generate();
        Self {
            certificate_pem: key.certificate_pem(),
            key_pem: key.private_pem().to_owned(),
            _key: key,
        }
    }
}

/// One that is registered.
pub(crate) struct Registered {
    der: CertificateDer<'static>,
}

impl Registered {
    pub(crate) fn read(pem: &str) -> Option<Self> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        Some(Self { der })
    }

    /// As `x5t` names it (RFC 7515, section 4.1.7): by SHA-1.
    pub(crate) fn x5t(&self) -> String {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        URL_SAFE_NO_PAD.encode(digest)
    }

    /// As `x5t#S256` names it (RFC 7515, section 4.1.8).
    pub(crate) fn x5t_s256(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &self.der))
    }

    /// Its key as an `RSAPublicKey`.
    pub(crate) fn public_key(&self) -> Option<Vec<u8>> {
        let (_, certificate) = X509Certificate::from_der(&self.der).ok()?;
        Some(certificate.public_key().subject_public_key.data.to_vec())
    }
}
