//! What a client gets for a code, and for a refresh token.

use prynai_dev_issuer::{API, API_URI, INTERACTIVE, Issuer, Options, Version};
use serde_json::json;

use super::application::{
    REDIRECT, SCOPE, authorize, code, redeem, refresh, row, sent_with, start,
};
use super::{insecure_claims, now_s, served_keys, verify, verify_v2};

#[tokio::test]
async fn a_code_is_good_for_the_users_token() {
    let issuer = start().await;
    let sent = authorize(&issuer, &[("nonce", "n-1")]).await;
    assert_eq!(
        sent_with(&sent, "state"),
        (REDIRECT.to_owned(), "a state & more".to_owned())
    );
    let (place, code) = sent_with(&sent, "code");
    assert_eq!(place, REDIRECT);
    let (status, tokens) = redeem(&issuer, &code, &[]).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], SCOPE);
    assert!((3_600..=5_400).contains(&tokens["expires_in"].as_i64().expect("a number")));
    let token = tokens["access_token"].as_str().expect("is text");
    let claims = verify_v2(&issuer, token).await.expect("is good");
    assert_eq!(claims["scp"], "mcp.call");
    assert_eq!(claims["preferred_username"], "bob@contoso.example");
    let keys = served_keys(&issuer).await;
    let id_token = tokens["id_token"].as_str().expect("is text");
    let id_token = verify(id_token, &keys, &issuer.issuer_url(), INTERACTIVE).expect("is good");
    assert_eq!(id_token.claims["nonce"], "n-1");
    assert_eq!(id_token.claims["oid"], claims["oid"]);
    assert_ne!(id_token.claims["sub"], claims["sub"], "is pairwise");
}

/// As Entra does. Without the option a token has what was asked for, as the test above shows.
#[tokio::test]
async fn all_that_is_consented_to_is_in_a_token_if_so_told() {
    let issuer = Issuer::start_with(Options {
        auto_approve: true,
        adds_consented_scopes: true,
        ..Options::default()
    })
    .await;
    let code = code(&issuer, &[]).await;
    let (_, first) = redeem(&issuer, &code, &[]).await;
    let asked = [("scope", "api://prynai-mcp/mcp.read")];
    let (_, second) = refresh(&issuer, &first["refresh_token"], &asked).await;
    for tokens in [&first, &second] {
        let scopes = tokens["scope"].as_str().expect("is text");
        assert_eq!(
            scopes,
            "api://prynai-mcp/mcp.read api://prynai-mcp/mcp.call openid offline_access"
        );
        let token = tokens["access_token"].as_str().expect("is text");
        let claims = verify_v2(&issuer, token).await.expect("is good");
        assert_eq!(claims["scp"], "mcp.read mcp.call");
    }
    // What nobody consented to is not there.
    issuer.change_directory(|directory| {
        directory.clients[0].scopes = vec!["api://prynai-mcp/mcp.call".to_owned()];
    });
    let (_, third) = refresh(&issuer, &second["refresh_token"], &[]).await;
    assert_eq!(third["scope"], SCOPE, "{third}");
}

#[tokio::test]
async fn the_api_decides_on_the_version_of_its_tokens() {
    let issuer = start().await;
    issuer.change_directory(|directory| {
        directory.apis[0].requested_access_token_version = Version::V1;
    });
    let code = code(&issuer, &[]).await;
    let (_, tokens) = redeem(&issuer, &code, &[]).await;
    let token = tokens["access_token"].as_str().expect("is text");
    let keys = served_keys(&issuer).await;
    let token = verify(token, &keys, &issuer.v1_issuer_url(), API_URI).expect("is good");
    assert_eq!(token.claims["ver"], "1.0");
    assert_eq!(token.claims["scp"], "mcp.call");
}

#[tokio::test]
async fn a_code_is_redeemed_once_and_with_all_that_it_was_asked_with() {
    let issuer = start().await;
    let once = code(&issuer, &[]).await;
    let (status, _) = redeem(&issuer, &once, &[]).await;
    assert_eq!(status, 200);
    let (status, refused) = redeem(&issuer, &once, &[]).await;
    assert_eq!(
        (status.as_u16(), &refused["error"]),
        (400, &json!("invalid_grant"))
    );
    assert_eq!(refused["error_codes"], json!([54005]));
    for line in [
        "code_verifier=another-verifier: invalid_grant 501481",
        "code_verifier=: invalid_request 900144",
        "redirect_uri=http://127.0.0.1:49153/callback: invalid_client 500112",
        "redirect_uri=: invalid_request 900144",
        "client_id=aebc6443-996d-45c2-90f0-388ff96faa56: invalid_grant 70000",
        "client_id=unheard-of: unauthorized_client 700016",
        "code=1.made-up: invalid_grant 70000",
        "resource=https://elsewhere.example/mcp: invalid_target 9010010",
        "client_secret=none-is-set: invalid_client 700025",
        "grant_type=password: unsupported_grant_type 70003",
        "grant_type=: invalid_request 900144",
    ] {
        let (changes, error, number) = row(line);
        let code = code(&issuer, &[]).await;
        let (status, refused) = redeem(&issuer, &code, &changes).await;
        assert!(status.is_client_error(), "{line}: {status}");
        assert_eq!(refused["error"], error, "{line}: {refused}");
        assert_eq!(refused["error_codes"], json!([number]), "{line}");
        let description = refused["error_description"].as_str().expect("is text");
        assert!(
            description.starts_with(&format!("AADSTS{number}: ")),
            "{description}"
        );
        assert!(refused["trace_id"].is_string() && refused["correlation_id"].is_string());
    }
}

#[tokio::test]
async fn a_resource_goes_with_full_scopes_of_its_api_and_with_no_bare_one() {
    let issuer = start().await;
    issuer.change_directory(|directory| {
        let uris = &mut directory.apis[0].identifier_uris;
        uris.push("https://mcp.example/mcp".to_owned());
    });
    for (scope, resource) in [
        ("mcp.read", "https://mcp.example/mcp"),
        ("mcp.read", "https://elsewhere.example/mcp"),
        (
            "https://mcp.example/mcp/mcp.read",
            "https://mcp.example/mcp/",
        ),
        ("openid", "https://mcp.example/mcp"),
    ] {
        let changes = [("scope", scope), ("resource", resource)];
        let sent = authorize(&issuer, &changes).await;
        let description = sent_with(&sent, "error_description").1;
        assert!(description.starts_with("AADSTS9010010: "), "{description}");
        assert_eq!(sent_with(&sent, "error").1, "invalid_target");
    }
    let changes = [
        ("scope", "https://mcp.example/mcp/mcp.read"),
        ("resource", "https://mcp.example/mcp"),
    ];
    let code = code(&issuer, &changes).await;
    let resource = [("resource", "https://mcp.example/mcp")];
    let (_, tokens) = redeem(&issuer, &code, &resource).await;
    assert_eq!(tokens["scope"], "https://mcp.example/mcp/mcp.read");
    let token = tokens["access_token"].as_str().expect("is text");
    let claims = verify_v2(&issuer, token).await.expect("is good");
    assert_eq!(claims["aud"], API);
}

#[tokio::test]
async fn a_lenient_issuer_takes_any_resource() {
    let issuer = Issuer::start_with(Options {
        auto_approve: true,
        strict_resource: false,
        ..Options::default()
    })
    .await;
    let resource = [("resource", "http://127.0.0.1:1/mcp")];
    let other = code(&issuer, &resource).await;
    let (status, tokens) = redeem(&issuer, &other, &resource).await;
    assert_eq!(status, 200, "{tokens}");
    let own = [("resource", API_URI), ("scope", "mcp.read")];
    let own = code(&issuer, &own).await;
    let (_, tokens) = redeem(&issuer, &own, &[]).await;
    assert_eq!(tokens["scope"], "api://prynai-mcp/mcp.read");
}

#[tokio::test]
async fn a_token_for_no_api_is_one_for_microsoft_graph() {
    let issuer = start().await;
    let code = code(&issuer, &[("scope", "openid profile")]).await;
    let (_, tokens) = redeem(&issuer, &code, &[]).await;
    let token = tokens["access_token"].as_str().expect("is text");
    let refused = verify_v2(&issuer, token).await;
    assert_eq!(refused.expect_err("is for another API"), "InvalidIssuer");
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_for_its_client() {
    let issuer = start().await;
    let code = code(&issuer, &[]).await;
    let (_, first) = redeem(&issuer, &code, &[]).await;
    let token = &first["refresh_token"];
    // What is wrong with a request does not use the token up.
    for line in [
        "client_id=aebc6443-996d-45c2-90f0-388ff96faa56: invalid_grant 70000",
        "scope=api://prynai-mcp/mcp.delete: invalid_client 650053",
        "resource=https://elsewhere.example: invalid_target 9010010",
    ] {
        let (changes, error, number) = row(line);
        let (status, refused) = refresh(&issuer, token, &changes).await;
        assert_eq!((status.as_u16(), &refused["error"]), (400, &json!(error)));
        assert_eq!(refused["error_codes"], json!([number]), "{line}");
    }
    let narrower = [("scope", "api://prynai-mcp/mcp.read")];
    let (status, second) = refresh(&issuer, token, &narrower).await;
    assert_eq!(status, 200, "{second}");
    let access = second["access_token"].as_str().expect("is text");
    let claims = verify_v2(&issuer, access).await.expect("is good");
    assert_eq!(claims["scp"], "mcp.read");
    assert_eq!(claims["preferred_username"], "bob@contoso.example");
    let (status, refused) = refresh(&issuer, token, &[]).await;
    assert_eq!(
        (status.as_u16(), &refused["error"]),
        (400, &json!("invalid_grant"))
    );
    assert_ne!(*token, second["refresh_token"]);
    let (status, _) = refresh(&issuer, &second["refresh_token"], &[]).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_short_lifetime_is_told_and_kept() {
    let issuer = Issuer::start_with(Options {
        auto_approve: true,
        token_lifetime: Some(std::time::Duration::ZERO),
        ..Options::default()
    })
    .await;
    let code = code(&issuer, &[]).await;
    let (_, tokens) = redeem(&issuer, &code, &[]).await;
    assert_eq!(tokens["expires_in"], 0);
    let token = tokens["access_token"].as_str().expect("is text");
    let claims = insecure_claims(token);
    assert!(claims["exp"].as_i64() <= Some(now_s()), "{claims}");
}
