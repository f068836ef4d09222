//! What a program on Azure gets without a secret of its own.

use prynai_dev_issuer::{API, API_URI, GATEWAY_IDENTITY, Issuer};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{client, now_s, served_keys, verify};

/// Asks as the documentation of Container Apps says, with this secret.
async fn ask(issuer: &Issuer, header: &str, query: &[(&str, &str)]) -> (StatusCode, Value) {
    let [(_, endpoint), _] = issuer.identity_environment();
    let url = reqwest::Url::parse_with_params(&endpoint, query).expect("is a URL");
    let request = client().get(url).header("X-IDENTITY-HEADER", header);
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or_default())
}

/// The token of the built-in identity for this resource.
pub(super) async fn token(issuer: &Issuer, resource: &str) -> String {
    let [_, (_, header)] = issuer.identity_environment();
    let query = [("api-version", "2019-08-01"), ("resource", resource)];
    let (status, answer) = ask(issuer, &header, &query).await;
    assert_eq!(status, 200, "{answer}");
    answer["access_token"].as_str().expect("is text").to_owned()
}

#[tokio::test]
async fn an_identity_gets_tokens_of_its_own() {
    let issuer = Issuer::start().await;
    issuer.change_directory(|directory| {
        directory.managed_identities[0].app_roles = vec!["api://prynai-mcp/Mcp.Call".to_owned()];
    });
    let [_, (_, header)] = issuer.identity_environment();
    let query = [
        ("api-version", "2019-08-01"),
        ("resource", "api://AzureADTokenExchange"),
        ("client_id", GATEWAY_IDENTITY),
    ];
    let (status, answer) = ask(&issuer, &header, &query).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["client_id"], GATEWAY_IDENTITY);
    let expires = answer["expires_on"]
        .as_str()
        .expect("is text")
        .parse::<i64>();
    assert!(expires.expect("is a number") > now_s() + 3_500);
    let keys = served_keys(&issuer).await;
    let token = answer["access_token"].as_str().expect("is text");
    let exchange = "fb60f99c-7a34-4190-8149-302f77469936";
    let claims = verify(token, &keys, &issuer.issuer_url(), exchange).expect("is good");
    let claims = claims.claims;
    assert_eq!(claims["azp"], GATEWAY_IDENTITY);
    assert_eq!(claims["sub"], claims["oid"]);
    assert!(claims["xms_mirid"].is_string() && claims["scp"].is_null());
    let own = super::managed_identity::token(&issuer, API_URI).await;
    let own = verify(&own, &keys, &issuer.issuer_url(), API).expect("is good");
    assert_eq!(own.claims["roles"], json!(["Mcp.Call"]));
}

#[tokio::test]
async fn nobody_else_gets_them() {
    let issuer = Issuer::start().await;
    let [_, (_, header)] = issuer.identity_environment();
    let right = ("api-version", "2019-08-01");
    let exchange = ("resource", "api://AzureADTokenExchange");
    for (header, query, expected) in [
        ("wrong", vec![right, exchange], 401),
        (&header, vec![("api-version", "2017-09-01"), exchange], 400),
        (&header, vec![right], 400),
        (&header, vec![right, ("resource", "api://another")], 400),
        (&header, vec![right, exchange, ("client_id", API)], 400),
    ] {
        let (status, answer) = ask(&issuer, header, &query).await;
        assert_eq!(status, expected, "{query:?}: {answer}");
    }
}
