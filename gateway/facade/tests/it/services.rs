//! Services that act by themselves.

use prynai_dev_issuer::{DAEMON, DAEMON_SECRET};
use serde_json::Value;

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
