//! How the façade proves itself to the issuer without a secret. With an identity it does in `tests/stories`, since the
//! environment of a process says which.

use std::io::Write;

use prynai_dev_issuer::ClientCertificate;
use prynai_oauth_facade::Certificate;

use crate::scene::{REGISTERED, Scene, browser};

#[tokio::test]
async fn a_certificate_is_enough() {
    let pair = tokio::task::spawn_blocking(ClientCertificate::generate)
        .await
        .unwrap();
    let path = std::env::temp_dir().join(format!("facade-{}.pem", std::process::id()));
    let mut file = std::fs::File::create(&path).unwrap();
    write!(file, "{}{}", pair.certificate_pem, pair.key_pem).unwrap();
    let certificate: Certificate = path.to_str().unwrap().parse().unwrap();
    std::fs::remove_file(&path).unwrap();
    let scene = Scene::start_with(|settings| {
        settings.facade_client_secret = None;
        settings.facade_certificate = Some(certificate);
    })
    .await;
    scene.issuer.change_directory(|directory| {
        let mut all = directory.clients.iter_mut();
        let own = all.find(|client| client.client_id == REGISTERED);
        let own = own.expect("is registered");
        own.secret = None;
        own.certificates = vec![pair.certificate_pem.clone()];
    });
    let client = scene.register().await;
    let code = scene.code(&browser(), &client).await;
    let (status, tokens) = scene.redeem(0, &client, &code, &[]).await;
    assert_eq!(status, 200, "{tokens}");
    assert!("/no/such/file".parse::<Certificate>().is_err());
}
