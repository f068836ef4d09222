use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// A folder with a certificate and its key, for as long as the test runs.
struct Folder(PathBuf);

/// A certificate and its key, as PEM.
fn issued() -> (String, String) {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (issued.cert.pem(), issued.signing_key.serialize_pem())
}

/// The same, valid from one year to another.
fn issued_for(from: i32, to: i32) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

impl Folder {
    fn new(test: &str) -> Self {
        let name = format!("prynai-tls-{}-{test}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    fn write(&self, certificate: &str, key: &str) {
        fs::write(self.0.join("tls.crt"), certificate).unwrap();
        fs::write(self.0.join("tls.key"), key).unwrap();
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings {
            tls_cert: Some(self.0.join("tls.crt")),
            tls_key: Some(self.0.join("tls.key")),
        }
    }

    fn renewal(&self) -> (Renewal, Tls) {
        let files = Files::of(&self.settings()).unwrap().unwrap();
        Renewal::new(files).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Whatever is left lies in the folder for such things.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_cannot_be_used_is_told_with_its_reason() {
    let folder = Folder::new("told");
    let (certificate, key) = issued();
    let (other, _) = issued();
    let half = &certificate[..certificate.len() / 2];
    let spoilt = certificate.replacen("MII", "AAA", 1);
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let long = "x".repeat(1024 * 1024 + 1);
    for (certificate, key, reason) in [
        ("", key.as_str(), "tls.crt holds no certificate"),
        (half, &key, "tls.crt holds no certificate"),
        (&key, &key, "tls.crt holds no certificate"),
        (&spoilt, &key, "cannot be used"),
        (&certificate, "", "tls.key holds no private key"),
        (&certificate, &certificate, "tls.key holds no private key"),
        (&certificate, &key[..80], "tls.key holds no private key"),
        (&certificate, &encrypted, "not encrypted"),
        (&other, &key, "does not belong to the first certificate"),
        (&long, &key, "is larger than"),
    ] {
        folder.write(certificate, key);
        let error = folder.settings().check().unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    folder.write(&certificate, &key);
    assert_eq!(folder.settings().check(), Ok(()));

    fs::remove_file(folder.0.join("tls.key")).unwrap();
    let error = folder.settings().check().unwrap_err().to_string();
    assert!(error.starts_with("cannot read "), "{error}");
    assert!(error.contains("tls.key: "), "{error}");
}

#[test]
fn certificate_and_key_belong_together() {
    let some = || Some(Path::new("/nowhere").to_owned());
    for (tls_cert, tls_key) in [(some(), None), (None, some())] {
        let settings = TlsSettings { tls_cert, tls_key };
        assert_eq!(settings.check(), Err(CertificateError::OnlyOne));
    }
    assert_eq!(TlsSettings::default().check(), Ok(()));
}

#[tokio::test]
async fn a_change_is_seen_once_and_taken_when_it_can_be_used() {
    let folder = Folder::new("seen");
    let (certificate, key) = issued();
    folder.write(&certificate, &key);
    let (mut renewal, tls) = folder.renewal();
    let current = || Arc::as_ptr(&tls.current.borrow());
    let first = current();
    assert_eq!(renewal.look().await, None);

    // The certificate is there before its key is.
    let (new_certificate, new_key) = issued();
    folder.write(&new_certificate, &key);
    let error = renewal.look().await.unwrap().unwrap_err();
    assert!(matches!(error, CertificateError::Mismatch(_)), "{error}");
    assert_eq!(renewal.look().await, None);
    fs::remove_file(folder.0.join("tls.key")).unwrap();
    assert!(renewal.look().await.unwrap().is_err());
    assert_eq!(renewal.look().await, None);
    assert_eq!(current(), first);

    folder.write(&new_certificate, &new_key);
    assert_eq!(renewal.look().await, Some(Ok(())));
    assert_eq!(renewal.look().await, None);
    assert_ne!(current(), first);
}

#[tokio::test]
async fn what_no_client_takes_replaces_nothing_that_clients_take() {
    let folder = Folder::new("time");
    let write = |(certificate, key): (String, String)| folder.write(&certificate, &key);
    write(issued_for(2000, 2001));
    assert_eq!(folder.settings().check(), Ok(()), "it is told, not refused");
    let (mut renewal, tls) = folder.renewal();
    let current = || Arc::as_ptr(&tls.current.borrow());
    write(issued_for(2001, 2002));
    assert_eq!(renewal.look().await, Some(Ok(())), "it is no worse");

    write(issued_for(2000, 4000));
    assert_eq!(renewal.look().await, Some(Ok(())));
    let valid = current();
    write(issued_for(2000, 2001));
    let error = renewal.look().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("has expired"), "{error}");
    assert_eq!(renewal.look().await, None);
    write(issued_for(3000, 4000));
    let error = renewal.look().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("not valid yet"), "{error}");
    assert_eq!(renewal.look().await, None);
    assert_eq!(current(), valid);

    // As if it had become valid meanwhile.
    renewal.served = Validity { from_s: 0, to_s: 0 };
    assert_eq!(renewal.look().await, Some(Ok(())));
    assert_ne!(current(), valid);

    // One expired certificate between this one and its authority is enough.
    let (certificate, key) = issued_for(2000, 4000);
    let (expired, _) = issued_for(2000, 2001);
    folder.write(&certificate, &key);
    assert_eq!(renewal.look().await, Some(Ok(())));
    folder.write(&[certificate, expired].concat(), &key);
    assert!(renewal.look().await.unwrap().is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn a_turned_link_is_a_change() {
    use std::os::unix::fs::symlink;

    let folder = Folder::new("link");
    for version in ["1", "2"] {
        let (certificate, key) = issued();
        fs::create_dir_all(folder.0.join(version)).unwrap();
        folder.write(&certificate, &key);
        for file in ["tls.crt", "tls.key"] {
            fs::rename(folder.0.join(file), folder.0.join(version).join(file)).unwrap();
        }
    }
    symlink("1", folder.0.join("data")).unwrap();
    symlink("data/tls.crt", folder.0.join("tls.crt")).unwrap();
    symlink("data/tls.key", folder.0.join("tls.key")).unwrap();
    let (mut renewal, _tls) = folder.renewal();
    assert_eq!(renewal.look().await, None);
    symlink("2", folder.0.join("new")).unwrap();
    fs::rename(folder.0.join("new"), folder.0.join("data")).unwrap();
    assert_eq!(renewal.look().await, Some(Ok(())));
}
