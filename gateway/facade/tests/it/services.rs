//! Services that act by themselves.

use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use prynai_dev_issuer::{ClientCertificate, DAEMON, DAEMON_SECRET, FederatedCredential};
use prynai_oauth_facade::{ServiceKeys, SigningKey};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::scene::{Scene, http, json_of};

async fn basic(scene: &Scene, secret: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let sent = http()
        .post(scene.at("/oauth/token"))
        .basic_auth(DAEMON, Some(secret))
        .form(fields);
    let (status, said) = json_of(sent.send().await.expect("an answer")).await;
    (status.as_u16(), said)
}

#[tokio::test]
async fn a_service_gets_the_issuers_token_with_its_own_secret() {
    let scene = Scene::start().await;
    let grant = ("grant_type", "client_credentials");
    let resource = scene.at("/mcp");
    let asked = [grant, ("resource", &*resource), ("scope", "mcp.call")];
    let (status, tokens) = basic(&scene, DAEMON_SECRET, &asked).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["access_token"].as_str().expect("a token");
    assert_eq!(token.split('.').count(), 3);
    assert!(tokens["refresh_token"].is_null() && tokens["scope"].is_null());
    let posted = [
        grant,
        ("client_id", DAEMON),
        ("client_secret", DAEMON_SECRET),
    ];
    assert_eq!(scene.token(1, &posted).await.0, 200);
}

#[tokio::test]
async fn without_its_secret_a_service_gets_nothing() {
    let scene = Scene::start().await;
    let grant = ("grant_type", "client_credentials");
    assert_eq!(basic(&scene, "wrong", &[grant]).await.0, 401);
    assert_eq!(basic(&scene, "", &[grant]).await.0, 401);
    let twice = [grant, ("client_secret", DAEMON_SECRET)];
    assert_eq!(basic(&scene, DAEMON_SECRET, &twice).await.0, 400);
    let other = [grant, ("client_id", "another")];
    assert_eq!(basic(&scene, DAEMON_SECRET, &other).await.0, 401);
    let elsewhere = [grant, ("scope", "https://graph.microsoft.com/.default")];
    let (status, said) = basic(&scene, DAEMON_SECRET, &elsewhere).await;
    assert_eq!(
        (status, said["error"].as_str()),
        (400, Some("invalid_scope"))
    );
    let client = scene.register().await;
    let registered = [grant, ("client_id", &*client)];
    assert_eq!(scene.token(0, &registered).await.0, 401, "it has no secret");
}

/// A service with a key on P-256, and the scene in which the façade knows it and the issuer trusts the façade.
struct Service {
    scene: Scene,
    key: EcdsaKeyPair,
}

fn file(name: &str, text: &str) -> PathBuf {
    let name = format!("{name}-{}.pem", rand::random::<u64>());
    let path = std::env::temp_dir().join(name);
    std::fs::write(&path, text).expect("is written");
    path
}

/// A public key on P-256 in PEM.
fn public_pem(key: &EcdsaKeyPair) -> String {
    let begin = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let begin = (0..begin.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&begin[at..at + 2], 16));
    let mut der: Vec<u8> = begin.map(|byte| byte.expect("is hex")).collect();
    der.extend(key.public_key().as_ref());
    let body = base64::prelude::BASE64_STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}

fn p256() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
    let der = der.expect("a key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random)
        .expect("a key")
}

impl Service {
    async fn start() -> Self {
        let key = p256();
        let public = file("service", &public_pem(&key));
        let keys: ServiceKeys = format!("{DAEMON}={}", public.display())
            .parse()
            .expect("is good");
        let pair = tokio::task::spawn_blocking(ClientCertificate::generate)
            .await
            .expect("a key");
        let private = file("signing", &pair.key_pem);
        let signing: SigningKey = private.to_str().expect("is text").parse().expect("is good");
        for path in [public, private] {
            std::fs::remove_file(path).expect("was there");
        }
        let scene = Scene::start_with(|settings| {
            settings.facade_service = vec![keys];
            settings.facade_signing_key = vec![signing];
        })
        .await;
        let service = Self { scene, key };
        service.trust("api://AzureADTokenExchange");
        service
    }

    /// The registration of the service takes the façade's word.
    fn trust(&self, audience: &str) {
        self.scene.issuer.change_directory(|directory| {
            let mut all = directory.clients.iter_mut();
            let daemon = all
                .find(|client| client.client_id == DAEMON)
                .expect("is there");
            daemon.federated_credentials = vec![FederatedCredential {
                issuer: Some(self.scene.at("/oauth")),
                subject: DAEMON.to_owned(),
                audience: audience.to_owned(),
            }];
        });
    }

    fn claims(&self) -> Value {
        let now = prynai_process::clock::unix_millis() / 1000;
        json!({
            "iss": DAEMON, "sub": DAEMON, "aud": self.scene.at("/oauth"), "iat": now, "exp": now + 300,
            "jti": rand::random::<u64>().to_string(),
        })
    }

    fn signed(&self, algorithm: &str, claims: &Value) -> String {
        let header = json!({ "alg": algorithm, "typ": "JWT" });
        let signed = [header, claims.clone()]
            .map(|part| BASE64.encode(part.to_string()))
            .join(".");
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .expect("signs");
        format!("{signed}.{}", BASE64.encode(signature))
    }

    async fn ask(&self, gateway: usize, assertion: &str, more: &[(&str, &str)]) -> (u16, Value) {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields = [
            &[
                ("grant_type", "client_credentials"),
                ("client_assertion_type", kind),
                ("client_assertion", assertion),
            ],
            more,
        ]
        .concat();
        let (status, said) = self.scene.token(gateway, &fields).await;
        (status.as_u16(), said)
    }
}

#[tokio::test]
async fn a_service_gets_the_issuers_token_with_its_own_key() {
    let service = Service::start().await;
    let metadata = http().get(
        service
            .scene
            .at("/.well-known/oauth-authorization-server/oauth"),
    );
    let (_, metadata) = json_of(metadata.send().await.expect("an answer")).await;
    let methods = metadata["token_endpoint_auth_methods_supported"]
        .as_array()
        .expect("a list");
    assert!(methods.contains(&json!("private_key_jwt")), "{metadata}");
    let assertion = service.signed("ES256", &service.claims());
    let asked = [("client_id", DAEMON), ("scope", "mcp.call")];
    let (status, tokens) = service.ask(1, &assertion, &asked).await;
    assert_eq!(status, 200, "{tokens}");
    let token = tokens["access_token"].as_str().expect("a token");
    let claims = token
        .split('.')
        .nth(1)
        .and_then(|part| BASE64.decode(part).ok())
        .expect("is one");
    let claims: Value = serde_json::from_slice(&claims).expect("is JSON");
    assert_eq!(claims["azp"], DAEMON);
    assert!(
        claims["roles"]
            .as_array()
            .expect("a list")
            .contains(&json!("Mcp.Call"))
    );
    // Once, also at another gateway and under a race.
    let assertion = service.signed("ES256", &service.claims());
    let (one, two) = tokio::join!(
        service.ask(0, &assertion, &[]),
        service.ask(1, &assertion, &[])
    );
    let mut both = [one.0, two.0];
    both.sort_unstable();
    assert_eq!(both, [200, 401], "{one:?} {two:?}");
    let mut claims = service.claims();
    claims["aud"] = json!([service.scene.at("/oauth/token")]);
    assert_eq!(
        service
            .ask(0, &service.signed("ES256", &claims), &[])
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn an_assertion_of_a_service_is_its_own_and_for_this_server() {
    let service = Service::start().await;
    for (name, value) in [
        ("iss", json!("another")),
        ("sub", json!("another")),
        (
            "aud",
            json!("https://login.microsoftonline.com/oauth2/v2.0/token"),
        ),
        (
            "aud",
            json!([service.scene.at("/oauth"), "https://other.example"]),
        ),
        ("exp", json!(1)),
        ("exp", json!(9_999_999_999_u64)),
        ("exp", json!(null)),
        ("nbf", json!(9_999_999_999_u64)),
        ("iat", json!(9_999_999_999_u64)),
        ("jti", json!(null)),
    ] {
        let mut claims = service.claims();
        claims[name] = value;
        let (status, said) = service.ask(0, &service.signed("ES256", &claims), &[]).await;
        assert_eq!(
            (status, said["error"].as_str()),
            (401, Some("invalid_client")),
            "{claims}"
        );
    }
    let good = service.claims();
    for algorithm in ["none", "HS256", "RS256", "PS256", "ES384"] {
        assert_eq!(
            service
                .ask(0, &service.signed(algorithm, &good), &[])
                .await
                .0,
            401
        );
    }
    let (signed, _) = service
        .signed("ES256", &good)
        .rsplit_once('.')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("three parts");
    assert_eq!(service.ask(0, &format!("{signed}."), &[]).await.0, 401);
    let forged = Service {
        scene: Scene::start().await,
        key: p256(),
    };
    assert_eq!(
        service.ask(0, &forged.signed("ES256", &good), &[]).await.0,
        401,
        "another key"
    );
    let assertion = service.signed("ES256", &good);
    assert_eq!(
        service
            .ask(0, &assertion, &[("client_id", "another")])
            .await
            .0,
        401
    );
    // The issuer has the last word.
    service.trust("api://elsewhere");
    assert_eq!(service.ask(0, &assertion, &[]).await.0, 401);
    service.trust("api://AzureADTokenExchange");
    let assertion = service.signed("ES256", &service.claims());
    assert_eq!(service.ask(0, &assertion, &[]).await.0, 200);
}

#[test]
fn the_keys_of_a_service_are_read_at_once() {
    let path = file("keys", &format!("{0}{0}{0}{0}", public_pem(&p256())));
    let read = |id: &str| format!("{id}={}", path.display()).parse::<ServiceKeys>();
    assert!(read("service").is_ok() && read("").is_err() && read("a b").is_err());
    std::fs::write(&path, format!("{0}{0}{0}{0}{0}", public_pem(&p256()))).expect("is written");
    assert!(read("service").is_err(), "there are too many");
    std::fs::write(&path, "nothing").expect("is written");
    assert!(read("service").is_err());
    std::fs::remove_file(&path).expect("was there");
    assert!(read("service").is_err() && "service".parse::<ServiceKeys>().is_err());
}
