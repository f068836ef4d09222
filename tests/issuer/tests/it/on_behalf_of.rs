//! What an API gets for calls that it makes for its callers.

use prynai_dev_issuer::{
    API, API_SECRET, API_URI, DOWNSTREAM, DOWNSTREAM_URI, Issuer, SignWith, Version,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::application::row;
use super::{exchange, exchange_from, insecure_claims, refusal, served_keys, verify};

const SCOPE: &str = "api://prynai-downstream/records.read";

/// Exchanges what a caller has shown, with these fields changed; an empty value leaves one out.
async fn ask(issuer: &Issuer, shown: &str, changes: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut fields = vec![
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", API),
        ("client_secret", API_SECRET),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", shown),
        ("scope", SCOPE),
    ];
    fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    exchange(issuer, &fields).await
}

async fn refused(issuer: &Issuer, shown: &str) -> (u16, String, u64) {
    let (status, body) = ask(issuer, shown, &[]).await;
    refusal(status, &body)
}

fn invalid_grant(number: u64) -> (u16, String, u64) {
    (400, "invalid_grant".to_owned(), number)
}

#[tokio::test]
async fn a_callers_token_is_good_for_one_of_the_next_api() {
    let issuer = Issuer::start().await;
    let shown = issuer.token().user("bob");
    for version in [Version::V2, Version::V1] {
        let shown = shown.clone().version(version).jwt();
        let (status, tokens) = ask(&issuer, &shown, &[]).await;
        assert_eq!(status, 200, "{tokens}");
        assert_eq!(tokens["scope"], SCOPE);
        assert!(tokens["refresh_token"].is_null(), "nobody asked for it");
        let token = tokens["access_token"].as_str().expect("is text");
        let keys = served_keys(&issuer).await;
        let claims = verify(token, &keys, &issuer.issuer_url(), DOWNSTREAM).expect("is good");
        let claims = claims.claims;
        assert_eq!(
            (&claims["azp"], &claims["azpacr"]),
            (&json!(API), &json!("1"))
        );
        assert_eq!(claims["scp"], "records.read");
        assert_eq!(claims["preferred_username"], "bob@contoso.example");
        assert_eq!(claims["oid"], insecure_claims(&shown)["oid"]);
    }
    let longer = [("scope", "api://prynai-downstream/.default offline_access")];
    let (_, tokens) = ask(&issuer, &shown.jwt(), &longer).await;
    let again = [
        ("grant_type", "refresh_token"),
        ("client_id", API),
        ("client_secret", API_SECRET),
        (
            "refresh_token",
            tokens["refresh_token"].as_str().expect("was asked for"),
        ),
    ];
    let (status, tokens) = exchange(&issuer, &again).await;
    assert_eq!(status, 200, "{tokens}");
}

#[tokio::test]
async fn an_application_calls_for_nobody() {
    let issuer = Issuer::start().await;
    let shown = issuer.token().app_only().jwt();
    assert_eq!(refused(&issuer, &shown).await, invalid_grant(7_000_114));
    // The API asks for itself then.
    let scope = format!("{DOWNSTREAM_URI}/.default");
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", API),
        ("client_secret", API_SECRET),
        ("scope", &scope),
    ];
    let (_, tokens) = exchange(&issuer, &fields).await;
    let claims = insecure_claims(tokens["access_token"].as_str().expect("is text"));
    assert_eq!(claims["roles"], json!(["Records.Read"]));
}

#[tokio::test]
async fn only_a_good_token_for_the_api_itself_is_exchanged() {
    let issuer = Issuer::start().await;
    let shown = issuer.token();
    let another = shown
        .clone()
        .api(DOWNSTREAM_URI)
        .scopes(&["records.read"])
        .jwt();
    assert_eq!(refused(&issuer, &another).await, invalid_grant(500_131));
    let forged = shown.clone().sign_with(SignWith::Foreign).jwt();
    assert_eq!(refused(&issuer, &forged).await, invalid_grant(50_013));
    let unknown = shown.clone().header("kid", "unheard-of").jwt();
    assert_eq!(refused(&issuer, &unknown).await, invalid_grant(50_013));
    let from_elsewhere = shown.clone().tenant("another").jwt();
    assert_eq!(
        refused(&issuer, &from_elsewhere).await,
        invalid_grant(50_013)
    );
    let expired = shown.clone().expires_in(-301).jwt();
    assert_eq!(refused(&issuer, &expired).await, invalid_grant(500_133));
    let stranger = shown.clone().user("mallory").jwt();
    assert_eq!(refused(&issuer, &stranger).await, invalid_grant(50_034));
    let unreadable = (400, "invalid_request".to_owned(), 50_027);
    assert_eq!(refused(&issuer, "no.token").await, unreadable);
}

#[tokio::test]
async fn a_wrong_request_is_refused_in_entras_words() {
    let issuer = Issuer::start().await;
    let shown = issuer.token().jwt();
    for line in [
        "client_secret=: invalid_client 7000218",
        "client_secret=wrong: invalid_client 7000215",
        "requested_token_use=: invalid_request 900144",
        "requested_token_use=impersonate: invalid_request 9002313",
        "assertion=: invalid_request 900144",
        "scope=: invalid_request 900144",
        "scope=api://prynai-downstream/records.write: invalid_grant 65001",
        "scope=api://prynai-downstream/records.erase: invalid_client 650053",
        "scope=records.read: invalid_client 650053",
        "resource=https://elsewhere.example: invalid_target 9010010",
    ] {
        let (changes, error, number) = row(line);
        let (status, body) = ask(&issuer, &shown, &changes).await;
        let (_, said, code) = refusal(status, &body);
        assert_eq!((said.as_str(), code), (error, number), "{line}: {body}");
        let consent = (number == 65_001).then_some("consent_required");
        assert_eq!(body["suberror"].as_str(), consent, "{body}");
    }
    let fields = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("client_id", API),
        ("client_secret", API_SECRET),
    ];
    let page = exchange_from(&issuer, Some("https://page.example"), &fields).await;
    let text = page.text().await.expect("a body");
    assert!(text.contains("AADSTS9002326: "), "{text}");
}

#[tokio::test]
async fn a_policy_wants_to_see_the_person_again() {
    let issuer = Issuer::start().await;
    issuer.change_directory(|directory| directory.apis[1].conditional_access = true);
    let (status, body) = ask(&issuer, &issuer.token().api(API_URI).jwt(), &[]).await;
    assert_eq!(
        refusal(status, &body),
        (400, "interaction_required".to_owned(), 50_076)
    );
    let claims = body["claims"].as_str().expect("a claims challenge");
    let claims: Value = serde_json::from_str(claims).expect("is JSON");
    assert_eq!(claims["access_token"]["polids"]["essential"], true);
}
