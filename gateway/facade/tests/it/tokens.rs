//! Codes and refresh tokens.

use serde_json::Value;

use crate::scene::{Scene, browser, http};

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
    use prynai_dev_issuer::{Endpoint, Fault};
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
