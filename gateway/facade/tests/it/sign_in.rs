//! How people sign in for a client.

use reqwest::StatusCode;

use crate::scene::{REDIRECT, Scene, browser, get, location, parameter, sent_to};

#[tokio::test]
async fn a_person_is_asked_once_and_gets_the_issuers_token() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let browser = browser();
    let page = get(&browser, scene.authorize_url(&client, &[])).await;
    assert_eq!(page.status(), StatusCode::OK);
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(policy.contains("frame-ancestors 'none'") && policy.starts_with("default-src 'none'"));
    assert_eq!(page.headers()["x-frame-options"], "DENY");
    assert_eq!(page.headers()["cache-control"], "no-store");
    let page = page.text().await.unwrap();
    for word in [
        "A client",
        "a program on this computer (127.0.0.1)",
        "mcp.call",
        "nobody has checked",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    assert!(!page.contains("<script"), "{page}");
    let sent = scene.answer(&browser, &page, "allow").await;
    assert_eq!(sent.status(), StatusCode::SEE_OTHER);
    let asked = location(&sent);
    assert_eq!(parameter(&asked, "resource"), None);
    assert_eq!(parameter(&asked, "prompt"), None, "Entra ID knows when");
    let scope = parameter(&asked, "scope").expect("a scope");
    assert_eq!(
        scope,
        "openid profile offline_access api://prynai-mcp/mcp.call"
    );
    let back = scene.through_issuer(&browser, sent).await;
    assert_eq!(sent_to(&back, REDIRECT, "state"), "a state & more");
    assert_eq!(sent_to(&back, REDIRECT, "iss"), scene.at("/oauth"));
    let code = sent_to(&back, REDIRECT, "code");
    assert!(code.len() < 64, "it is short, whatever a token has");
    let (status, tokens) = scene.redeem(1, &client, &code, &[]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["scope"], "mcp.call");
    let token = tokens["access_token"].as_str().expect("a token");
    assert_eq!(token.split('.').count(), 3);
    assert!(
        tokens["expires_in"]
            .as_u64()
            .is_some_and(|left| left > 3000)
    );
    assert!(tokens["refresh_token"].is_string());
    // The second time nobody is asked, and the issuer hears who it was.
    let again = get(&browser, scene.authorize_url(&client, &[])).await;
    let hint = parameter(&location(&again), "login_hint");
    assert_eq!(hint.as_deref(), Some("alice@contoso.example"));
    let back = scene.through_issuer(&browser, again).await;
    sent_to(&back, REDIRECT, "code");
}

#[tokio::test]
async fn each_client_and_each_place_is_asked_about() {
    let scene = Scene::start().await;
    let (one, two) = (scene.register().await, scene.register().await);
    let browser = browser();
    scene.code(&browser, &one).await;
    for (client, changes) in [
        (&two, vec![]),
        (&one, vec![("scope", "mcp.call mcp.read")]),
        (&one, vec![("prompt", "consent")]),
    ] {
        let page = get(&browser, scene.authorize_url(client, &changes)).await;
        assert_eq!(page.status(), StatusCode::OK, "{changes:?}");
        let page = page.text().await.unwrap();
        assert!(page.contains("alice@contoso.example"), "{page}");
    }
    // Another port is the same program.
    let port = [("redirect_uri", "http://127.0.0.1:1234/callback")];
    let asked = get(&browser, scene.authorize_url(&one, &port)).await;
    assert_eq!(asked.status(), StatusCode::FOUND);
    let silent = [("prompt", "none")];
    let refused = get(&browser, scene.authorize_url(&two, &silent)).await;
    assert_eq!(sent_to(&refused, REDIRECT, "error"), "consent_required");
}

#[tokio::test]
async fn a_person_may_say_no() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let browser = browser();
    let page = get(&browser, scene.authorize_url(&client, &[]))
        .await
        .text()
        .await
        .unwrap();
    let refused = scene.answer(&browser, &page, "deny").await;
    assert_eq!(sent_to(&refused, REDIRECT, "error"), "access_denied");
    assert_eq!(sent_to(&refused, REDIRECT, "iss"), scene.at("/oauth"));
    let again = get(&browser, scene.authorize_url(&client, &[])).await;
    assert_eq!(again.status(), StatusCode::OK, "nobody has agreed");
}

#[tokio::test]
async fn a_person_may_choose_another_account() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let browser = browser();
    scene.code(&browser, &client).await;
    let asked = scene.authorize_url(&client, &[("prompt", "consent")]);
    let page = get(&browser, asked).await.text().await.unwrap();
    let sent = scene.answer(&browser, &page, "another").await;
    let mut to = location(&sent);
    assert_eq!(parameter(&to, "login_hint"), None);
    assert_eq!(parameter(&to, "prompt").as_deref(), Some("select_account"));
    // The person chooses bob.
    to.query_pairs_mut().append_pair("login_hint", "bob");
    let back = get(&browser, location(&get(&browser, to).await)).await;
    sent_to(&back, REDIRECT, "code");
}

#[tokio::test]
async fn who_agreed_as_one_and_came_back_as_another_is_asked_again() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let browser = browser();
    scene.code(&browser, &client).await;
    let sent = get(&browser, scene.authorize_url(&client, &[])).await;
    let to = location(&sent)
        .to_string()
        .replace("login_hint=alice", "login_hint=bob");
    let callback = location(&get(&browser, to.parse().unwrap()).await);
    let page = get(&browser, callback).await;
    assert_eq!(page.status(), StatusCode::OK, "no code for bob");
    let page = page.text().await.unwrap();
    assert!(page.contains("bob@contoso.example"), "{page}");
    let sent = scene.answer(&browser, &page, "allow").await;
    let hint = parameter(&location(&sent), "login_hint");
    assert_eq!(hint.as_deref(), Some("bob@contoso.example"));
    let back = scene.through_issuer(&browser, sent).await;
    sent_to(&back, REDIRECT, "code");
    // Both are remembered now. But nobody is given what another one was asked about.
    let sent = get(&browser, scene.authorize_url(&client, &[])).await;
    assert_eq!(sent.status(), StatusCode::FOUND);
    let to = location(&sent)
        .to_string()
        .replace("login_hint=bob", "login_hint=alice");
    let callback = location(&get(&browser, to.parse().unwrap()).await);
    let page = get(&browser, callback).await;
    assert_eq!(page.status(), StatusCode::OK, "no code for alice");
}

/// Its id stands in the settings of everybody, and any program can listen at a port or take a scheme.
#[tokio::test]
async fn a_client_that_any_program_can_be_is_asked_about_each_time() {
    let scene = Scene::start_with(|settings| {
        let own = [
            "own=http://127.0.0.1:49152/callback",
            "own=myapp://x/callback",
            "own=https://vscode.dev/redirect",
            "own=https://app.example.com/callback",
        ];
        settings.facade_client = own.map(|own| own.parse().unwrap()).to_vec();
    })
    .await;
    for (place, second) in [
        (REDIRECT, StatusCode::OK),
        ("http://127.0.0.1:1/callback", StatusCode::OK),
        ("myapp://x/callback", StatusCode::OK),
        ("https://vscode.dev/redirect", StatusCode::OK),
        ("https://app.example.com/callback", StatusCode::FOUND),
    ] {
        let browser = browser();
        let asked = scene.authorize_url("own", &[("redirect_uri", place)]);
        let page = get(&browser, asked.clone()).await.text().await.unwrap();
        let sent = scene.answer(&browser, &page, "allow").await;
        let back = scene.through_issuer(&browser, sent).await;
        sent_to(&back, place, "code");
        let again = get(&browser, asked).await;
        assert_eq!(again.status(), second, "{place}");
    }
}
