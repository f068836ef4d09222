//! The façade of a running fleet: each step at another gateway, behind an https name.

use prynai_dev_issuer::{API_URI, Client as Registered, FederatedCredential, Issuer, Options};
use prynai_test_harness::client::RawClient;
use prynai_test_harness::cluster::Cluster;
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use serde_json::{Value, json};

use super::secrecy::{assert_untold, overheard};
use super::{trusting, whoami};

pub(super) const PUBLIC: &str = "https://mcp.example.com/mcp";
const REDIRECT: &str = "http://127.0.0.1:49152/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its SHA-256, as RFC 7636, appendix B, has it.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REGISTERED: &str = "the-facade";

async fn start() -> (Issuer, Cluster) {
    start_with(&[], &[]).await
}

/// With further arguments and variables of the gateways.
pub(super) async fn start_with(args: &[&str], env: &[(String, String)]) -> (Issuer, Cluster) {
    let issuer = Issuer::start_with(Options {
        auto_approve: true,
        ..Options::default()
    })
    .await;
    issuer.change_directory(|directory| {
        let client = Registered {
            client_id: REGISTERED.to_owned(),
            name: "The façade".to_owned(),
            federated_credentials: vec![FederatedCredential {
                issuer: None,
                subject: directory.managed_identities[0].principal_id.clone(),
                audience: "api://AzureADTokenExchange".to_owned(),
            }],
            web_redirect_uris: vec!["https://mcp.example.com/oauth/callback".to_owned()],
            scopes: directory.clients[0].scopes.clone(),
            ..Registered::default()
        };
        directory.clients.push(client);
    });
    let prefix = format!("{API_URI}/");
    let facade = [
        &["--oauth-facade", "--public-url", PUBLIC][..],
        &["--auth-scope-prefix", &prefix],
        &[
            "--facade-client-id",
            REGISTERED,
            "--facade-identity",
            "default",
        ],
        &["--facade-key", "a key of 32 characters or of more"],
    ]
    .concat();
    let fleet = Cluster::new()
        .gateways(2)
        .env("RUST_LOG", "trace,rmcp=trace");
    let fleet = fleet
        .gateway_args(&trusting(&issuer))
        .gateway_args(&facade)
        .gateway_args(args)
        .gateway_env(&issuer.identity_environment())
        .gateway_env(env);
    (issuer, fleet.start().await)
}

/// A browser that stays where it is sent away from.
fn browser() -> Client {
    let built = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build();
    built.expect("a browser")
}

fn location(response: &Response) -> String {
    let to = response.headers().get(LOCATION);
    let to = to.unwrap_or_else(|| panic!("goes nowhere: {response:?}"));
    to.to_str().expect("is text").to_owned()
}

fn parameter(url: &str, name: &str) -> String {
    let url: Url = url.parse().expect("a URL");
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {url}"))
        .1
        .into_owned()
}

/// The cookies that an answer sets, each of this host alone.
fn cookies(response: &Response) -> String {
    let set = response.headers().get_all(SET_COOKIE).iter();
    let set = set.map(|cookie| cookie.to_str().expect("is text"));
    let pairs = set.map(|cookie| {
        assert!(
            cookie.starts_with("__Host-") && cookie.contains("; Secure"),
            "{cookie}"
        );
        assert!(
            cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"),
            "{cookie}"
        );
        cookie.split(';').next().expect("has a value")
    });
    pairs.collect::<Vec<_>>().join("; ")
}

/// Signs alice in, each step at another gateway. Gives what nobody must see: the issuer's code, and ours.
async fn code(fleet: &Cluster, client: &str) -> (String, String) {
    let browser = browser();
    let parameters = [
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", "mcp.call"),
        ("resource", PUBLIC),
        ("state", "the-state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let authorize = format!("{}/oauth/authorize", fleet.origin(1));
    let authorize = Url::parse_with_params(&authorize, parameters).expect("a URL");
    let page = browser.get(authorize).send().await.expect("an answer");
    let cookie = cookies(&page);
    let page = page.text().await.expect("a page");
    let question = page
        .split("name=\"question\" value=\"")
        .nth(1)
        .expect("a form");
    let question = question.split('"').next().expect("ends");
    let consent = browser
        .post(format!("{}/oauth/consent", fleet.origin(0)))
        .header("Cookie", cookie)
        .header("Origin", "https://mcp.example.com")
        .form(&[("question", question), ("answer", "allow")]);
    let sent = consent.send().await.expect("an answer");
    let cookie = cookies(&sent);
    let issuer = browser
        .get(location(&sent))
        .send()
        .await
        .expect("an answer");
    let callback = location(&issuer);
    let here = callback.replace("https://mcp.example.com", &fleet.origin(1));
    let back = browser.get(here).header("Cookie", cookie).send().await;
    let back = location(&back.expect("an answer"));
    assert_eq!(parameter(&back, "iss"), "https://mcp.example.com/oauth");
    assert_eq!(parameter(&back, "state"), "the-state");
    (parameter(&callback, "code"), parameter(&back, "code"))
}

async fn token(fleet: &Cluster, gateway: usize, fields: &[(&str, &str)]) -> (u16, Value) {
    token_as(fleet, gateway, None, fields).await
}

/// For a client that shows its id and its secret.
pub(super) async fn token_as(
    fleet: &Cluster,
    gateway: usize,
    client: Option<(&str, &str)>,
    fields: &[(&str, &str)],
) -> (u16, Value) {
    let url = format!("{}/oauth/token", fleet.origin(gateway));
    let mut request = browser().post(url).form(fields);
    if let Some((id, secret)) = client {
        request = request.basic_auth(id, Some(secret));
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).expect("is JSON"))
}

#[tokio::test]
async fn any_gateway_serves_any_step_and_a_code_works_once() {
    let (_issuer, mut fleet) = start().await;
    let heard = overheard(&fleet.redis).await;
    let origin = fleet.origin(0);
    let refused = fleet
        .client
        .send(whoami(&fleet.client, &fleet.gateway(0)))
        .await;
    let challenge = refused.headers()["www-authenticate"]
        .to_str()
        .expect("ASCII");
    assert!(challenge.contains("scope=\"mcp.call\""), "{challenge}");
    let resource = format!("{origin}/.well-known/oauth-protected-resource/mcp");
    let resource = fleet.client.get_json(&resource).await;
    assert_eq!(
        resource["authorization_servers"],
        json!(["https://mcp.example.com/oauth"])
    );
    let metadata = format!("{origin}/.well-known/oauth-authorization-server/oauth");
    let metadata = fleet.client.get_json(&metadata).await;
    assert_eq!(metadata["issuer"], "https://mcp.example.com/oauth");
    let asked = json!({ "redirect_uris": [REDIRECT], "grant_types": ["authorization_code", "refresh_token"] });
    let registered = browser()
        .post(format!("{origin}/oauth/register"))
        .header("Content-Type", "application/json")
        .body(asked.to_string())
        .send()
        .await;
    let registered = registered.expect("an answer").text().await.expect("a body");
    let registered: Value = serde_json::from_str(&registered).expect("is JSON");
    let client = registered["client_id"].as_str().expect("is text");
    let (upstream, code) = code(&fleet, client).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ];
    let (one, two) = tokio::join!(token(&fleet, 0, &fields), token(&fleet, 1, &fields));
    let (won, lost) = if one.0 == 200 { (one, two) } else { (two, one) };
    assert_eq!((won.0, lost.0), (200, 400), "{} {}", won.1, lost.1);
    assert_eq!(lost.1["error"], "invalid_grant");
    let access = won.1["access_token"].as_str().expect("a token").to_owned();
    let mcp = RawClient::bearing(&access);
    assert_eq!(
        mcp.send(whoami(&mcp, &fleet.gateway(1))).await.status(),
        200
    );
    // Both had the verifier, so one of them is a thief.
    let refresh = won.1["refresh_token"].as_str().expect("a token").to_owned();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", &refresh),
    ];
    assert_eq!(token(&fleet, 1, &fields).await.0, 400);

    let mut secrets = vec![upstream, code, refresh, VERIFIER.to_owned()];
    secrets.extend(access.split('.').map(str::to_owned));
    assert_untold(&mut fleet, &heard, "once:used.", &secrets).await;
}
