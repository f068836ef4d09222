//! Any other OpenID Connect issuer: keys by discovery, claims by RFC 9068.

use prynai_dev_issuer::{API, Endpoint, Fault, Issuer, TokenBuilder};
use prynai_test_harness::cluster::Cluster;
use serde_json::{Map, json};

use super::{Guarded, assert_refused};

async fn guarded() -> Guarded {
    let issuer = Issuer::start().await;
    let name = issuer.issuer_url();
    let args = [
        "--auth",
        "oidc",
        "--auth-issuer",
        &name,
        "--auth-audience",
        API,
        "--auth-scope",
        "mcp.call",
    ];
    let fleet = Cluster::new().gateway_args(&args).start().await;
    let url = fleet.gateway(0);
    Guarded { issuer, fleet, url }
}

/// A token as RFC 9068 wants it, without what only Entra writes.
fn token(issuer: &Issuer) -> TokenBuilder<'_> {
    ["tid", "oid", "ver", "azp", "scp", "roles", "idtyp"]
        .into_iter()
        .fold(issuer.token(), TokenBuilder::without)
        .header("typ", "at+jwt")
        .claim("sub", "alice")
        .claim("client_id", "app")
        .claim("scope", "openid mcp.call")
}

#[tokio::test]
async fn tokens_of_any_issuer_are_taken() {
    let guarded = guarded().await;
    let issuer = &guarded.issuer;
    let caller = guarded.caller(&token(issuer).jwt()).await;
    let subject = format!("{}#alice", issuer.issuer_url());
    assert_eq!(
        caller,
        json!({ "subject": subject, "kind": "user", "client": "app", "scopes": ["mcp.call", "openid"], "roles": [] })
    );
    let listed = token(issuer).claim("aud", json!(["https://other.example", API]));
    let listed = listed.without("scope").claim("scp", json!(["mcp.call"]));
    assert_eq!(guarded.caller(&listed.jwt()).await["subject"], subject);
    let app = guarded
        .caller(&token(issuer).claim("sub", "app").jwt())
        .await;
    assert_eq!(app["kind"], "app");
    let less = token(issuer).claim("scope", "openid").jwt();
    assert_refused(
        guarded.call_with(&less).await,
        403,
        Some("insufficient_scope"),
    )
    .await;
    for wrong in [
        token(issuer).claim("aud", json!([])),
        token(issuer).claim("aud", json!(["https://other.example"])),
        token(issuer).without("sub"),
        token(issuer).claim("iss", issuer.v1_issuer_url()),
        token(issuer).expires_in(-61),
    ] {
        assert_refused(
            guarded.call_with(&wrong.jwt()).await,
            401,
            Some("invalid_token"),
        )
        .await;
    }
    let challenge = guarded.fleet.client.send(guarded.call()).await;
    let challenge = challenge.headers()["www-authenticate"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert!(challenge.ends_with(r#"scope="mcp.call""#), "{challenge}");
}

#[tokio::test]
async fn metadata_that_cannot_be_right_are_not_taken() {
    for (name, value) in [
        ("issuer", json!("https://evil.example")),
        ("jwks_uri", json!("http://evil.example/keys")),
        ("jwks_uri", json!(null)),
    ] {
        let issuer = Issuer::start().await;
        let changes = Map::from_iter([(name.to_owned(), value)]);
        issuer.misbehave(Endpoint::Metadata, Fault::Changed(changes));
        let (url, flags) = (
            issuer.issuer_url(),
            ["--auth", "oidc", "--auth-audience", API],
        );
        let fleet = Cluster::new().workers(0).gateway_args(&flags);
        let fleet = fleet.gateway_args(&["--auth-issuer", &url]).start().await;
        let url = fleet.gateway(0);
        let guarded = Guarded { issuer, fleet, url };
        let reply = guarded.call_with(&token(&guarded.issuer).jwt()).await;
        assert_eq!(reply.status(), 503, "{name}");
        assert_eq!(guarded.issuer.requests(Endpoint::Keys), 0);
    }
}
