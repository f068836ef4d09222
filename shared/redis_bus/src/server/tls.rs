//! Whom a connection over TLS trusts, and how it shows itself.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clap::Args;
use redis::{ClientTlsConfig, TlsCertificates};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Whom a `rediss://` connection trusts, and how it shows itself. The files are read for every new
/// connection, so that a renewed certificate needs no restart.
#[derive(Debug, Clone, Default, Args)]
pub struct RedisTlsSettings {
    /// Authorities that may vouch for Redis: a PEM file [default: those of the system; where it has none,
    /// the public ones].
    #[arg(long, env = "PRYNAI_REDIS_CA", value_name = "FILE")]
    pub redis_ca: Option<PathBuf>,

    /// Certificate with which this process shows itself to Redis: a PEM file [default: none].
    #[arg(long, env = "PRYNAI_REDIS_CERT", value_name = "FILE")]
    pub redis_cert: Option<PathBuf>,

    /// Private key of that certificate: a PEM file, not encrypted.
    #[arg(long, env = "PRYNAI_REDIS_KEY", value_name = "FILE")]
    pub redis_key: Option<PathBuf>,
}

/// The files, which are read for each connection: a renewed certificate is used by the next one.
#[derive(Clone, Default)]
pub(crate) struct Tls {
    settings: RedisTlsSettings,
}

impl Tls {
    pub(crate) fn new(settings: &RedisTlsSettings) -> Self {
        // Without a choice the first TLS connection would panic. An error only says that the process
        // has chosen before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            settings: settings.clone(),
        }
    }

    /// What the files hold now, or which cannot be used.
    pub(crate) fn certificates(&self) -> Result<TlsCertificates, String> {
        let root_cert = match &self.settings.redis_ca {
            Some(file) => {
                let pem = read("--redis-ca", file)?;
                let mut roots = RootCertStore::empty();
                let (added, _) = roots.add_parsable_certificates(certificates(&pem));
                if added == 0 {
                    return Err(unusable("--redis-ca", file, "it holds no certificate"));
                }
                Some(pem)
            }
            None => system_store().clone(),
        };
        let client_tls = match (&self.settings.redis_cert, &self.settings.redis_key) {
            (Some(cert), Some(key)) => {
                let client_cert = read("--redis-cert", cert)?;
                if certificates(&client_cert).is_empty() {
                    return Err(unusable("--redis-cert", cert, "it holds no certificate"));
                }
                let client_key = read("--redis-key", key)?;
                if PrivateKeyDer::from_pem_slice(&client_key).is_err() {
                    return Err(unusable("--redis-key", key, "it holds no private key"));
                }
                Some(ClientTlsConfig {
                    client_cert,
                    client_key,
                })
            }
            (None, None) => None,
            _ => return Err("--redis-cert and --redis-key belong together".to_owned()),
        };
        Ok(TlsCertificates {
            client_tls,
            root_cert,
        })
    }
}

fn read(flag: &str, file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| unusable(flag, file, &error.to_string()))
}

fn unusable(flag: &str, file: &Path, reason: &str) -> String {
    format!("{flag} {} cannot be used: {reason}", file.display())
}

/// Those that can be read.
fn certificates(pem: &[u8]) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem).flatten().collect()
}

/// The authorities that this system trusts, in PEM form; `None` when it has none, as a bare image: then
/// those count that the program was built with.
fn system_store() -> &'static Option<Vec<u8>> {
    static STORE: OnceLock<Option<Vec<u8>>> = OnceLock::new();
    STORE.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        let mut pem = String::new();
        for certificate in rustls_native_certs::load_native_certs().certs {
            // One that cannot be read must not spoil the others.
            if roots.add(certificate.clone()).is_ok() {
                let body = BASE64_STANDARD.encode(&certificate);
                pem.push_str("-----BEGIN CERTIFICATE-----\n");
                pem.push_str(&body);
                pem.push_str("\n-----END CERTIFICATE-----\n");
            }
        }
        (!pem.is_empty()).then(|| pem.into_bytes())
    })
}
