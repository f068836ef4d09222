//! What is secret in a sign-in is in no log, and nobody finds it in Redis: on its way through, and when it fails.

use http_body_util::Full;
use hyper::Request;
use prynai_dev_issuer::{DAEMON, DAEMON_SECRET, Endpoint, Fault};
use prynai_test_harness::cluster::Cluster;

use super::super::secrecy::{assert_untold, over_http2, overheard};
use super::{
    Browser, KEY, VERIFIER, http, parameter, redeeming, refreshing, register, start_with, text,
    token, token_as,
};

/// Sends a form over HTTP/2; gives the status.
async fn form_over_http2(fleet: &Cluster, path: &str, cookie: &str, form: &[(&str, &str)]) -> u16 {
    let body = reqwest::Url::parse_with_params("http://form", form).expect("is a form");
    let request = Request::post(format!("{}{path}", fleet.origin(0)))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Cookie", cookie)
        .body(Full::from(body.query().unwrap_or_default().to_owned()));
    over_http2(request.expect("is a request")).await
}

#[tokio::test]
async fn nothing_of_a_sign_in_is_told_however_it_ends() {
    let (issuer, mut fleet) = start_with(&[], &[]).await;
    let heard = overheard(&fleet.redis).await;
    let client = register(&fleet, 0).await;
    let mut browser = Browser::new();
    let at = |fleet: &Cluster, path: &str| format!("{}{path}", fleet.origin(0));

    // As it should be: a code, tokens, the next tokens, and no more.
    let code = browser.code(&fleet, &client).await;
    let (_, first) = token(&fleet, 0, &redeeming(&client, &code)).await;
    let refresh = text(&first, "refresh_token");
    let (_, second) = token(&fleet, 1, &refreshing(&client, &refresh)).await;
    let next = text(&second, "refresh_token");
    let given = [("client_id", &*client), ("token", &*next)];
    let revoked = http().post(at(&fleet, "/oauth/revoke")).form(&given);
    assert_eq!(revoked.send().await.expect("an answer").status(), 200);
    let everything = format!("{}/.default", prynai_dev_issuer::API_URI);
    let service = [
        ("grant_type", "client_credentials"),
        ("scope", &*everything),
    ];
    let daemon = Some((DAEMON, DAEMON_SECRET));
    let (status, of_service) = token_as(&fleet, 1, daemon, &service).await;
    assert_eq!(status, 200, "{of_service}");

    // Used again, revoked, of somebody else, by a wrong verifier, in a query, or with a wrong secret.
    let code = browser.code(&fleet, &client).await;
    let stranger = register(&fleet, 1).await;
    assert_eq!(token(&fleet, 0, &refreshing(&client, &next)).await.0, 400);
    assert_eq!(token(&fleet, 0, &refreshing(&stranger, &next)).await.0, 400);
    assert_eq!(token(&fleet, 1, &redeeming(&stranger, &code)).await.0, 400);
    let mut wrong = redeeming(&client, &code);
    wrong[4].1 = "a-verifier-of-somebody-who-has-the-code-and-nothing-else";
    assert_eq!(token(&fleet, 1, &wrong).await.0, 400);
    let twice = [&redeeming(&client, &code)[..], &[("code", "another")]].concat();
    assert_eq!(token(&fleet, 1, &twice).await.0, 400);
    let in_query =
        format!("/oauth/token?code={code}&code_verifier={VERIFIER}&refresh_token={next}");
    assert_eq!(form_over_http2(&fleet, &in_query, "", &[]).await, 400);
    let guessed = Some((DAEMON, "a-secret-that-somebody-guessed"));
    assert_eq!(token_as(&fleet, 0, guessed, &service).await.0, 401);
    let assertion = [
        &service[..],
        &[
            ("client_id", DAEMON),
            (
                "client_assertion_type",
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            ),
            (
                "client_assertion",
                "eyJhbGciOiJSUzI1NiJ9.of-a-stranger.without-a-signature",
            ),
        ],
    ]
    .concat();
    assert_eq!(token(&fleet, 0, &assertion).await.0, 401);

    // The issuer refuses, answers nonsense, or is away; then comes an answer that this browser did not ask for.
    let code = browser.code(&fleet, &client).await;
    let (_, tokens) = token(&fleet, 0, &redeeming(&client, &code)).await;
    let refresh = text(&tokens, "refresh_token");
    for fault in [Fault::Status(500), Fault::Status(400), Fault::Garbage] {
        let sent = browser.authorize(&fleet, 1, &client).await;
        let callback = browser.sign_in(&sent).await;
        issuer.misbehave(Endpoint::Token, fault);
        let back = browser.come_back(&fleet, 0, &callback).await;
        parameter(&back, "error");
        let (status, refused) = token(&fleet, 1, &refreshing(&client, &refresh)).await;
        assert!(status == 503 || status == 400, "{status} {refused}");
        issuer.behave();
    }
    let sent = browser.authorize(&fleet, 1, &client).await;
    let callback = browser.sign_in(&sent).await;
    let here = callback.replace("https://mcp.example.com", &fleet.origin(0));
    let refused = http().get(&here).send().await.expect("an answer");
    assert_eq!(refused.status(), 400);
    let question = browser.secrets.iter().max_by_key(|secret| secret.len());
    let form = [
        ("question", question.expect("was seen").as_str()),
        ("answer", "allow"),
    ];
    let cookies: Vec<String> = browser
        .cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let status = form_over_http2(&fleet, "/oauth/consent", &cookies.join("; "), &form).await;
    assert!(status == 400 || status == 303, "{status}");
    let status = form_over_http2(&fleet, "/oauth/token", "", &redeeming(&client, &code)).await;
    assert_eq!(status, 400);

    // The issuer knows what it was shown and what it gave: our verifiers and assertions, its codes and tokens.
    let theirs = issuer.secrets();
    for kind in [
        "client_assertion",
        "client_secret",
        "code",
        "code_verifier",
        "refresh_token",
        "access_token",
        "id_token",
    ] {
        assert!(
            theirs.iter().any(|(name, _)| name == kind),
            "no {kind} was seen"
        );
    }
    let mut secrets = browser.secrets;
    secrets.extend(theirs.into_iter().map(|(_, value)| value));
    secrets.extend([&first, &second, &tokens].map(|said| text(said, "refresh_token")));
    secrets.extend([VERIFIER, wrong[4].1, KEY, DAEMON_SECRET].map(str::to_owned));
    secrets.push("a-secret-that-somebody-guessed".to_owned());
    secrets.push("of-a-stranger.without-a-signature".to_owned());
    // Of a JWT each part by itself. Some tokens of the issuer begin with a short name of their kind.
    let parts = secrets.iter().flat_map(|secret| secret.split('.'));
    let secrets: Vec<String> = parts
        .filter(|part| part.len() > 3)
        .map(str::to_owned)
        .collect();
    assert_untold(&mut fleet, &heard, "once:used.", &secrets).await;
}
