//! Certificates of a server, mounted as Kubernetes mounts a secret: the files are links, and a renewal turns one link.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
};
use reqwest::{Certificate, ClientBuilder};
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use uuid::Uuid;

/// As Kubernetes names the files of a certificate, and the link that it turns.
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const DATA: &str = "..data";

/// An authority, and where a server finds what the authority has issued. The files go when this is dropped.
pub struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
    mounted: AtomicU32,
}

/// A certificate and its key.
pub struct Issued {
    /// The certificate in PEM form.
    pub certificate: String,
    /// The key in PEM form.
    pub key: String,
    /// The certificate as it is sent.
    pub der: Vec<u8>,
}

impl Certificates {
    /// A new authority. Nothing is mounted yet.
    #[expect(clippy::new_without_default, reason = "a test reads better with new")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().expect("a key");
        let folder = std::env::temp_dir().join(format!("prynai-tls-{}", Uuid::new_v4().simple()));
        fs::create_dir(&folder).expect("a folder for certificates");
        let certificates = Self {
            authority: CertifiedIssuer::self_signed(params, key).expect("an authority"),
            folder,
            mounted: AtomicU32::new(0),
        };
        for file in [CERTIFICATE, KEY] {
            let link = certificates.folder.join(file);
            symlink(format!("{DATA}/{file}"), link).expect("a link");
        }
        certificates
    }

    /// An authority whose first certificate is mounted.
    pub fn mounted() -> (Self, Issued) {
        let certificates = Self::new();
        let issued = certificates.issue();
        certificates.mount(&issued.certificate, &issued.key);
        (certificates, issued)
    }

    /// Issues a certificate for the loopback interface.
    pub fn issue(&self) -> Issued {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("are names");
        // OpenSSL would take a certificate that is named like its authority for a self-signed one.
        params.distinguished_name = DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.authority).expect("is signed");
        Issued {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }

    /// Puts this where the server looks, both files in one step.
    pub fn mount(&self, certificate: &str, key: &str) {
        let version = self.mounted.fetch_add(1, Ordering::Relaxed).to_string();
        let folder = self.folder.join(&version);
        fs::create_dir(&folder).expect("a folder");
        fs::write(folder.join(CERTIFICATE), certificate).expect("is written");
        fs::write(folder.join(KEY), key).expect("is written");
        let next = self.folder.join("next");
        symlink(&version, &next).expect("a link");
        fs::rename(next, self.folder.join(DATA)).expect("is turned");
    }

    /// Writes the authority's certificate to a file.
    pub fn authority_file(&self) -> String {
        self.file("authority.pem", &self.authority.pem())
    }

    /// Writes a certificate and its key to files.
    pub fn files(&self, issued: &Issued) -> [String; 2] {
        let unique = Uuid::new_v4().simple();
        [
            self.file(&format!("{unique}.crt"), &issued.certificate),
            self.file(&format!("{unique}.key"), &issued.key),
        ]
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.folder.join(name);
        fs::write(&file, text).expect("is written");
        file.display().to_string()
    }

    /// What the server is told.
    pub fn args(&self) -> [String; 4] {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let flag = str::to_owned;
        [
            flag("--tls-cert"),
            file(CERTIFICATE),
            flag("--tls-key"),
            file(KEY),
        ]
    }

    /// A client that trusts the authority and nobody else.
    pub fn trusted(&self) -> ClientBuilder {
        let authority = Certificate::from_der(self.authority.der()).expect("is a certificate");
        reqwest::Client::builder()
            .tls_certs_only([authority])
            .tls_info(true)
    }

    /// The same for a client that is not reqwest's.
    pub fn trusted_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from(self.authority.der().to_vec());
        roots.add(authority).expect("is an authority");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("knows what it can")
            .with_root_certificates(roots);
        Arc::new(config.with_no_client_auth())
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        // Whatever is left lies in the folder for such things.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
