//! Who may register, and with what.

use serde_json::{Value, json};

use crate::scene::{REDIRECT, Scene, browser, get};

#[tokio::test]
async fn a_client_registers_and_any_gateway_knows_it() {
    let scene = Scene::start().await;
    let asked = json!({
        "client_name": "\u{202e}<b>Claude</b>", "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "client_secret_post", "logo_uri": "https://a.example/logo", "unheard-of": 1,
    });
    let (status, said) = scene.register_as(&asked).await;
    assert_eq!(status, 201, "{said}");
    assert_eq!(said["token_endpoint_auth_method"], "none");
    assert_eq!(said["grant_types"], json!(["authorization_code"]));
    assert!(said["client_secret"].is_null());
    let id = said["client_id"].as_str().expect("is text");
    let mut url = scene.authorize_url(id, &[]);
    let other: reqwest::Url = scene.gateways[1].parse().expect("a URL");
    url.set_port(other.port()).expect("has a port");
    let page = get(&browser(), url).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.expect("a page");
    assert!(
        page.contains("&lt;b&gt;Claude") && !page.contains('\u{202e}'),
        "{page}"
    );
}

#[tokio::test]
async fn nobody_registers_what_leads_away() {
    let scene = Scene::start_with(|settings| {
        settings.facade_redirect = vec![
            "loopback".parse().unwrap(),
            "app.example.com".parse().unwrap(),
        ];
    })
    .await;
    let many: Vec<String> = (0..11).map(|n| format!("http://127.0.0.1/{n}")).collect();
    let long: Vec<String> = (0..4)
        .map(|n| format!("http://127.0.0.1/{n}{}", "x".repeat(490)))
        .collect();
    for (uris, error) in [
        (json!(["https://evil.example/cb"]), "invalid_redirect_uri"),
        (
            json!([REDIRECT, "https://evil.example/cb"]),
            "invalid_redirect_uri",
        ),
        (
            json!(["https://app.example.com.evil.example/cb"]),
            "invalid_redirect_uri",
        ),
        (
            json!(["https://claude.ai/api/mcp/auth_callback"]),
            "invalid_redirect_uri",
        ),
        (json!(["javascript:alert(1)"]), "invalid_redirect_uri"),
        (json!([]), "invalid_redirect_uri"),
        (Value::Null, "invalid_client_metadata"),
        (json!(many), "invalid_redirect_uri"),
        (json!(long), "invalid_client_metadata"),
    ] {
        let (status, said) = scene.register_as(&json!({ "redirect_uris": uris })).await;
        assert_eq!(
            (status.as_u16(), said["error"].as_str()),
            (400, Some(error)),
            "{uris}"
        );
    }
    let (status, _) = scene
        .register_as(
            &json!({ "redirect_uris": ["https://app.example.com/cb", "http://localhost/x"] }),
        )
        .await;
    assert_eq!(status, 201);
    let padded = json!({ "redirect_uris": [REDIRECT], "x": "x".repeat(17_000) });
    assert_eq!(scene.register_as(&padded).await.0, 400);
}

#[tokio::test]
async fn rules_that_change_count_for_who_has_registered() {
    let mut scene = Scene::start().await;
    let other = "https://claude.ai/api/mcp/auth_callback";
    let asked = json!({ "redirect_uris": [REDIRECT, other] });
    let (_, said) = scene.register_as(&asked).await;
    let id = said["client_id"].as_str().expect("is text");
    scene
        .change_second(|settings| settings.facade_redirect = vec!["claude".parse().unwrap()])
        .await;
    let port = scene.gateways[1]
        .parse::<reqwest::Url>()
        .expect("a URL")
        .port();
    for (place, status) in [(REDIRECT, 400), (other, 200)] {
        let mut url = scene.authorize_url(id, &[("redirect_uri", place)]);
        assert_eq!(get(&browser(), url.clone()).await.status(), 200, "{place}");
        url.set_port(port).expect("has a port");
        let answer = get(&browser(), url).await;
        assert_eq!(answer.status(), status, "{place}");
        assert!(!answer.headers().contains_key("location"));
    }
    assert_eq!(
        scene.register_as(&asked).await.0,
        201,
        "the first one has the old rules"
    );
}
