//! Tokens that are wrong in one way each, and tokens in the wrong places: refused, told why, and nothing is queued.

use prynai_dev_issuer::{API, API_URI, Endpoint, INTERACTIVE, SignWith, TokenBuilder, Version};
use serde_json::{Value, json};

use super::{Guarded, assert_refused, whoami};

/// Wrong tokens, and a word of the reason.
fn wrong<'a>(guarded: &'a Guarded) -> Vec<(&'static str, TokenBuilder<'a>, &'static str)> {
    let issuer = &guarded.issuer;
    let token = || issuer.token();
    let foreign = || token().sign_with(SignWith::Foreign);
    let (v2, v1) = (issuer.issuer_url(), issuer.v1_issuer_url());
    let elsewhere = issuer.foreign_keys_url();
    let iss = |text: String| token().claim("iss", text);
    vec![
        (
            "nobody signed it",
            token().sign_with(SignWith::Nobody),
            "RS256",
        ),
        (
            "alg in another case",
            token().header("alg", "None"),
            "RS256",
        ),
        (
            "HS256 with the public key",
            token().sign_with(SignWith::PublicKeyAsSecret),
            "RS256",
        ),
        ("RS512", token().header("alg", "RS512"), "RS256"),
        ("a foreign key under a known name", foreign(), "signature"),
        (
            "jku",
            foreign().header("jku", elsewhere.clone()),
            "signature",
        ),
        (
            "x5u",
            foreign().header("x5u", elsewhere.clone()),
            "signature",
        ),
        (
            "jwk",
            foreign().header("jwk", issuer.foreign_jwk()),
            "signature",
        ),
        ("crit", token().header("crit", json!(["exp"])), "crit"),
        (
            "crit with b64",
            token().header("crit", json!(["b64"])).header("b64", true),
            "crit",
        ),
        ("a logout token", token().header("typ", "logout+jwt"), "typ"),
        ("no kid", token().header("kid", Value::Null), "kid"),
        (
            "an endless kid",
            token().header("kid", "k".repeat(1000)),
            "kid",
        ),
        ("an unknown kid", token().header("kid", "unknown"), "kid"),
        ("issuer in another case", iss(v2.to_uppercase()), "iss"),
        ("issuer with a slash", iss(format!("{v2}/")), "iss"),
        (
            "issuer without its end",
            iss(v2.trim_end_matches("/v2.0").to_owned()),
            "iss",
        ),
        (
            "issuer with more to its host",
            iss(v2.replace("127.0.0.1", "127.0.0.1.evil.example")),
            "iss",
        ),
        (
            "issuers in a list",
            token().claim("iss", json!([v2, "https://evil.example"])),
            "iss",
        ),
        ("no issuer", token().without("iss"), "iss"),
        ("v1", token().version(Version::V1), "v1"),
        ("v1 for a v2 issuer", token().claim("ver", "1.0"), "ver"),
        ("v2 for a v1 issuer", iss(v1), "v1"),
        ("no version", token().without("ver"), "ver"),
        (
            "for another API",
            token().claim("aud", "00000003-0000-0000-c000-000000000000"),
            "aud",
        ),
        (
            "for the API by another name",
            token().claim("aud", API_URI),
            "aud",
        ),
        (
            "audience with a slash",
            token().claim("aud", format!("{API}/")),
            "aud",
        ),
        (
            "audience in another case",
            token().claim("aud", API.to_uppercase()),
            "aud",
        ),
        (
            "audiences in a list",
            token().claim("aud", json!([API])),
            "aud",
        ),
        ("no audience", token().without("aud"), "claims"),
        ("expired", token().expires_in(-61), "expired"),
        ("no end", token().without("exp"), "claims"),
        (
            "an end in words",
            token().claim("exp", "tomorrow"),
            "claims",
        ),
        ("not valid yet", token().not_before_in(180), "yet"),
        ("no tenant", token().without("tid"), "tid"),
        ("nobody", token().without("oid"), "oid"),
        (
            "somebody who is no GUID",
            token().claim("oid", "alice"),
            "oid",
        ),
        ("an id token", token().without("azp").without("scp"), "azp"),
        (
            "client of another version",
            token().without("azp").claim("appid", INTERACTIVE),
            "azp",
        ),
    ]
}

#[tokio::test]
async fn wrong_tokens_are_refused_and_nothing_is_queued() {
    let guarded = Guarded::start().await;
    let queued = guarded.queued().await;
    for (name, token, reason) in wrong(&guarded) {
        let reply = guarded.call_with(&token.jwt()).await;
        assert_eq!(reply.status(), 401, "{name}");
        let error = assert_refused(reply, 401, Some("invalid_token")).await;
        let message = error["message"].as_str().expect("is text");
        assert!(message.contains(reason), "{name}: {message}");
    }
    assert_eq!(guarded.queued().await, queued);
    assert_eq!(guarded.issuer.requests(Endpoint::ForeignKeys), 0);
    assert_eq!(
        guarded
            .call_with(&guarded.issuer.token().jwt())
            .await
            .status(),
        200
    );
    assert_eq!(guarded.queued().await, queued + 1);
}

#[tokio::test]
async fn clocks_may_differ_by_less_than_a_minute() {
    let guarded = Guarded::start().await;
    for token in [
        guarded.issuer.token().expires_in(-20),
        guarded.issuer.token().not_before_in(50),
    ] {
        assert_eq!(guarded.call_with(&token.jwt()).await.status(), 200);
    }
}

#[tokio::test]
async fn what_is_no_token_is_refused_as_one() {
    let guarded = Guarded::start().await;
    let good = guarded.issuer.token().jwt();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, claims, signature] = parts[..] else {
        panic!("{good}")
    };
    for token in [
        "x".to_owned(),
        "..".to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{good}."),
        format!("{good}.x"),
        format!("{header}.{claims}.{}", &signature[1..]),
        format!("{header}.{claims}.{signature}=="),
        format!("{claims}.{header}.{signature}"),
        format!("{header}.{header}.{signature}"),
        format!("{header}.{claims}.{claims}.{claims}.{signature}"),
        "x".repeat(16 * 1024),
        "x".repeat(16 * 1024 + 1),
        guarded
            .issuer
            .token()
            .claim("long", "x".repeat(16 * 1024))
            .jwt(),
    ] {
        let reply = guarded.call_with(&token).await;
        assert_refused(reply, 401, Some("invalid_token")).await;
    }
    assert_eq!(guarded.queued().await, 0);
}

#[tokio::test]
async fn a_token_has_one_place() {
    let guarded = Guarded::start().await;
    let good = guarded.issuer.token().jwt();
    let client = &guarded.fleet.client;
    let absent = [
        guarded.call(),
        guarded.call().basic_auth("alice", Some(&good)),
        guarded.call().header("Authorization", &good),
        guarded
            .call()
            .header("Authorization", format!("Token {good}")),
        guarded
            .call()
            .header("Authorization", format!("DPoP {good}")),
        guarded
            .call()
            .header("Cookie", format!("access_token={good}")),
        guarded
            .call()
            .header("X-Forwarded-Authorization", format!("Bearer {good}")),
    ];
    for request in absent {
        assert_refused(client.send(request).await, 401, None).await;
    }
    let in_url = || whoami(client, &format!("{}?access_token={good}", guarded.url));
    let misplaced = [
        in_url(),
        in_url().bearer_auth(&good),
        guarded.call().bearer_auth(&good).bearer_auth(&good),
        guarded
            .call()
            .bearer_auth(&good)
            .basic_auth("alice", Some("x")),
    ];
    for request in misplaced {
        assert_refused(client.send(request).await, 401, Some("invalid_request")).await;
    }
    for method in ["GET", "DELETE", "PUT"] {
        let request = client.request(method, &guarded.url);
        assert_refused(client.send(request).await, 401, None).await;
    }
    assert_eq!(guarded.queued().await, 0);
    for scheme in ["bearer", "BEARER", "Bearer "] {
        let request = guarded
            .call()
            .header("Authorization", format!("{scheme} {good}"));
        assert_eq!(client.send(request).await.status(), 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_token_that_allows_too_little_is_told_what_it_lacks() {
    let guarded = Guarded::start().await;
    let issuer = &guarded.issuer;
    for token in [
        issuer.token().scopes(&["mcp.read"]),
        issuer.token().scopes(&["mcp.read"]).roles(&["Mcp.Call"]),
        issuer.token().scopes(&["MCP.CALL"]),
        issuer.token().scopes(&["mcp.call.all"]),
        issuer.token().scopes(&[]),
        issuer.token().app_only().roles(&[]),
        issuer.token().app_only().roles(&[]).without("idtyp"),
    ] {
        let reply = guarded.call_with(&token.jwt()).await;
        let challenge = reply.headers()["www-authenticate"]
            .to_str()
            .expect("ASCII")
            .to_owned();
        assert!(challenge.contains("scope=\"api://"), "{challenge}");
        let error = assert_refused(reply, 403, Some("insufficient_scope")).await;
        assert_eq!(error["data"]["scopes"], json!(["mcp.call"]), "{error}");
    }
    assert_eq!(guarded.queued().await, 0);
}
