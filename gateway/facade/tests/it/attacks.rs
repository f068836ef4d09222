//! What strangers try (docs/security.md, the threat model of the façade).

use reqwest::{StatusCode, Url};
use serde_json::Value;

use crate::scene::{REDIRECT, Scene, browser, get, http, location, parameter, question, sent_to};

#[tokio::test]
async fn of_many_who_redeem_a_code_at_once_one_gets_tokens() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let code = scene.code(&browser(), &client).await;
    let attempts = (0..8).map(|n| scene.redeem(n % 2, &client, &code, &[]));
    let answers = join_all(attempts).await;
    let won: Vec<&Value> = answers
        .iter()
        .filter(|(status, _)| *status == 200)
        .map(|(_, said)| said)
        .collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for (status, said) in &answers {
        assert!(*status == 200 || said["error"] == "invalid_grant", "{said}");
    }
    // Somebody else had the code and the verifier, so nobody keeps what it gave.
    let refresh = won[0]["refresh_token"].as_str().expect("a refresh token");
    assert_eq!(scene.refresh(0, &client, refresh, &[]).await.0, 400);
}

pub(crate) async fn join_all<T>(attempts: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut attempts: Vec<_> = attempts.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = attempts.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut is_ready = true;
        for (attempt, done) in attempts.iter_mut().zip(&mut done) {
            if done.is_none() {
                match attempt.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => is_ready = false,
                }
            }
        }
        match is_ready {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_stolen_code_is_worth_nothing() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let stranger = scene.register().await;
    let code = scene.code(&browser(), &client).await;
    for (client, changes) in [
        (&stranger, ("unheard-of", "1")),
        (
            &client,
            (
                "code_verifier",
                "another-verifier-that-is-long-enough-for-the-standard",
            ),
        ),
        (&client, ("code_verifier", &"x".repeat(42))),
        (&client, ("redirect_uri", "http://127.0.0.1:49153/callback")),
    ] {
        let (status, said) = scene.redeem(0, client, &code, &[changes]).await;
        assert_eq!(
            (status.as_u16(), said["error"].as_str()),
            (400, Some("invalid_grant")),
            "{changes:?}"
        );
    }
    // PKCE is not left out (RFC 9700, section 2.1.1).
    let (_, said) = scene
        .redeem(0, &client, &code, &[("code_verifier", "")])
        .await;
    assert_eq!(said["error"], "invalid_request");
    assert_eq!(
        scene.redeem(0, &client, &code, &[]).await.0,
        200,
        "the client still can"
    );
}

#[tokio::test]
async fn a_browser_is_sent_nowhere_that_is_not_the_clients() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    for changes in [
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://127.0.0.1:49152/another"),
        ("redirect_uri", "http://127.0.0.1:49152/callback/"),
        (
            "redirect_uri",
            "http://127.0.0.1:49152@evil.example/callback",
        ),
        ("redirect_uri", "http://localhost:49152/callback"),
        ("redirect_uri", ""),
        ("client_id", "unheard-of"),
        ("client_id", ""),
    ] {
        let response = get(&browser(), scene.authorize_url(&client, &[changes])).await;
        assert!(response.status().is_client_error(), "{changes:?}");
        assert!(!response.headers().contains_key("location"), "{changes:?}");
        let page = response.text().await.unwrap();
        assert!(
            page.contains("You cannot sign in like this") && !page.contains("evil"),
            "{page}"
        );
    }
    let twice = scene.authorize_url(&client, &[]);
    let twice: Url = format!("{twice}&redirect_uri=https://evil.example/")
        .parse()
        .unwrap();
    assert!(
        !get(&browser(), twice)
            .await
            .headers()
            .contains_key("location")
    );
}

#[tokio::test]
async fn a_client_is_told_what_is_wrong_with_its_request() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let long = "x".repeat(1025);
    for (changes, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("response_type", ""), "invalid_request"),
        (("response_mode", "fragment"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (
            ("scope", "https://graph.microsoft.com/Mail.Read"),
            "invalid_scope",
        ),
        (
            ("resource", "https://graph.microsoft.com"),
            "invalid_target",
        ),
        (
            ("request_uri", "https://evil.example/r"),
            "request_not_supported",
        ),
        (("state", &*long), "invalid_request"),
    ] {
        let response = get(&browser(), scene.authorize_url(&client, &[changes])).await;
        assert_eq!(sent_to(&response, REDIRECT, "error"), error, "{changes:?}");
        assert_eq!(sent_to(&response, REDIRECT, "iss"), scene.at("/oauth"));
    }
}

/// Somebody lets a victim's browser answer a page, or end a sign-in, that the victim never began.
#[tokio::test]
async fn no_browser_goes_on_with_what_another_one_began() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let (attacker, victim) = (browser(), browser());
    let asked = async |browser| {
        get(browser, scene.authorize_url(&client, &[]))
            .await
            .text()
            .await
            .unwrap()
    };
    let page = asked(&attacker).await;
    // The attacker's form in the victim's browser, which has a page of its own open, or none.
    for _ in 0..2 {
        let refused = scene.answer(&victim, &page, "allow").await;
        assert_eq!(refused.status(), 400);
        assert!(!refused.headers().contains_key("location"));
        asked(&victim).await;
    }
    // The victim's own form from a page elsewhere.
    let own = asked(&victim).await;
    for origin in ["https://evil.example", "null"] {
        let form = [("question", question(&own)), ("answer", "allow")];
        let sent = victim
            .post(scene.at("/oauth/consent"))
            .header("origin", origin)
            .form(&form);
        assert_eq!(sent.send().await.unwrap().status(), 400, "{origin}");
    }
    // The attacker signs in, and lets the victim's browser take the answer: it would act as the attacker.
    let sent = scene.answer(&attacker, &page, "allow").await;
    let callback = location(&get(&attacker, location(&sent)).await);
    let refused = get(&victim, callback.clone()).await;
    assert_eq!(refused.status(), 400);
    assert!(!refused.headers().contains_key("location"));
    // Nor does another state go with the attacker's own cookie.
    let state = parameter(&callback, "state").unwrap();
    let other = callback.as_str().replace(&state, &state.to_lowercase());
    assert_eq!(get(&attacker, other.parse().unwrap()).await.status(), 400);
    sent_to(&get(&attacker, callback.clone()).await, REDIRECT, "code");
    assert_eq!(get(&attacker, callback).await.status(), 400, "it is over");
}

/// Another issuer answers (RFC 9207), or the issuer answers with what is not for this sign-in.
#[tokio::test]
async fn an_answer_of_another_issuer_is_none() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let browser = browser();
    let page = get(&browser, scene.authorize_url(&client, &[]))
        .await
        .text()
        .await
        .unwrap();
    let sent = scene.answer(&browser, &page, "allow").await;
    let callback = location(&get(&browser, location(&sent)).await);
    let other: Url = format!("{callback}&iss=https://evil.example")
        .parse()
        .unwrap();
    assert_eq!(get(&browser, other).await.status(), 400);
    // A code of another sign-in does not go with this one's verifier.
    let code = parameter(&callback, "code").unwrap();
    let injected = get(&browser, scene.authorize_url(&client, &[]))
        .await
        .text()
        .await
        .unwrap();
    let sent = scene.answer(&browser, &injected, "allow").await;
    let second = location(&get(&browser, location(&sent)).await);
    let own = parameter(&second, "code").unwrap();
    let swapped = second.as_str().replace(&own, &code);
    let refused = get(&browser, swapped.parse().unwrap()).await;
    assert_eq!(sent_to(&refused, REDIRECT, "error"), "server_error");
}

#[tokio::test]
async fn a_foreign_or_stolen_refresh_token_is_worth_nothing() {
    let scene = Scene::start().await;
    let (client, stranger) = (scene.register().await, scene.register().await);
    let code = scene.code(&browser(), &client).await;
    let (_, tokens) = scene.redeem(0, &client, &code, &[]).await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let mut broken = token.to_owned();
    broken.replace_range(40..41, if &token[40..41] == "A" { "B" } else { "A" });
    for (client, token) in [
        (&stranger, token),
        (&client, &*broken),
        (&client, &*client),
        (&client, tokens["access_token"].as_str().unwrap()),
        (&client, &*code),
    ] {
        let (status, said) = scene.refresh(0, client, token, &[]).await;
        assert_eq!(
            (status.as_u16(), said["error"].as_str()),
            (400, Some("invalid_grant"))
        );
    }
    // Sealed by a façade of another server with the same keys.
    let other = Scene::start().await;
    assert_eq!(
        other.refresh(0, &client, token, &[]).await.0,
        401,
        "not even the client is known"
    );
    assert_eq!(scene.refresh(0, &client, token, &[]).await.0, 200);
}

#[tokio::test]
async fn secrets_of_clients_and_of_the_issuer_are_in_no_answer() {
    let scene = Scene::start().await;
    let client = scene.register().await;
    let browser = browser();
    let page = get(&browser, scene.authorize_url(&client, &[]))
        .await
        .text()
        .await
        .unwrap();
    let sent = scene.answer(&browser, &page, "allow").await;
    let callback = location(&get(&browser, location(&sent)).await);
    let upstream = parameter(&callback, "code").unwrap();
    let back = get(&browser, callback).await;
    assert_eq!(back.headers()["referrer-policy"], "no-referrer");
    let headers = format!("{:?}", back.headers());
    assert!(!headers.contains(&upstream), "the issuer's code stays here");
    let code = sent_to(&back, REDIRECT, "code");
    let sent = http().post(scene.at("/oauth/token")).form(&[
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", crate::scene::VERIFIER),
    ]);
    let answered = sent.send().await.unwrap();
    assert_eq!(answered.status(), StatusCode::OK);
    assert_eq!(answered.headers()["cache-control"], "no-store");
    let body = answered.text().await.unwrap();
    assert!(
        !body.contains("secret-of") && !body.contains("id_token"),
        "{body}"
    );
}

/// Client ids that would have us ask our own network. That nobody connects to what such names lead to is a test of
/// `src/tests.rs` and `src/clients/document/fetch/tests.rs`.
#[tokio::test]
async fn a_client_id_that_leads_into_our_own_network_is_not_known() {
    let scene = Scene::start().await;
    let issuer = scene.issuer.metadata_url();
    for id in [
        &*issuer,
        &issuer.replace("http:", "https:"),
        "https://localhost/client.json",
        "https://127.0.0.1/client.json",
        "https://169.254.169.254/metadata/identity/oauth2/token",
        "https://[::ffff:169.254.169.254]/latest",
    ] {
        let response = get(&browser(), scene.authorize_url(id, &[])).await;
        assert_eq!(response.status(), 401, "{id}");
        let page = response.text().await.unwrap();
        assert!(page.contains("not known here"), "{page}");
        assert!(
            !page.contains("public Internet"),
            "what we found out is not told"
        );
    }
    // Whether a name leads into our network or nowhere is not told either.
    for id in [
        "https://localhost.localdomain/client.json",
        "https://nowhere.invalid/client.json",
    ] {
        let response = get(&browser(), scene.authorize_url(id, &[])).await;
        assert_eq!(response.status(), 503, "{id}");
        let page = response.text().await.unwrap();
        assert!(page.contains("does not answer now"), "{page}");
    }
}
