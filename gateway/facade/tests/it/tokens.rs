//! Codes and refresh tokens.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use prynai_dev_issuer::{Endpoint, Fault, Options};
use prynai_oauth_facade::Place;
use serde_json::Value;

use crate::attacks::join_all;
use crate::scene::{REDIRECT, Scene, browser, get, http, location, parameter, sent_to};

fn text<'v>(tokens: &'v Value, name: &str) -> &'v str {
    tokens[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {tokens}"))
}

async fn signed_in(scene: &Scene) -> (String, Value) {
    let client = scene.register().await;
    let code = scene.code(&browser(), &client).await;
    let (status, tokens) = scene.redeem(0, &client, &code, &[]).await;
    assert_eq!(status, 200, "{tokens}");
    (client, tokens)
}

#[tokio::test]
async fn any_gateway_refreshes_and_each_token_gives_the_next() {
    let scene = Scene::start().await;
    let (client, first) = signed_in(&scene).await;
    let (status, second) = scene
        .refresh(1, &client, text(&first, "refresh_token"), &[])
        .await;
    assert_eq!(status, 200, "{second}");
    assert_eq!(second["scope"], "mcp.call");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let next = text(&second, "refresh_token");
    let (status, third) = scene
        .refresh(0, &client, next, &[("scope", "mcp.call")])
        .await;
    assert_eq!(status, 200, "{third}");
    let next = text(&third, "refresh_token");
    let (status, refused) = scene
        .refresh(0, &client, next, &[("scope", "mcp.read")])
        .await;
    assert_eq!(
        (status.as_u16(), text(&refused, "error")),
        (400, "invalid_scope")
    );
}

#[tokio::test]
async fn a_client_gives_its_tokens_back() {
    let scene = Scene::start().await;
    let (client, tokens) = signed_in(&scene).await;
    let revoke = async |client: &str, token: &str| {
        let form = [("client_id", client), ("token", token)];
        let sent = http()
            .post(scene.at("/oauth/revoke"))
            .form(&form)
            .send()
            .await;
        sent.expect("an answer").status()
    };
    let token = text(&tokens, "refresh_token");
    let stranger = scene.register().await;
    assert_eq!(
        revoke(&stranger, token).await,
        200,
        "and it changes nothing"
    );
    assert_eq!(revoke(&client, "no token").await, 200);
    let (status, next) = scene.refresh(1, &client, token, &[]).await;
    assert_eq!(status, 200);
    assert_eq!(revoke(&client, token).await, 200);
    let (status, refused) = scene
        .refresh(1, &client, text(&next, "refresh_token"), &[])
        .await;
    assert_eq!(
        (status.as_u16(), text(&refused, "error")),
        (400, "invalid_grant")
    );
}

#[tokio::test]
async fn while_the_issuer_is_away_a_refresh_token_stays_good() {
    let scene = Scene::start().await;
    let (client, tokens) = signed_in(&scene).await;
    let token = text(&tokens, "refresh_token");
    scene.issuer.misbehave(Endpoint::Token, Fault::Status(500));
    let (status, refused) = scene.refresh(0, &client, token, &[]).await;
    assert_eq!(
        (status.as_u16(), text(&refused, "error")),
        (503, "temporarily_unavailable")
    );
    scene.issuer.behave();
    assert_eq!(scene.refresh(0, &client, token, &[]).await.0, 200);
}

#[tokio::test]
async fn unknown_parameters_are_ignored_and_known_ones_checked() {
    let scene = Scene::start().await;
    let (client, tokens) = signed_in(&scene).await;
    let token = text(&tokens, "refresh_token");
    let more = [("unheard-of", "1"), ("resource", &*scene.at("/mcp/"))];
    assert_eq!(scene.refresh(0, &client, token, &more).await.0, 200);
    for (changes, error) in [
        ([("grant_type", "password")], "unsupported_grant_type"),
        ([("grant_type", "")], "invalid_request"),
        ([("client_id", "unheard-of")], "invalid_client"),
        ([("client_id", "")], "invalid_request"),
        ([("client_secret", "x")], "invalid_client"),
        (
            [("resource", "https://graph.microsoft.com")],
            "invalid_target",
        ),
        ([("code", "unheard-of")], "invalid_grant"),
        ([("code", "")], "invalid_request"),
    ] {
        let (_, refused) = scene.redeem(0, &client, "a code", &changes).await;
        assert_eq!(text(&refused, "error"), error, "{changes:?}");
    }
}

/// The issuer takes a refresh token once, as most do.
#[tokio::test]
async fn of_many_uses_of_a_refresh_token_one_asks_the_issuer_and_all_get_its_answer() {
    let scene = Scene::start().await;
    let (client, first) = signed_in(&scene).await;
    let token = text(&first, "refresh_token");
    let before = scene.issuer.requests(Endpoint::Token);
    let uses = (0..8).map(|n| scene.refresh(n % 2, &client, token, &[]));
    let answers = join_all(uses).await;
    let lost = scene.refresh(1, &client, token, &[]).await;
    assert_eq!(scene.issuer.requests(Endpoint::Token), before + 1);
    let (_, told) = &lost;
    for (status, answer) in answers.iter().chain([&lost]) {
        assert_eq!(*status, 200, "{answer}");
        assert_eq!(answer["access_token"], told["access_token"]);
        assert_eq!(answer["refresh_token"], told["refresh_token"]);
    }
    let next = text(told, "refresh_token");
    assert_eq!(scene.refresh(0, &client, next, &[]).await.0, 200);
}

#[tokio::test]
async fn who_may_not_register_any_more_cannot_refresh_either() {
    let mut scene = Scene::start().await;
    let (client, tokens) = signed_in(&scene).await;
    let token = text(&tokens, "refresh_token");
    let rule = |text: &str| vec![text.parse().expect("a rule")];
    scene
        .change_second(|settings| settings.facade_redirect = rule("claude"))
        .await;
    let (status, refused) = scene.refresh(1, &client, token, &[]).await;
    assert_eq!(
        (status.as_u16(), text(&refused, "error")),
        (400, "invalid_grant")
    );
    scene
        .change_second(|settings| settings.facade_redirect = rule("loopback"))
        .await;
    assert_eq!(scene.refresh(1, &client, token, &[]).await.0, 200);
}

/// A client of the settings is another one when its place is, and none when it is taken out.
#[tokio::test]
async fn a_client_that_the_settings_move_or_lose_cannot_refresh() {
    let client = |place: &str| vec![format!("own={place}").parse().expect("a client")];
    let mut scene = Scene::start_with(|settings| settings.facade_client = client(REDIRECT)).await;
    let code = scene.code(&browser(), "own").await;
    let (status, tokens) = scene.redeem(0, "own", &code, &[]).await;
    assert_eq!(status, 200, "{tokens}");
    let token = text(&tokens, "refresh_token");
    for (clients, status, error) in [
        (
            client("https://app.example.com/callback"),
            400,
            "invalid_grant",
        ),
        (Vec::new(), 401, "invalid_client"),
    ] {
        scene
            .change_second(|settings| settings.facade_client = clients)
            .await;
        let (found, refused) = scene.refresh(1, "own", token, &[]).await;
        assert_eq!(
            (found.as_u16(), text(&refused, "error")),
            (status, error),
            "{refused}"
        );
    }
    assert_eq!(scene.refresh(0, "own", token, &[]).await.0, 200);
}

/// Whoever gives a token back while it is being used must not be left with what it gives.
#[tokio::test]
async fn a_token_that_is_given_back_while_the_issuer_is_asked_gives_nothing() {
    let scene = Scene::start().await;
    let (client, tokens) = signed_in(&scene).await;
    let token = text(&tokens, "refresh_token");
    let before = scene.issuer.requests(Endpoint::Token);
    // Longer than it takes to give the token back.
    scene.issuer.misbehave(Endpoint::Token, Fault::Late(3_000));
    let give_back = async {
        while scene.issuer.requests(Endpoint::Token) == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let form = [("client_id", &*client), ("token", token)];
        let revoked = http().post(scene.at("/oauth/revoke")).form(&form).send();
        revoked.await.expect("an answer").status()
    };
    let refresh = scene.refresh(1, &client, token, &[]);
    let ((status, refused), revoked) = tokio::join!(refresh, give_back);
    assert_eq!(revoked, 200);
    assert_eq!(
        (status.as_u16(), text(&refused, "error")),
        (400, "invalid_grant"),
        "{refused}"
    );
}

/// One that keeps to the standards where Entra ID is lenient, as most OpenID providers do.
#[tokio::test]
async fn a_strict_issuer_asks_the_person_and_is_asked_for_no_more_than_it_gave() {
    let is_strict = |_: &mut _, place: &mut Place| place.is_strict = true;
    let scene = Scene::start_as(Options::default(), is_strict, Box::new(|facade| facade)).await;
    let client = scene.register().await;
    let browser = browser();
    let asked = scene.authorize_url(&client, &[("scope", "mcp.call mcp.read")]);
    let page = get(&browser, asked).await.text().await.expect("a page");
    for (button, prompt) in [("another", "select_account consent"), ("allow", "consent")] {
        let sent = scene.answer(&browser, &page, button).await;
        assert_eq!(
            parameter(&location(&sent), "prompt").as_deref(),
            Some(prompt)
        );
    }
    let sent = scene.answer(&browser, &page, "allow").await;
    let back = scene.through_issuer(&browser, sent).await;
    let code = sent_to(&back, REDIRECT, "code");
    let (_, mut tokens) = scene.redeem(0, &client, &code, &[]).await;
    for (more, scopes) in [
        (vec![], "mcp.call mcp.read"),
        (vec![("scope", "mcp.read mcp.call")], "mcp.call mcp.read"),
        (vec![("scope", "mcp.read")], "mcp.read"),
    ] {
        let token = text(&tokens, "refresh_token").to_owned();
        let (status, next) = scene.refresh(0, &client, &token, &more).await;
        assert_eq!(status, 200, "{more:?}: {next}");
        assert_eq!(scopes_of(text(&next, "access_token")), scopes, "{more:?}");
        tokens = next;
    }
}

/// What an access token allows, in order.
fn scopes_of(token: &str) -> String {
    let claims = token.split('.').nth(1).expect("has claims");
    let claims = BASE64.decode(claims).expect("is Base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("is JSON");
    let mut scopes: Vec<&str> = text(&claims, "scp").split(' ').collect();
    scopes.sort_unstable();
    scopes.join(" ")
}

/// One registration has what all clients may have, and Entra ID puts all of that into each token.
#[tokio::test]
async fn a_client_is_told_what_the_issuer_added() {
    let options = Options {
        adds_consented_scopes: true,
        ..Options::default()
    };
    let scene = Scene::start_at(options, |_| {}).await;
    let (client, tokens) = signed_in(&scene).await;
    assert_eq!(text(&tokens, "scope"), "mcp.call mcp.read");
    let token = text(&tokens, "refresh_token");
    let as_told = [("scope", text(&tokens, "scope"))];
    let (status, next) = scene.refresh(0, &client, token, &as_told).await;
    assert_eq!(status, 200, "{next}");
    assert_eq!(text(&next, "scope"), "mcp.call mcp.read");
}
