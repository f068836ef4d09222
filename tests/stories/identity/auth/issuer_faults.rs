//! Issuers that change their keys, are away, or send what cannot be used.

use std::path::PathBuf;

use futures::future::join_all;
use prynai_dev_issuer::{Endpoint, Fault, Issuer, Options, SignWith, Tls};
use prynai_test_harness::client::RawClient;
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use serde_json::json;

use super::{Guarded, assert_refused, trusting, whoami};

/// The status of a call with a good token at the only gateway.
async fn status(fleet: &Cluster, issuer: &Issuer) -> u16 {
    let client = RawClient::bearing(&issuer.token().jwt());
    let reply = client.send(whoami(&client, &fleet.gateway(0))).await;
    reply.status().as_u16()
}

#[tokio::test]
async fn a_new_key_is_taken_at_once_and_a_withdrawn_one_no_more() {
    let guarded = Guarded::start().await;
    let issuer = &guarded.issuer;
    let old = issuer.token().jwt();
    assert_eq!(guarded.call_with(&old).await.status(), 200);
    assert_eq!(issuer.requests(Endpoint::Keys), 1);
    issuer.rotate().await;
    issuer.retire();
    assert_eq!(
        guarded.call_with(&old).await.status(),
        200,
        "nothing is known of it yet"
    );
    assert_eq!(guarded.call_with(&issuer.token().jwt()).await.status(), 200);
    assert_eq!(issuer.requests(Endpoint::Keys), 2);
    assert_refused(guarded.call_with(&old).await, 401, Some("invalid_token")).await;
    let retired = issuer.token().sign_with(SignWith::Retired).jwt();
    assert_refused(
        guarded.call_with(&retired).await,
        401,
        Some("invalid_token"),
    )
    .await;
    assert_eq!(issuer.requests(Endpoint::Keys), 2);
}

#[tokio::test]
async fn an_issuer_that_withdraws_every_key_is_heeded() {
    let guarded = Guarded::start().await;
    let issuer = &guarded.issuer;
    let token = issuer.token().jwt();
    assert_eq!(guarded.call_with(&token).await.status(), 200);
    let none = serde_json::Map::from_iter([("keys".to_owned(), json!([]))]);
    issuer.misbehave(Endpoint::Keys, Fault::Changed(none));
    let made_up = issuer.token().header("kid", "made-up".to_owned()).jwt();
    assert_refused(
        guarded.call_with(&made_up).await,
        401,
        Some("invalid_token"),
    )
    .await;
    assert_refused(guarded.call_with(&token).await, 401, Some("invalid_token")).await;
}

#[tokio::test]
async fn strangers_who_make_up_keys_cause_one_fetch() {
    let guarded = Guarded::start().await;
    let issuer = &guarded.issuer;
    assert_eq!(guarded.call_with(&issuer.token().jwt()).await.status(), 200);
    issuer.misbehave(Endpoint::Keys, Fault::Late(300));
    let tokens: Vec<String> = (0..100)
        .map(|n| issuer.token().header("kid", format!("made-up-{n}")).jwt())
        .collect();
    let replies = join_all(tokens.iter().map(|token| guarded.call_with(token))).await;
    for reply in replies {
        assert_refused(reply, 401, Some("invalid_token")).await;
    }
    for token in &tokens[..10] {
        assert_refused(guarded.call_with(token).await, 401, Some("invalid_token")).await;
    }
    assert_eq!(issuer.requests(Endpoint::Keys), 2);
    assert_eq!(guarded.call_with(&issuer.token().jwt()).await.status(), 200);
}

#[tokio::test]
async fn a_dead_issuer_stops_nobody_whose_key_is_known() {
    let guarded = Guarded::start().await;
    let issuer = &guarded.issuer;
    assert_eq!(guarded.call_with(&issuer.token().jwt()).await.status(), 200);
    issuer.misbehave(Endpoint::Keys, Fault::Hang);
    let unknown = issuer.token().header("kid", "made-up").jwt();
    let bob = issuer.token().user("bob").jwt();
    let (unknown, known) = tokio::join!(guarded.call_with(&unknown), guarded.call_with(&bob));
    assert_eq!(known.status(), 200);
    assert_refused(unknown, 401, Some("invalid_token")).await;
    assert_eq!(
        guarded
            .call_with(&issuer.token().user("carol").jwt())
            .await
            .status(),
        200
    );
}

#[tokio::test]
async fn while_no_key_is_known_the_server_is_unavailable_and_not_the_token_wrong() {
    let issuer = Issuer::start().await;
    issuer.misbehave(Endpoint::Keys, Fault::Status(503));
    let fleet = Cluster::new()
        .gateway_args(&trusting(&issuer))
        .start()
        .await;
    let client = RawClient::bearing(&issuer.token().jwt());
    let reply = client.send(whoami(&client, &fleet.gateway(0))).await;
    assert_eq!(reply.status(), 503);
    assert!(reply.headers().contains_key("retry-after"));
    assert!(!reply.headers().contains_key("www-authenticate"));
    let nobody = fleet
        .client
        .send(whoami(&fleet.client, &fleet.gateway(0)))
        .await;
    assert_refused(nobody, 401, None).await;
    issuer.behave();
    assert_eventually!(status(&fleet, &issuer).await == 200);
}

#[tokio::test]
async fn keys_that_cannot_be_right_are_not_taken() {
    let issuer = Issuer::start().await;
    let mut none_for_us = issuer.jwks()["keys"].clone();
    none_for_us[0]["issuer"] = json!("https://login.example/another/v2.0");
    let changed = |keys| Fault::Changed(serde_json::Map::from_iter([("keys".to_owned(), keys)]));
    let weak = json!([{ "kty": "RSA", "use": "sig", "kid": issuer.current_kid(), "n": "x".repeat(171), "e": "AQAB" }]);
    let faults = [
        ("cannot be used", Fault::Garbage),
        ("no RSA key", changed(json!([]))),
        ("no RSA key", changed(none_for_us)),
        ("no RSA key", changed(weak)),
        ("cannot be used", changed(json!({}))),
        ("more than 100 keys", Fault::Huge(101 * 512)),
        ("exceeded", Fault::Huge(600 * 512)),
        ("redirects", Fault::Redirect(issuer.foreign_keys_url())),
        ("did not answer", Fault::Hang),
        ("did not answer", Fault::Drip(50)),
    ];
    for (reason, fault) in faults {
        let name = format!("{fault:?}");
        issuer.misbehave(Endpoint::Keys, fault);
        let fleet = Cluster::new().workers(0).gateway_args(&trusting(&issuer));
        let mut fleet = fleet.start().await;
        assert_eq!(status(&fleet, &issuer).await, 503, "{name}");
        let told = || {
            let log = fleet.gateway_process(0).log().join("\n");
            log.contains("no token can be checked") && log.contains(reason)
        };
        let mut told = told;
        assert_eventually!(told(), "{name}: the log does not say {reason:?}");
    }
    assert_eq!(issuer.requests(Endpoint::ForeignKeys), 0);
}

#[tokio::test]
async fn an_issuer_with_a_certificate_of_its_own_is_asked_once_it_is_trusted() {
    let options = Options {
        tls: Tls::Made,
        ..Options::default()
    };
    let issuer = Issuer::start_with(options).await;
    let file = CaFile::holding(issuer.ca_pem().expect("was made"));
    let plan = || Cluster::new().gateway_args(&trusting(&issuer));
    let fleet = plan()
        .gateway_args(&["--auth-ca", file.path()])
        .start()
        .await;
    assert_eq!(status(&fleet, &issuer).await, 200);
    let mut fleet = plan().start().await;
    assert_eq!(status(&fleet, &issuer).await, 503);
    let mut log = || fleet.gateway_process(0).log().join("\n");
    assert_eventually!(log().contains("certificate"));
}

/// A file of certificates that goes when this is dropped.
struct CaFile(PathBuf);

impl CaFile {
    fn holding(pem: &str) -> Self {
        let path = std::env::temp_dir().join(format!("prynai-ca-{}.pem", uuid::Uuid::new_v4()));
        std::fs::write(&path, pem).expect("is written");
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("is UTF-8")
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // Nothing depends on it any more.
        let _ = std::fs::remove_file(&self.0);
    }
}
