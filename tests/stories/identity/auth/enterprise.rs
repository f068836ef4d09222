//! People of an enterprise whose identity provider lets them in: its assertions (ID-JAG) are good for tokens of the
//! façade itself, which every gateway takes.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use prynai_dev_issuer::{ClientCertificate, Issuer, SignWith, TokenBuilder};
use prynai_test_harness::client::{RawClient, Reply};
use prynai_test_harness::cluster::Cluster;
use serde_json::{Value, json};
use uuid::Uuid;

use super::facade::{PUBLIC, start_with, token_as};
use super::secrecy::{assert_untold, overheard};
use super::{assert_refused, whoami};

const FACADE: &str = "https://mcp.example.com/oauth";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AGENT: (&str, &str) = ("agent", "the-secret-of-the-agent");

/// A file with a key; gone when it is dropped.
struct KeyFile {
    path: PathBuf,
    /// Nobody else is given its pair while this lives.
    _pair: ClientCertificate,
}

impl KeyFile {
    async fn new() -> Self {
        let pair = tokio::task::spawn_blocking(ClientCertificate::generate).await;
        let pair = pair.expect("a key");
        let name = format!("prynai-key-{}.pem", Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, &pair.key_pem).expect("is written");
        Self { path, _pair: pair }
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("is UTF-8")
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        // A folder of temporary files may keep one.
        let _ = fs::remove_file(&self.path);
    }
}

/// Two gateways that take the assertions of an enterprise.
struct Scene {
    /// The identity provider of the enterprise; the fleet's own issuer is another.
    enterprise: Issuer,
    issuer: Issuer,
    fleet: Cluster,
}

fn signing_keys(files: &[&KeyFile]) -> [(String, String); 1] {
    let paths: Vec<&str> = files.iter().map(|file| file.path()).collect();
    ["PRYNAI_FACADE_SIGNING_KEY".to_owned()].map(|name| (name, paths.join(",")))
}

impl Scene {
    async fn start(key: &KeyFile) -> Self {
        let enterprise = Issuer::start().await;
        let client = format!("{}={},other=another-secret-of-a-client", AGENT.0, AGENT.1);
        let url = enterprise.issuer_url();
        let args = [
            &["--facade-enterprise-issuer", &*url][..],
            &["--facade-enterprise-client", &client],
        ]
        .concat();
        let (issuer, fleet) = start_with(&args, &signing_keys(&[key])).await;
        Self {
            enterprise,
            issuer,
            fleet,
        }
    }

    /// A good assertion.
    fn assertion(&self) -> TokenBuilder<'_> {
        of(&self.enterprise)
    }

    async fn redeem(&self, gateway: usize, assertion: &str) -> (u16, Value) {
        self.redeem_as(gateway, Some(AGENT), assertion, &[]).await
    }

    async fn redeem_as(
        &self,
        gateway: usize,
        client: Option<(&str, &str)>,
        assertion: &str,
        more: &[(&str, &str)],
    ) -> (u16, Value) {
        let fields = [&[("grant_type", GRANT), ("assertion", assertion)], more].concat();
        token_as(&self.fleet, gateway, client, &fields).await
    }

    async fn call(&self, gateway: usize, token: &str) -> Reply {
        let mcp = RawClient::bearing(token);
        mcp.send(whoami(&mcp, &self.fleet.gateway(gateway))).await
    }
}

fn of(enterprise: &Issuer) -> TokenBuilder<'_> {
    let assertion = enterprise.token().user("alice").id_jag(FACADE, AGENT.0);
    assertion
        .claim("resource", PUBLIC)
        .claim("scope", "mcp.call mcp.read")
}

fn access(said: &Value) -> String {
    let token = said["access_token"].as_str();
    token
        .unwrap_or_else(|| panic!("no token: {said}"))
        .to_owned()
}

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).expect("has three parts");
    let json = BASE64_URL_SAFE_NO_PAD.decode(part).expect("is Base64url");
    serde_json::from_slice(&json).expect("is JSON")
}

#[tokio::test]
async fn a_person_of_an_enterprise_calls_without_being_asked() {
    let key = KeyFile::new().await;
    let mut scene = Scene::start(&key).await;
    let heard = overheard(&scene.fleet.redis).await;
    let metadata = format!(
        "{}/.well-known/oauth-authorization-server/oauth",
        scene.fleet.origin(1)
    );
    let metadata = scene.fleet.client.get_json(&metadata).await;
    let grants = metadata["grant_types_supported"]
        .as_array()
        .expect("is a list");
    assert!(grants.contains(&json!(GRANT)), "{metadata}");
    assert_eq!(
        metadata["authorization_grant_profiles_supported"],
        json!(["urn:ietf:params:oauth:grant-profile:id-jag"])
    );
    assert_eq!(metadata["jwks_uri"], format!("{FACADE}/jwks"));

    let assertion = scene.assertion().jwt();
    let (status, said) = scene.redeem(0, &assertion).await;
    assert_eq!(status, 200, "{said}");
    assert_eq!(
        (&said["expires_in"], &said["scope"]),
        (&json!(900), &json!("mcp.call mcp.read"))
    );
    assert!(said["refresh_token"].is_null(), "{said}");
    let token = access(&said);
    let reply = scene.call(1, &token).await;
    assert_eq!(reply.status(), 200);
    let caller = reply.response().await["result"]["structuredContent"].clone();
    let sub = part(&assertion, 1)["sub"]
        .as_str()
        .expect("is text")
        .to_owned();
    let enterprise = scene.enterprise.issuer_url();
    assert_eq!(
        caller["subject"],
        format!("enterprise:{enterprise}#{sub}"),
        "{caller}"
    );

    // Anybody can check the token.
    let published = format!("{}/oauth/jwks", scene.fleet.origin(0));
    let published = scene.fleet.client.get_json(&published).await;
    assert_eq!(published["keys"][0]["kid"], part(&token, 0)["kid"]);
    assert_eq!(part(&token, 0)["typ"], "at+jwt");
    assert_eq!(part(&token, 1)["aud"], PUBLIC);

    let less = [("scope", "mcp.call"), ("resource", PUBLIC)];
    let other = scene.assertion().jwt();
    let (status, said) = scene.redeem_as(1, Some(AGENT), &other, &less).await;
    assert_eq!(
        (status, &said["scope"]),
        (200, &json!("mcp.call")),
        "{said}"
    );

    // Nor is anything told of what is refused: shown again, forged, too old, or by somebody who guesses.
    let forged = scene.assertion().sign_with(SignWith::Foreign).jwt();
    let old = scene.assertion().expires_in(-3_600).jwt();
    for refused in [&assertion, &forged, &old] {
        assert_eq!(scene.redeem(0, refused).await.0, 400);
    }
    let unused = scene.assertion().jwt();
    let guess = "a-secret-that-somebody-guesses";
    let (status, refused) = scene
        .redeem_as(1, Some((AGENT.0, guess)), &unused, &[])
        .await;
    assert_eq!(status, 401, "{refused}");

    let mut secrets = vec![AGENT.1.to_owned(), guess.to_owned()];
    for secret in [
        &assertion,
        &other,
        &token,
        &access(&said),
        &forged,
        &old,
        &unused,
    ] {
        // The headers are the same for all tokens, and no secret.
        secrets.extend(secret.split('.').skip(1).map(str::to_owned));
    }
    assert_untold(&mut scene.fleet, &heard, "once:jag.", &secrets).await;
}

#[tokio::test]
async fn an_assertion_works_once_in_the_whole_fleet() {
    let key = KeyFile::new().await;
    let scene = Scene::start(&key).await;
    for _ in 0..5 {
        let assertion = scene.assertion().jwt();
        let all = tokio::join!(
            scene.redeem(0, &assertion),
            scene.redeem(1, &assertion),
            scene.redeem(0, &assertion),
            scene.redeem(1, &assertion),
        );
        let all = [all.0, all.1, all.2, all.3];
        let given = all.iter().filter(|(status, _)| *status == 200).count();
        assert_eq!(given, 1, "{all:?}");
        for (status, said) in all.iter().filter(|(status, _)| *status != 200) {
            assert_eq!(
                (*status, &said["error"]),
                (400, &json!("invalid_grant")),
                "{said}"
            );
        }
    }
    // Two issuers may use the same name; one may not, whatever else it changes.
    let id = Uuid::new_v4().to_string();
    let named = |scope: &str| {
        scene
            .assertion()
            .claim("jti", &*id)
            .claim("scope", scope)
            .jwt()
    };
    assert_eq!(scene.redeem(0, &named("mcp.call")).await.0, 200);
    assert_eq!(scene.redeem(1, &named("mcp.call mcp.read")).await.0, 400);
}

#[tokio::test]
async fn an_assertion_that_is_wrong_in_anything_is_refused() {
    let key = KeyFile::new().await;
    let scene = Scene::start(&key).await;
    let good = || scene.assertion();
    let foreign = of(&scene.issuer);
    for (why, assertion) in [
        ("typ", good().header("typ", "JWT")),
        ("no typ", good().header("typ", Value::Null)),
        ("access token", good().header("typ", "at+jwt")),
        ("none", good().sign_with(SignWith::Nobody)),
        ("HS256", good().sign_with(SignWith::PublicKeyAsSecret)),
        ("foreign key", good().sign_with(SignWith::Foreign)),
        ("kid", good().header("kid", "another")),
        ("crit", good().header("crit", json!(["exp"]))),
        ("issuer not on the list", foreign),
        ("issuer", good().claim("iss", FACADE)),
        ("audience", good().claim("aud", PUBLIC)),
        (
            "audiences",
            good().claim("aud", json!([FACADE, "https://other.example"])),
        ),
        ("no audience", good().without("aud")),
        (
            "resource",
            good().claim("resource", "https://other.example/mcp"),
        ),
        ("no resource", good().without("resource")),
        ("client", good().claim("client_id", "other")),
        ("no client", good().without("client_id")),
        ("expired", good().expires_in(-61)),
        ("too long", good().expires_in(3600 + 120)),
        ("no exp", good().without("exp")),
        ("not yet", good().claim("nbf", 4_000_000_000_u64)),
        ("future", good().claim("iat", 4_000_000_000_u64)),
        ("no iat", good().without("iat")),
        ("no jti", good().without("jti")),
        ("no sub", good().without("sub")),
        ("bound", good().claim("cnf", json!({ "jkt": "x" }))),
    ] {
        let (status, said) = scene.redeem(0, &assertion.jwt()).await;
        assert_eq!(
            (status, &said["error"]),
            (400, &json!("invalid_grant")),
            "{why}: {said}"
        );
    }
    for (own, asked) in [
        ("mcp.read", None),
        ("", None),
        ("mcp.call", Some("mcp.call mcp.admin")),
    ] {
        let assertion = good().claim("scope", own).jwt();
        let asked: Vec<(&str, &str)> = asked.map(|asked| ("scope", asked)).into_iter().collect();
        let (status, said) = scene.redeem_as(0, Some(AGENT), &assertion, &asked).await;
        assert_eq!(
            (status, &said["error"]),
            (400, &json!("invalid_scope")),
            "{own}: {said}"
        );
    }
    let assertion = good().jwt();
    for client in [
        None,
        Some(("agent", "")),
        Some(("agent", "another-secret-of-a-client")),
        Some(("stranger", AGENT.1)),
    ] {
        let (status, said) = scene.redeem_as(0, client, &assertion, &[]).await;
        assert_eq!(
            (status, &said["error"]),
            (401, &json!("invalid_client")),
            "{client:?}: {said}"
        );
    }
    let other = Some(("other", "another-secret-of-a-client"));
    let (status, said) = scene.redeem_as(0, other, &assertion, &[]).await;
    assert_eq!(
        (status, &said["error"]),
        (400, &json!("invalid_grant")),
        "{said}"
    );
    let elsewhere = [("resource", "https://other.example/mcp")];
    let (status, said) = scene
        .redeem_as(0, Some(AGENT), &assertion, &elsewhere)
        .await;
    assert_eq!(
        (status, &said["error"]),
        (400, &json!("invalid_target")),
        "{said}"
    );
    // None of all that has used it up; and it is no token of its own.
    assert_refused(scene.call(0, &assertion).await, 401, Some("invalid_token")).await;
    assert_eq!(scene.redeem(1, &assertion).await.0, 200);
    // What the identity provider gives for itself is no token here either.
    let other = scene.enterprise.token().jwt();
    assert_refused(scene.call(0, &other).await, 401, Some("invalid_token")).await;
}

#[tokio::test]
async fn the_key_that_signs_is_replaced_while_the_fleet_works() {
    let (old, new) = (KeyFile::new().await, KeyFile::new().await);
    let mut scene = Scene::start(&old).await;
    let token = async |scene: &Scene, gateway| {
        let (status, said) = scene.redeem(gateway, &scene.assertion().jwt()).await;
        assert_eq!(status, 200, "{said}");
        access(&said)
    };
    let by_old = token(&scene, 0).await;
    // Both know the new one, then one after the other signs with it, then the old one goes.
    for files in [&[&old, &new][..], &[&new, &old]] {
        for gateway in 0..2 {
            scene.fleet.gateway_process(gateway).kill().await;
            let keys = signing_keys(files);
            scene.fleet.replace_gateway_as(gateway, &keys).await;
            for signs in 0..2 {
                let token = token(&scene, signs).await;
                for takes in 0..2 {
                    let status = scene.call(takes, &token).await.status();
                    assert_eq!(status, 200, "{signs} {takes}");
                }
            }
        }
    }
    let by_new = token(&scene, 0).await;
    assert_ne!(part(&by_old, 0)["kid"], part(&by_new, 0)["kid"]);
    assert_eq!(scene.call(1, &by_old).await.status(), 200);
    scene.fleet.gateway_process(1).kill().await;
    let keys = signing_keys(&[&new]);
    scene.fleet.replace_gateway_as(1, &keys).await;
    assert_refused(scene.call(1, &by_old).await, 401, Some("invalid_token")).await;
    assert_eq!(scene.call(1, &by_new).await.status(), 200);
    // The keys of the enterprise change too.
    scene.enterprise.rotate().await;
    assert_eq!(scene.redeem(1, &scene.assertion().jwt()).await.0, 200);
}
