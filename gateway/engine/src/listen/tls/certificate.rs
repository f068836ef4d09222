//! Certificate and key: two PEM files, read and checked.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prynai_process::clock::unix_millis;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use x509_parser::parse_x509_certificate;

use super::settings::TlsSettings;

/// Largest file read, in bytes.
const LARGEST_FILE: u64 = 1024 * 1024;

/// What clients may choose in the handshake (RFC 7301), the first one rather.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why certificate and key cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "each says what it is")]
pub enum CertificateError {
    #[error(
        "--tls-cert and --tls-key belong together: give both files, or neither to serve plain HTTP"
    )]
    OnlyOne,
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} is larger than {LARGEST_FILE} bytes", .0.display())]
    TooLarge(PathBuf),
    #[error("{} holds no certificate; write the certificate in PEM form, followed by those between it and its authority", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key; write it in PEM form and not encrypted", .0.display())]
    NoKey(PathBuf),
    #[error("the private key in {} does not belong to the first certificate in {}", .0.key.display(), .0.certificate.display())]
    Mismatch(Files),
    #[error("{files} cannot be used: {reason}")]
    Refused { files: Files, reason: rustls::Error },
    #[error("the certificate in {} has expired", .0.display())]
    Expired(PathBuf),
    #[error("the certificate in {} is not valid yet", .0.display())]
    Early(PathBuf),
}

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What is in the files. It holds the key, so it cannot be shown.
#[derive(PartialEq, Eq)]
pub(super) struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// When a chain of certificates is valid, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) from_s: i64,
    pub(super) to_s: i64,
}

// === impl TlsSettings ===

impl TlsSettings {
    /// Whether clients are to speak TLS.
    pub fn is_on(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// Reads certificate and key and checks that they can be used.
    ///
    /// # Errors
    ///
    /// What cannot work, in words.
    pub fn check(&self) -> Result<(), CertificateError> {
        match Files::of(self)? {
            Some(files) => files.server(&files.read()?).map(drop),
            None => Ok(()),
        }
    }
}

// === impl Files ===

impl Files {
    pub(super) fn of(settings: &TlsSettings) -> Result<Option<Self>, CertificateError> {
        match (&settings.tls_cert, &settings.tls_key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some(Self {
                certificate: certificate.clone(),
                key: key.clone(),
            })),
            _ => Err(CertificateError::OnlyOne),
        }
    }

    pub(super) fn read(&self) -> Result<Pem, CertificateError> {
        Ok(Pem {
            certificate: read(&self.certificate)?,
            key: read(&self.key)?,
        })
    }

    /// What a server does with these: TLS 1.2 and 1.3, no certificates of clients.
    pub(super) fn server(&self, pem: &Pem) -> Result<Arc<ServerConfig>, CertificateError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem.certificate)
            .collect::<Result<_, _>>()
            .map_err(|_| CertificateError::NoCertificate(self.certificate.clone()))?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate(self.certificate.clone()));
        }
        let key = PrivateKeyDer::from_pem_slice(&pem.key)
            .map_err(|_| CertificateError::NoKey(self.key.clone()))?;
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map(|server| server.with_no_client_auth())
            .and_then(|server| server.with_single_cert(chain, key))
            .map_err(|reason| self.refused(reason))?;
        server.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(server))
    }

    /// Refuses what no client would take now.
    pub(super) fn check_time(&self, validity: Validity) -> Result<(), CertificateError> {
        let now_s = i64::try_from(unix_millis() / 1000).unwrap_or(i64::MAX);
        if validity.to_s < now_s {
            return Err(CertificateError::Expired(self.certificate.clone()));
        }
        if validity.from_s > now_s {
            return Err(CertificateError::Early(self.certificate.clone()));
        }
        Ok(())
    }

    fn refused(&self, reason: rustls::Error) -> CertificateError {
        match reason {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                CertificateError::Mismatch(self.clone())
            }
            reason => CertificateError::Refused {
                files: self.clone(),
                reason,
            },
        }
    }
}

impl Pem {
    /// When all certificates of the chain are valid. What cannot be read here is left to the clients.
    pub(super) fn validity(&self) -> Validity {
        let mut all = Validity {
            from_s: i64::MIN,
            to_s: i64::MAX,
        };
        let chain = CertificateDer::pem_slice_iter(&self.certificate).flatten();
        for certificate in chain {
            if let Ok((_, certificate)) = parse_x509_certificate(&certificate) {
                let validity = certificate.validity();
                all.from_s = all.from_s.max(validity.not_before.timestamp());
                all.to_s = all.to_s.min(validity.not_after.timestamp());
            }
        }
        all
    }
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} with {}",
            self.certificate.display(),
            self.key.display()
        )
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut content))
        .map_err(|error| CertificateError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    if content.len() as u64 > LARGEST_FILE {
        return Err(CertificateError::TooLarge(path.to_owned()));
    }
    Ok(content)
}
