//! Clients that show a token in place of a secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use prynai_dev_issuer::{API, API_URI, Client, ClientCertificate, Directory, Issuer, TENANT};
use reqwest::StatusCode;
use ring::digest;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{exchange, insecure_claims, managed_identity, now_s, refusal};

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// Asks for the API's own token with an assertion.
async fn ask(issuer: &Issuer, kind: &str, assertion: &str) -> (StatusCode, Value) {
    let scope = format!("{API}/.default");
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", API),
        ("client_assertion_type", kind),
        ("client_assertion", assertion),
        ("scope", &scope),
    ];
    exchange(issuer, &fields).await
}

/// The number that an assertion is refused with, as one of an unknown client.
async fn refused(issuer: &Issuer, assertion: &str) -> u64 {
    let (status, body) = ask(issuer, KIND, assertion).await;
    assert_eq!(status, 401, "{body}");
    let (_, error, number) = refusal(status, &body);
    assert_eq!(error, "invalid_client");
    number
}

fn api(directory: &mut Directory) -> &mut Client {
    let mut clients = directory.clients.iter_mut();
    clients.find(|c| c.client_id == API).expect("is there")
}

#[tokio::test]
async fn a_managed_identitys_token_is_as_good_as_a_secret() {
    let issuer = Issuer::start().await;
    let token = managed_identity::token(&issuer, EXCHANGE).await;
    let (status, tokens) = ask(&issuer, KIND, &token).await;
    assert_eq!(status, 200, "{tokens}");
    let claims = insecure_claims(tokens["access_token"].as_str().expect("is text"));
    assert_eq!(
        (&claims["azp"], &claims["azpacr"]),
        (&json!(API), &json!("2"))
    );
    let (status, body) = ask(&issuer, "", &token).await;
    assert_eq!(
        refusal(status, &body),
        (400, "invalid_request".to_owned(), 9_002_313)
    );
    assert_eq!(refused(&issuer, "no.token").await, 50_027);
}

#[tokio::test]
async fn issuer_audience_and_subject_must_be_the_registered_ones() {
    let issuer = Issuer::start().await;
    let token = managed_identity::token(&issuer, EXCHANGE).await;
    let change = |of: fn(&mut Client)| issuer.change_directory(|directory| of(api(directory)));
    change(|api| api.federated_credentials[0].subject.make_ascii_uppercase());
    assert_eq!(refused(&issuer, &token).await, 700_213);
    change(|api| {
        api.federated_credentials[0].audience = "api://AzureADTokenExchangeChina".to_owned()
    });
    assert_eq!(refused(&issuer, &token).await, 700_212);
    change(|api| {
        api.federated_credentials[0].issuer = Some("https://elsewhere.example".to_owned())
    });
    assert_eq!(refused(&issuer, &token).await, 700_211);
    // Somebody whom the client trusts, but whose keys are not known here.
    let elsewhere = issuer
        .token()
        .app_only()
        .claim("iss", "https://elsewhere.example")
        .jwt();
    assert_eq!(refused(&issuer, &elsewhere).await, 50_166);
}

#[tokio::test]
async fn only_tokens_of_managed_identities_for_the_exchange_are_assertions() {
    let issuer = Issuer::start().await;
    let for_another = managed_identity::token(&issuer, API_URI).await;
    assert_eq!(refused(&issuer, &for_another).await, 700_212);
    let subject = insecure_claims(&for_another)["sub"]
        .as_str()
        .map(str::to_owned);
    let like_one = issuer
        .token()
        .app_only()
        .claim("sub", subject.expect("is text"))
        .claim("aud", EXCHANGE);
    assert_eq!(refused(&issuer, &like_one.clone().jwt()).await, 700_226);
    let like_one = like_one.claim("xms_mirid", "/subscriptions/0");
    let (status, tokens) = ask(&issuer, KIND, &like_one.clone().jwt()).await;
    assert_eq!(status, 200, "{tokens}");
    let forged = like_one
        .clone()
        .sign_with(prynai_dev_issuer::SignWith::Foreign);
    assert_eq!(refused(&issuer, &forged.jwt()).await, 700_027);
    let unsigned = like_one
        .clone()
        .sign_with(prynai_dev_issuer::SignWith::Nobody);
    assert_eq!(refused(&issuer, &unsigned.jwt()).await, 700_027);
    let expired = like_one.clone().expires_in(-301);
    assert_eq!(refused(&issuer, &expired.jwt()).await, 700_024);
    let early = like_one.clone().not_before_in(360);
    assert_eq!(refused(&issuer, &early.jwt()).await, 700_024);
}

/// An assertion of the client itself, with these claims changed.
fn own(issuer: &Issuer, certificate: &ClientCertificate, claims: &Value, header: &Value) -> String {
    let mut all = json!({
        "aud": format!("{}/{TENANT}/oauth2/v2.0/token", issuer.base_url()),
        "iss": API,
        "sub": API,
        "jti": Uuid::new_v4(),
        "nbf": now_s(),
        "exp": now_s() + 300,
    });
    for (name, value) in claims.as_object().expect("are claims") {
        all[name] = value.clone();
    }
    let encoded = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let message = format!("{}.{}", encoded(header), encoded(&all));
    let key = RsaKeyPair::from_pkcs8(&der(&certificate.key_pem)).expect("is a key");
    let padding: &dyn RsaEncoding = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_SHA256,
        _ => &RSA_PKCS1_SHA256,
    };
    let mut signature = vec![0; key.public().modulus_len()];
    let random = SystemRandom::new();
    key.sign(padding, &random, message.as_bytes(), &mut signature)
        .expect("is signed");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A header that names the certificate by its SHA-256, as the documentation has it.
fn named(certificate: &ClientCertificate) -> Value {
    let digest = Sha256::digest(der(&certificate.certificate_pem));
    json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(digest) })
}

/// A header as older libraries write it.
fn named_by_sha_1(certificate: &ClientCertificate) -> Value {
    let der = der(&certificate.certificate_pem);
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    json!({ "alg": "RS256", "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode(digest) })
}

fn der(pem: &str) -> Vec<u8> {
    let body = pem.lines().filter(|line| !line.starts_with('-'));
    STANDARD.decode(body.collect::<String>()).expect("is PEM")
}

#[tokio::test]
async fn a_certificates_signature_is_as_good_as_a_secret() {
    let issuer = Issuer::start().await;
    let certificate = ClientCertificate::generate();
    issuer.change_directory(|directory| {
        api(directory).certificates = vec![certificate.certificate_pem.clone()];
    });
    for header in [named(&certificate), named_by_sha_1(&certificate)] {
        let (status, tokens) = ask(
            &issuer,
            KIND,
            &own(&issuer, &certificate, &json!({}), &header),
        )
        .await;
        assert_eq!(status, 200, "{tokens}");
        let claims = insecure_claims(tokens["access_token"].as_str().expect("is text"));
        assert_eq!(claims["azpacr"], "2");
    }
    let by_issuer = json!({ "aud": issuer.issuer_url() });
    let (status, _) = ask(
        &issuer,
        KIND,
        &own(&issuer, &certificate, &by_issuer, &named(&certificate)),
    )
    .await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn an_assertion_of_the_client_itself_is_refused_for_what_is_wrong_with_it() {
    let issuer = Issuer::start().await;
    let certificate = ClientCertificate::generate();
    let another = ClientCertificate::generate();
    let nothing = json!({});
    // It is not registered yet.
    let good = own(&issuer, &certificate, &nothing, &named(&certificate));
    assert_eq!(refused(&issuer, &good).await, 700_027);
    issuer.change_directory(|directory| {
        api(directory).certificates = vec![certificate.certificate_pem.clone()];
    });
    for (claims, number) in [
        (json!({ "sub": TENANT }), 700_021),
        (json!({ "iss": TENANT }), 700_021),
        (json!({ "iss": TENANT, "sub": TENANT }), 700_021),
        (
            json!({ "aud": "https://login.microsoftonline.com/common" }),
            700_023,
        ),
        (json!({ "aud": [] }), 700_023),
        (json!({ "exp": now_s() - 301 }), 700_024),
        (json!({ "exp": null }), 700_024),
        (json!({ "nbf": now_s() + 360 }), 700_024),
        (json!({ "sub": null }), 50_027),
    ] {
        let assertion = own(&issuer, &certificate, &claims, &named(&certificate));
        assert_eq!(refused(&issuer, &assertion).await, number, "{claims}");
    }
    // By another key under the name of the registered one, by its own name, and without a name.
    let forged = own(&issuer, &another, &nothing, &named(&certificate));
    assert_eq!(refused(&issuer, &forged).await, 700_027);
    let unknown = own(&issuer, &another, &nothing, &named(&another));
    assert_eq!(refused(&issuer, &unknown).await, 700_027);
    let nameless = own(&issuer, &certificate, &nothing, &json!({ "alg": "PS256" }));
    assert_eq!(refused(&issuer, &nameless).await, 700_027);
}

#[tokio::test]
async fn one_way_of_authentication_in_a_request() {
    let issuer = Issuer::start().await;
    let token = managed_identity::token(&issuer, EXCHANGE).await;
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", API),
        ("client_secret", prynai_dev_issuer::API_SECRET),
        ("client_assertion_type", KIND),
        ("client_assertion", &token),
    ];
    let (status, body) = exchange(&issuer, &fields).await;
    assert_eq!(
        refusal(status, &body),
        (400, "invalid_request".to_owned(), 9_002_313)
    );
}
