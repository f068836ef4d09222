//! Where people sign in: who is sent where, with what.

use prynai_dev_issuer::{INTERACTIVE, Issuer, TENANT};

use super::application::{
    REDIRECT, SCOPE, authorize, browser, challenge, code, redeem, row, sent_with, start,
};
use super::verify_v2;

#[tokio::test]
async fn a_browser_is_sent_nowhere_that_is_not_registered() {
    let issuer = start().await;
    for changes in [
        [("redirect_uri", "http://127.0.0.1:49152/another")],
        [("redirect_uri", "https://127.0.0.1:49152/callback")],
        [("redirect_uri", "http://127.0.0.1.evil.example/callback")],
        [("redirect_uri", "http://[::1]:49152/callback")],
        [("redirect_uri", "https://vscode.dev/redirect")],
        [("redirect_uri", "")],
        [("client_id", "unheard-of")],
    ] {
        let response = authorize(&issuer, &changes).await;
        assert_eq!(response.status(), 400, "{changes:?}");
        assert!(!response.headers().contains_key("location"), "{changes:?}");
        let page = response.text().await.expect("a page");
        assert!(page.contains("AADSTS"), "{page}");
    }
    // Any port of the loopback address, and nothing else (RFC 8252, section 7.3).
    for port in [1, 65_535] {
        let uri = format!("http://localhost:{port}/callback");
        let sent = authorize(&issuer, &[("redirect_uri", &uri)]).await;
        assert_eq!(sent_with(&sent, "code").0, uri);
    }
}

#[tokio::test]
async fn the_client_is_told_what_is_wrong_with_its_request() {
    let issuer = start().await;
    for line in [
        "response_type=token: unsupported_response_type 700054",
        "response_type=: invalid_request 900144",
        "response_mode=fragment: invalid_request 90014",
        "code_challenge=: invalid_request 900144",
        "code_challenge=too-short: invalid_request 501491",
        "code_challenge_method=: invalid_request 50149",
        "code_challenge_method=plain: invalid_request 50149",
        "scope=: invalid_request 900144",
        "scope=mcp.call: invalid_client 650053",
        "scope=api://prynai-mcp/mcp.delete: invalid_client 650053",
        "scope=api://prynai-mcp/mcp.call mcp.read: invalid_scope 28000",
        "scope=api://another/mcp.call: invalid_resource 500011",
        "resource=api://prynai-mcp/: invalid_target 9010010",
        "login_hint=mallory: access_denied 50034",
    ] {
        let (changes, error, number) = row(line);
        let sent = authorize(&issuer, &changes).await;
        assert_eq!(sent_with(&sent, "error").1, error, "{line}");
        let description = sent_with(&sent, "error_description").1;
        assert!(
            description.starts_with(&format!("AADSTS{number}: ")),
            "{description}"
        );
        assert_eq!(sent_with(&sent, "state").1, "a state & more");
    }
}

#[tokio::test]
async fn nothing_is_given_without_consent() {
    let issuer = start().await;
    issuer.change_directory(|directory| {
        directory.clients[0].scopes = vec!["api://prynai-mcp/mcp.read".to_owned()];
    });
    let sent = authorize(&issuer, &[]).await;
    assert_eq!(sent_with(&sent, "error").1, "consent_required");
    let all = [("scope", "api://prynai-mcp/.default")];
    let code = code(&issuer, &all).await;
    let (_, tokens) = redeem(&issuer, &code, &[]).await;
    assert_eq!(tokens["scope"], "api://prynai-mcp/mcp.read");
    assert!(tokens["refresh_token"].is_null(), "nobody asked for it");
}

#[tokio::test]
async fn people_choose_who_signs_in() {
    let issuer = Issuer::start().await;
    let hostile = [("state", "\"><script>alert(1)</script>")];
    let response = authorize(&issuer, &hostile).await;
    assert_eq!(response.status(), 200);
    let page = response.text().await.expect("a page");
    assert!(page.contains("Interactive client") && page.contains("alice@contoso.example"));
    assert!(!page.contains("<script>"), "{page}");
    let silent = authorize(&issuer, &[("prompt", "none")]).await;
    assert_eq!(sent_with(&silent, "error").1, "login_required");
    // What the page's form sends: all that was asked, and the button.
    let challenge = challenge();
    let send = async |button: (&str, &str)| {
        let fields = [
            ("client_id", INTERACTIVE),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", SCOPE),
            ("code_challenge", challenge.as_str()),
            ("code_challenge_method", "S256"),
            button,
        ];
        let url = format!("{}/{TENANT}/oauth2/v2.0/authorize", issuer.base_url());
        let sent = browser().post(url).form(&fields).send().await;
        sent.expect("an answer")
    };
    let code = sent_with(&send(("sign_in_as", "alice")).await, "code").1;
    let (_, tokens) = redeem(&issuer, &code, &[]).await;
    let token = tokens["access_token"].as_str().expect("is text");
    let claims = verify_v2(&issuer, token).await.expect("is good");
    assert_eq!(claims["preferred_username"], "alice@contoso.example");
    let declined = send(("cancel", "yes")).await;
    assert_eq!(sent_with(&declined, "error").1, "access_denied");
}
