//! Tokens to order, keys and their rotation, endpoints that misbehave.

use std::time::Duration;

use prynai_dev_issuer::{
    API, API_URI, DAEMON, Endpoint, Fault, INTERACTIVE, Issuer, SignWith, TENANT, Version,
};
use serde_json::{Value, json};

use super::{fetch, get, header, insecure_claims, now_s, verify, verify_v2};

#[tokio::test]
async fn a_v2_token_says_what_entra_says() {
    let issuer = Issuer::start().await;
    let token = issuer.token().scopes(&["mcp.read", "mcp.call"]).jwt();
    let claims = verify_v2(&issuer, &token).await.expect("is good");
    assert_eq!(claims["tid"], TENANT);
    assert_eq!(claims["ver"], "2.0");
    assert_eq!(claims["scp"], "mcp.read mcp.call");
    assert_eq!(claims["azp"], INTERACTIVE);
    assert_eq!(claims["azpacr"], "0");
    assert_eq!(claims["roles"], json!(["Mcp.Admin"]));
    assert_eq!(claims["preferred_username"], "alice@contoso.example");
    assert!(claims["idtyp"].is_null() && claims["appid"].is_null());
    let minutes = (claims["exp"].as_i64().expect("a number") - now_s()).div_euclid(60);
    assert!((59..=90).contains(&minutes), "{minutes} minutes");
}

#[tokio::test]
async fn a_v1_token_says_what_entra_says() {
    let issuer = Issuer::start().await;
    issuer.change_directory(|directory| {
        directory.apis[0].requested_access_token_version = Version::V1;
    });
    let token = issuer.token().user("bob").jwt();
    let metadata = get(&format!(
        "{}.well-known/openid-configuration",
        issuer.v1_issuer_url()
    ))
    .await;
    assert_eq!(metadata["issuer"], issuer.v1_issuer_url());
    let keys = metadata["jwks_uri"].as_str().expect("a URL");
    let keys = serde_json::from_value(get(keys).await).expect("is a JWK set");
    let token = verify(&token, &keys, &issuer.v1_issuer_url(), API_URI).expect("is good");
    assert_eq!(token.claims["ver"], "1.0");
    assert_eq!(token.claims["appid"], INTERACTIVE);
    assert_eq!(token.claims["upn"], "bob@contoso.example");
    assert!(token.claims["azp"].is_null() && token.claims["roles"].is_null());
    assert_eq!(token.header.x5t, token.header.kid);
}

#[tokio::test]
async fn a_token_without_a_user_has_roles_and_no_scopes() {
    let issuer = Issuer::start().await;
    let token = issuer.token().app_only().jwt();
    let claims = verify_v2(&issuer, &token).await.expect("is good");
    assert_eq!(claims["roles"], json!(["Mcp.Read", "Mcp.Call"]));
    assert_eq!(claims["azp"], DAEMON);
    assert_eq!(claims["azpacr"], "1");
    assert_eq!(claims["idtyp"], "app");
    assert_eq!(claims["sub"], claims["oid"]);
    assert!(claims["scp"].is_null() && claims["preferred_username"].is_null());
}

#[tokio::test]
async fn a_user_is_the_same_in_a_tenant_and_another_one_for_each_api_and_tenant() {
    let issuer = Issuer::start().await;
    issuer.change_directory(|directory| {
        let mut other = directory.apis[0].clone();
        other.client_id = "another-api".to_owned();
        other.identifier_uris = vec!["api://another".to_owned()];
        directory.apis.push(other);
    });
    let here = insecure_claims(&issuer.token().jwt());
    let again = insecure_claims(&issuer.token().jwt());
    let api = insecure_claims(&issuer.token().api("api://another").jwt());
    let tenant = insecure_claims(&issuer.token().tenant("another-tenant").jwt());
    assert_eq!((&here["oid"], &here["sub"]), (&again["oid"], &again["sub"]));
    assert_eq!(here["oid"], api["oid"]);
    assert_ne!(here["sub"], api["sub"]);
    assert_ne!(here["oid"], tenant["oid"]);
    assert_eq!(
        tenant["iss"],
        issuer.issuer_of("another-tenant", Version::V2)
    );
}

#[tokio::test]
async fn a_wrong_token_is_wrong_in_the_way_ordered() {
    let issuer = Issuer::start().await;
    let token = || issuer.token();
    for (token, why) in [
        (token().expires_in(-1), "ExpiredSignature"),
        (token().not_before_in(60), "ImmatureSignature"),
        (token().sign_with(SignWith::Foreign), "InvalidSignature"),
        (
            token().sign_with(SignWith::PublicKeyAsSecret),
            "InvalidAlgorithm",
        ),
        (
            token().claim("iss", format!("{}/", issuer.issuer_url())),
            "InvalidIssuer",
        ),
        (token().version(Version::V1), "InvalidIssuer"),
        (token().claim("aud", json!(["x", "y"])), "InvalidAudience"),
        (token().without("exp"), "Missing required claim: exp"),
        (token().header("kid", "unheard-of"), "unknown kid"),
    ] {
        let refused = verify_v2(&issuer, &token.jwt()).await;
        assert_eq!(refused.expect_err("is wrong"), why);
    }
    let unsigned = token().sign_with(SignWith::Nobody).jwt();
    assert_eq!(header(&unsigned)["alg"], "none");
    assert!(unsigned.ends_with('.'), "has no signature");
}

#[tokio::test]
async fn a_foreign_signature_is_good_by_the_key_that_the_header_names() {
    let issuer = Issuer::start().await;
    let token = issuer
        .token()
        .sign_with(SignWith::Foreign)
        .header("jku", issuer.foreign_keys_url())
        .jwt();
    assert_eq!(header(&token)["kid"], issuer.current_kid());
    let keys = get(&issuer.foreign_keys_url()).await;
    let keys = serde_json::from_value(keys).expect("is a JWK set");
    verify(&token, &keys, &issuer.issuer_url(), API).expect("is good there");
    assert_eq!(issuer.requests(Endpoint::ForeignKeys), 1);
}

#[tokio::test]
async fn an_old_key_stays_until_it_is_retired() {
    let issuer = Issuer::start().await;
    let old = issuer.token().jwt();
    let kid = issuer.rotate().await;
    let new = issuer.token().jwt();
    assert_eq!(header(&new)["kid"], kid.as_str());
    assert_ne!(header(&old)["kid"], kid.as_str());
    for token in [&old, &new] {
        verify_v2(&issuer, token).await.expect("is good");
    }
    issuer.retire();
    let refused = verify_v2(&issuer, &old).await;
    assert_eq!(refused.expect_err("its key is gone"), "unknown kid");
    verify_v2(&issuer, &new).await.expect("is good");
    let late = issuer.token().sign_with(SignWith::Retired).jwt();
    assert_eq!(header(&late)["kid"], header(&old)["kid"]);
}

#[tokio::test]
async fn two_issuers_never_share_a_key() {
    let (one, other) = (Issuer::start().await, Issuer::start().await);
    assert_ne!(one.jwks()["keys"][0]["n"], other.jwks()["keys"][0]["n"]);
    assert_ne!(one.foreign_jwk()["n"], one.jwks()["keys"][0]["n"]);
}

#[tokio::test]
async fn requests_are_counted_and_faults_come_and_go() {
    let issuer = Issuer::start().await;
    let url = issuer.keys_url();
    let status = async || fetch(&url).await.status();
    let text = async || {
        let response = fetch(&url).await;
        response.text().await.expect("a body")
    };
    let right = text().await;
    issuer.misbehave_times(Endpoint::Keys, Fault::Status(500), 1);
    assert_eq!(status().await, 500);
    assert_eq!(status().await, 200);
    issuer.misbehave(Endpoint::Keys, Fault::Garbage);
    serde_json::from_str::<Value>(&text().await).expect_err("is no JSON");
    issuer.misbehave(Endpoint::Keys, Fault::Drip(1));
    assert_eq!(text().await, right);
    issuer.misbehave(Endpoint::Keys, Fault::Huge(1_000_000));
    let huge = text().await;
    assert!(huge.len() > 1_000_000);
    serde_json::from_str::<Value>(&huge).expect("is JSON all the same");
    let changes = json!({ "keys": null }).as_object().cloned();
    let changes = changes.expect("is an object");
    issuer.misbehave(Endpoint::Keys, Fault::Changed(changes));
    assert_eq!(text().await, "{}");
    issuer.misbehave(Endpoint::Keys, Fault::Redirect(issuer.foreign_keys_url()));
    assert_ne!(text().await, right, "follows the redirect");
    issuer.misbehave(Endpoint::Keys, Fault::Late(20));
    assert_eq!(text().await, right);
    issuer.misbehave(Endpoint::Keys, Fault::Hang);
    let hanging = tokio::time::timeout(Duration::from_millis(200), text());
    hanging.await.expect_err("never answers");
    issuer.behave();
    assert_eq!(text().await, right);
    assert_eq!(issuer.requests(Endpoint::Keys), 11);
    assert_eq!(issuer.requests(Endpoint::Metadata), 0);
}
