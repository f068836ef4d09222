//! Whom a connection over TLS trusts, and how it shows itself.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use clap::Args;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

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
    pub(crate) fn config(&self) -> Result<ClientConfig, String> {
        let roots = match &self.settings.redis_ca {
            Some(file) => {
                let mut roots = RootCertStore::empty();
                let (added, _) =
                    roots.add_parsable_certificates(certificates(&read("--redis-ca", file)?));
                if added == 0 {
                    return Err(unusable("--redis-ca", file, "it holds no certificate"));
                }
                roots
            }
            None => system_store().clone(),
        };
        let config = ClientConfig::builder().with_root_certificates(roots);
        match (&self.settings.redis_cert, &self.settings.redis_key) {
            (Some(cert), Some(key)) => {
                let chain = certificates(&read("--redis-cert", cert)?);
                if chain.is_empty() {
                    return Err(unusable("--redis-cert", cert, "it holds no certificate"));
                }
                let Ok(private) = PrivateKeyDer::from_pem_slice(&read("--redis-key", key)?) else {
                    return Err(unusable("--redis-key", key, "it holds no private key"));
                };
                let config = config.with_client_auth_cert(chain, private);
                config.map_err(|error| unusable("--redis-cert", cert, &error.to_string()))
            }
            (None, None) => Ok(config.with_no_client_auth()),
            _ => Err("--redis-cert and --redis-key belong together".to_owned()),
        }
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

/// The authorities that this system trusts; when it knows none, as a bare image, those that the program was built with.
fn system_store() -> &'static RootCertStore {
    static STORE: OnceLock<RootCertStore> = OnceLock::new();
    STORE.get_or_init(|| {
        let mut roots = RootCertStore::empty();
        // One that cannot be read must not spoil the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots
    })
}
