//! Clients without a user.

use prynai_dev_issuer::{
    API, API_URI, DAEMON, DAEMON_SECRET, INTERACTIVE, Issuer, SignWith, TENANT, Twist,
};
use serde_json::json;

use super::application::row;
use super::{client, exchange, verify_v2};

fn fields<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", DAEMON),
        ("client_secret", DAEMON_SECRET),
        ("scope", "api://prynai-mcp/.default"),
    ];
    fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    fields
}

#[tokio::test]
async fn a_secret_is_good_for_the_clients_own_token() {
    let issuer = Issuer::start().await;
    for scope in ["api://prynai-mcp/.default", &format!("{API}/.default")] {
        let (status, tokens) = exchange(&issuer, &fields(&[("scope", scope)])).await;
        assert_eq!(status, 200, "{tokens}");
        assert!(tokens["refresh_token"].is_null() && tokens["scope"].is_null());
        let token = tokens["access_token"].as_str().expect("is text");
        let claims = verify_v2(&issuer, token).await.expect("is good");
        assert_eq!(claims["roles"], json!(["Mcp.Read", "Mcp.Call"]));
        assert_eq!(claims["idtyp"], "app");
        assert!(claims["scp"].is_null());
    }
}

#[tokio::test]
async fn a_secret_may_come_in_the_header() {
    let issuer = Issuer::start().await;
    let secret = "a secret: with % and +";
    issuer.change_directory(|directory| {
        let daemon = directory.clients.iter_mut().find(|c| c.client_id == DAEMON);
        daemon.expect("is there").secret = Some(secret.to_owned());
    });
    let ask = async |password: &str, changes: &[(&str, &str)]| {
        let url = format!("{}/{TENANT}/oauth2/v2.0/token", issuer.base_url());
        let request = client().post(url);
        let request = request.basic_auth(DAEMON, Some(password));
        let answer = request.form(&fields(changes)).send().await;
        answer.expect("an answer").status()
    };
    let right = "a+secret%3A+with+%25+and+%2B";
    let no_secret = ("client_secret", "");
    assert_eq!(ask(right, &[no_secret]).await, 200);
    assert_eq!(ask(right, &[no_secret, ("client_id", "")]).await, 200);
    assert_eq!(ask(secret, &[no_secret]).await, 401, "is not encoded");
    assert_eq!(
        ask(right, &[("client_secret", secret)]).await,
        400,
        "two secrets"
    );
    assert_eq!(
        ask(right, &[no_secret, ("client_id", INTERACTIVE)]).await,
        400
    );
}

#[tokio::test]
async fn nothing_else_gets_one() {
    let issuer = Issuer::start().await;
    for line in [
        "client_secret=wrong: invalid_client 7000215",
        "client_secret=: invalid_client 7000218",
        "client_id=unheard-of: unauthorized_client 700016",
        "client_id=: invalid_request 900144",
        "scope=: invalid_request 900144",
        "scope=api://prynai-mcp/mcp.call: invalid_scope 1002012",
        "scope=api://another/.default: invalid_resource 500011",
        "resource=api://PRYNAI-mcp: invalid_target 9010010",
    ] {
        let (changes, error, number) = row(line);
        let (status, refused) = exchange(&issuer, &fields(&changes)).await;
        // RFC 6749, section 5.2.
        let expected = if error == "invalid_client" { 401 } else { 400 };
        assert_eq!(
            (status.as_u16(), &refused["error"]),
            (expected, &json!(error)),
            "{refused}"
        );
        assert_eq!(refused["error_codes"], json!([number]), "{refused}");
    }
    let public = [("client_id", INTERACTIVE), ("client_secret", "")];
    let (_, refused) = exchange(&issuer, &fields(&public)).await;
    assert_eq!(refused["error_codes"], json!([7_000_218]));
    let (status, _) = exchange(&issuer, &fields(&[("resource", API_URI)])).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn tokens_are_wrong_when_told_to_be() {
    let issuer = Issuer::start().await;
    issuer.issue_wrong_tokens(Twist {
        sign_with: SignWith::Foreign,
        ..Twist::default()
    });
    let (_, tokens) = exchange(&issuer, &fields(&[])).await;
    let token = tokens["access_token"].as_str().expect("is text");
    let refused = verify_v2(&issuer, token).await;
    assert_eq!(refused.expect_err("is forged"), "InvalidSignature");
    issuer.behave();
    let (_, tokens) = exchange(&issuer, &fields(&[])).await;
    let token = tokens["access_token"].as_str().expect("is text");
    verify_v2(&issuer, token).await.expect("is good again");
}
