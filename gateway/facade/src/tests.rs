//! Clients with a document (client id metadata documents), on their whole way. From outside they cannot be tested:
//! their hosts are on the public Internet, or they are not asked.

use std::sync::Arc;

use prynai_dev_issuer::Options;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::clients::document::fetch::Fetcher;
use crate::clients::document::fetch::host::{Host, JSON, NAME, URL, answer};
use crate::scene::{REDIRECT, Scene, browser, get, sent_to};

/// Where no other program of the person gets what is sent.
const REMOTE: &str = "https://claude.ai/api/mcp/auth_callback";

fn document() -> Value {
    json!({
        "client_id": URL, "client_name": "An app", "redirect_uris": [REDIRECT, REMOTE],
        "grant_types": ["authorization_code", "refresh_token"], "token_endpoint_auth_method": "none",
    })
}

/// Two gateways that fetch documents like this, and the host that has the client's.
async fn scene(fetcher: fn(&Host) -> Fetcher) -> (Scene, Arc<Host>) {
    let document = document().to_string();
    let host = Arc::new(Host::start(answer("200 OK", JSON, &document)).await);
    let asked = host.clone();
    let prepare = Box::new(move |facade: crate::Facade| facade.fetching_with(fetcher(&asked)));
    let scene = Scene::start_as(Options::default(), |_, _| {}, prepare).await;
    (scene, host)
}

#[tokio::test]
async fn a_client_with_a_document_gets_tokens_and_refreshes_them() {
    let (scene, host) = scene(Host::fetcher).await;
    let browser = browser();
    let page = get(&browser, scene.authorize_url(URL, &[])).await;
    assert_eq!(page.status(), StatusCode::OK);
    let page = page.text().await.expect("a page");
    assert!(page.contains("An app") && page.contains(NAME), "{page}");
    let sent = scene.answer(&browser, &page, "allow").await;
    let back = scene.through_issuer(&browser, sent).await;
    let code = sent_to(&back, REDIRECT, "code");
    let (status, tokens) = scene.redeem(1, URL, &code, &[]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    let (status, tokens) = scene.refresh(0, URL, refresh, &[]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(host.connections(), 1, "it is remembered");
    let other = "https://app.example.com/another.json";
    let refused = get(&browser, scene.authorize_url(other, &[])).await;
    assert_eq!(
        refused.status(),
        StatusCode::UNAUTHORIZED,
        "it is not its own"
    );
}

/// Everybody knows its id, so that who listens at the port may be another program.
#[tokio::test]
async fn a_client_with_a_document_is_asked_about_each_time_on_the_persons_machine() {
    let (scene, _host) = scene(Host::fetcher).await;
    for (place, second) in [(REDIRECT, StatusCode::OK), (REMOTE, StatusCode::FOUND)] {
        let browser = browser();
        let asked = scene.authorize_url(URL, &[("redirect_uri", place)]);
        let page = get(&browser, asked.clone()).await.text().await;
        let sent = scene
            .answer(&browser, &page.expect("a page"), "allow")
            .await;
        let back = scene.through_issuer(&browser, sent).await;
        sent_to(&back, place, "code");
        assert_eq!(get(&browser, asked).await.status(), second, "{place}");
    }
    let elsewhere = [("redirect_uri", "https://claude.ai/another")];
    let refused = get(&browser(), scene.authorize_url(URL, &elsewhere)).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn nobody_is_asked_whose_name_leads_into_our_own_network_too() {
    let (scene, host) = scene(Host::public_fetcher).await;
    let refused = get(&browser(), scene.authorize_url(URL, &[])).await;
    // As if its name led nowhere.
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(host.connections(), 0);
    let page = refused.text().await.expect("a page");
    assert!(page.contains("does not answer now"), "{page}");
    let found_out = page.contains("public Internet") || page.contains("address");
    assert!(!found_out, "what we found out is not told: {page}");
}

#[tokio::test]
async fn rules_that_change_count_for_clients_with_a_document() {
    let (mut scene, _host) = scene(Host::fetcher).await;
    let code = scene.code(&browser(), URL).await;
    let (_, tokens) = scene.redeem(0, URL, &code, &[]).await;
    let refresh = tokens["refresh_token"].as_str().expect("a token");
    let rule = |text: &str| vec![text.parse().expect("a rule")];
    scene
        .change_second(|settings| settings.facade_redirect = rule("claude"))
        .await;
    let (status, refused) = scene.refresh(1, URL, refresh, &[]).await;
    assert_eq!(
        (status.as_u16(), &refused["error"]),
        (400, &json!("invalid_grant"))
    );
    for (place, status) in [(REDIRECT, 400), (REMOTE, 200)] {
        let asked = scene.authorize_url(URL, &[("redirect_uri", place)]);
        let asked = asked
            .as_str()
            .replace(&scene.gateways[0], &scene.gateways[1]);
        let answer = get(&browser(), asked.parse().expect("a URL")).await;
        assert_eq!(answer.status(), status, "{place}");
    }
    assert_eq!(scene.refresh(0, URL, refresh, &[]).await.0, StatusCode::OK);
}
