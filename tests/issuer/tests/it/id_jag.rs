//! Identity assertions: what an enterprise's identity provider gives for another authorization server.

use prynai_dev_issuer::{API, API_SECRET, AuthorizationServer, Issuer, SignWith, TENANT, Twist};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::application::{VERIFIER, code, row, start};
use super::{exchange, header, insecure_claims, refusal, served_keys, verify};

const SERVER: &str = "https://mcp.example/oauth";
const RESOURCE: &str = "https://mcp.example/mcp";
const WEB: &str = "http://127.0.0.1:49152/oauth/callback";

/// An issuer whose people get into an MCP server, where the client has another name.
async fn issuer() -> Issuer {
    let issuer = start().await;
    issuer.change_directory(|directory| {
        directory.authorization_servers = vec![AuthorizationServer {
            issuer: SERVER.to_owned(),
            resources: vec![RESOURCE.to_owned()],
            clients: [(API.to_owned(), "agent".to_owned())].into(),
        }];
    });
    issuer
}

/// Bob's ID token for the client.
async fn id_token(issuer: &Issuer) -> String {
    let changes = [
        ("client_id", API),
        ("redirect_uri", WEB),
        ("scope", "openid"),
    ];
    let code = code(issuer, &changes).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", API),
        ("client_secret", API_SECRET),
        ("redirect_uri", WEB),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    let (status, tokens) = exchange(issuer, &fields).await;
    assert_eq!(status, 200, "{tokens}");
    tokens["id_token"].as_str().expect("is text").to_owned()
}

/// Exchanges an ID token, with these fields changed; an empty value leaves one out.
async fn ask(issuer: &Issuer, shown: &str, changes: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut fields = vec![
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:id-jag",
        ),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:id_token",
        ),
        ("subject_token", shown),
        ("client_id", API),
        ("client_secret", API_SECRET),
        ("audience", SERVER),
        ("resource", RESOURCE),
        ("scope", "mcp.call"),
    ];
    fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    exchange(issuer, &fields).await
}

#[tokio::test]
async fn an_id_token_is_good_for_an_assertion() {
    let issuer = issuer().await;
    let shown = id_token(&issuer).await;
    let (status, answer) = ask(&issuer, &shown, &[]).await;
    assert_eq!(status, 200, "{answer}");
    let kind = "urn:ietf:params:oauth:token-type:id-jag";
    assert_eq!(answer["issued_token_type"], kind);
    assert_eq!(
        (&answer["token_type"], &answer["expires_in"]),
        (&json!("N_A"), &json!(300))
    );
    let assertion = answer["access_token"].as_str().expect("is text");
    assert_eq!(header(assertion)["typ"], "oauth-id-jag+jwt");
    let keys = served_keys(&issuer).await;
    let claims = verify(assertion, &keys, &issuer.issuer_url(), SERVER).expect("is good");
    let claims = claims.claims;
    assert_eq!(claims["client_id"], "agent");
    assert_eq!(claims["resource"], RESOURCE);
    assert_eq!(claims["scope"], "mcp.call");
    assert_eq!(claims["sub"], insecure_claims(&shown)["sub"]);
    assert_eq!(claims["email"], "bob@contoso.example");
    let (_, other) = ask(&issuer, &shown, &[("resource", ""), ("scope", "")]).await;
    let other = insecure_claims(other["access_token"].as_str().expect("is text"));
    assert!(other["resource"].is_null() && other["scope"].is_null());
    assert_ne!(other["jti"], claims["jti"]);
    issuer.issue_wrong_tokens(Twist {
        sign_with: SignWith::Foreign,
        ..Twist::default()
    });
    let (_, forged) = ask(&issuer, &shown, &[]).await;
    let forged = forged["access_token"].as_str().expect("is text");
    let refused = verify(forged, &keys, &issuer.issuer_url(), SERVER);
    assert_eq!(refused.expect_err("is forged"), "InvalidSignature");
}

#[tokio::test]
async fn nothing_else_is_and_for_nobody_else() {
    let issuer = issuer().await;
    let shown = id_token(&issuer).await;
    for line in [
        "client_secret=: invalid_client 7000218",
        "requested_token_type=urn:ietf:params:oauth:token-type:access_token: invalid_request 9002313",
        "subject_token_type=urn:ietf:params:oauth:token-type:saml2: invalid_request 9002313",
        "subject_token=no.token: invalid_request 9002313",
        "subject_token=: invalid_request 900144",
        "audience=: invalid_request 900144",
        "audience=https://elsewhere.example: invalid_target 500011",
        "resource=https://elsewhere.example/mcp: invalid_target 9010010",
    ] {
        let (changes, error, number) = row(line);
        let (status, body) = ask(&issuer, &shown, &changes).await;
        let (_, said, code) = refusal(status, &body);
        assert_eq!((said.as_str(), code), (error, number), "{line}: {body}");
    }
    for (shown, number) in [
        (issuer.token().jwt().as_str(), 50_027_u64),
        (
            &issuer
                .token()
                .claim("aud", API)
                .sign_with(SignWith::Foreign)
                .jwt(),
            50_013,
        ),
        (&issuer.token().claim("aud", TENANT).jwt(), 500_131),
        (&issuer.token().expires_in(-301).jwt(), 500_133),
    ] {
        let (status, body) = ask(&issuer, shown, &[]).await;
        let said = refusal(status, &body);
        assert_eq!(said, (400, "invalid_grant".to_owned(), number), "{body}");
    }
}

#[tokio::test]
async fn entra_knows_no_such_grant() {
    let issuer = start().await;
    let (status, body) = ask(&issuer, "any", &[]).await;
    assert_eq!(
        refusal(status, &body),
        (400, "unsupported_grant_type".to_owned(), 70_003)
    );
}

#[tokio::test]
async fn an_assertion_can_be_ordered() {
    let issuer = Issuer::start().await;
    let order = issuer.token().user("bob").id_jag(SERVER, "agent");
    let keys = served_keys(&issuer).await;
    let read = |jwt: &str| verify(jwt, &keys, &issuer.issuer_url(), SERVER).map(|it| it.claims);
    let claims = read(&order.clone().claim("resource", RESOURCE).jwt()).expect("is good");
    assert_eq!(
        (&claims["client_id"], &claims["resource"]),
        (&json!("agent"), &json!(RESOURCE))
    );
    assert!(claims["jti"].is_string() && claims["scp"].is_null());
    assert_eq!(header(&order.clone().jwt())["typ"], "oauth-id-jag+jwt");
    let expired = read(&order.expires_in(-1).jwt());
    assert_eq!(expired.expect_err("is old"), "ExpiredSignature");
}
