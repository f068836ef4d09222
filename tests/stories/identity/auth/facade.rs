//! The façade of a running fleet: each step at another gateway, behind an https name.

mod keys;
mod outage;
mod pages;
mod secrecy;

use std::collections::BTreeMap;

use prynai_dev_issuer::{API_URI, Client as Registered, FederatedCredential, Issuer, Options};
use prynai_test_harness::client::RawClient;
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde_json::{Value, json};

use super::{trusting, whoami};

pub(super) const PUBLIC: &str = "https://mcp.example.com/mcp";
const REDIRECT: &str = "http://127.0.0.1:49152/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Its SHA-256, as RFC 7636, appendix B, has it.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REGISTERED: &str = "the-facade";
const KEY: &str = "a key of 32 characters or of more";

/// With further arguments and variables of the gateways.
pub(super) async fn start_with(args: &[&str], env: &[(String, String)]) -> (Issuer, Cluster) {
    let (issuer, plan) = plan(args, env).await;
    (issuer, plan.start().await)
}

/// Two gateways, and an issuer that signs alice in without asking her.
async fn plan(args: &[&str], env: &[(String, String)]) -> (Issuer, ClusterPlan) {
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
    ]
    .concat();
    let plan = Cluster::new()
        .gateways(2)
        .env("RUST_LOG", "trace,rmcp=trace")
        .gateway_args(&trusting(&issuer))
        .gateway_args(&facade)
        .gateway_args(args)
        .gateway_env(&issuer.identity_environment())
        .gateway_env(&keys(KEY))
        .gateway_env(env);
    (issuer, plan)
}

/// The façade's keys, in the environment of a gateway.
fn keys(keys: &str) -> [(String, String); 1] {
    [("PRYNAI_FACADE_KEY".to_owned(), keys.to_owned())]
}

/// A client that stays where it is sent away from.
fn http() -> Client {
    let built = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build();
    built.expect("a client")
}

/// Somebody's browser. Each step may be at another gateway, so it keeps cookies for all of them.
struct Browser {
    http: Client,
    cookies: BTreeMap<String, String>,
    /// What nobody else may see: cookies, forms, and codes on their way.
    secrets: Vec<String>,
}

impl Browser {
    fn new() -> Self {
        Self {
            http: http(),
            cookies: BTreeMap::new(),
            secrets: Vec::new(),
        }
    }

    async fn send(&mut self, request: RequestBuilder) -> Response {
        let cookies = self.cookies.iter();
        let cookies: Vec<String> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let request = request.header("Cookie", cookies.join("; "));
        let response = request.send().await.expect("an answer");
        self.keep_cookies(&response);
        response
    }

    /// Keeps the cookies that an answer sets, each of this host alone.
    fn keep_cookies(&mut self, response: &Response) {
        for cookie in response.headers().get_all(SET_COOKIE) {
            let cookie = cookie.to_str().expect("is text");
            assert!(
                cookie.starts_with("__Host-") && cookie.contains("; Secure"),
                "{cookie}"
            );
            assert!(
                cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"),
                "{cookie}"
            );
            let pair = cookie.split(';').next().expect("has a value");
            let (name, value) = pair.split_once('=').expect("has a name");
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.secrets.push(value.to_owned());
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// The client asks for a code.
    async fn authorize(&mut self, fleet: &Cluster, gateway: usize, client: &str) -> Response {
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
        let url = format!("{}/oauth/authorize", fleet.origin(gateway));
        let url = Url::parse_with_params(&url, parameters).expect("a URL");
        let request = self.http.get(url);
        self.send(request).await
    }

    /// The person agrees.
    async fn agree(&mut self, fleet: &Cluster, gateway: usize, page: Response) -> Response {
        assert_eq!(page.status(), StatusCode::OK, "nobody is asked");
        let page = page.text().await.expect("a page");
        let begin = "name=\"question\" value=\"";
        let question = page.split(begin).nth(1).expect("a form");
        let question = question.split('"').next().expect("ends");
        self.secrets.push(question.to_owned());
        let url = format!("{}/oauth/consent", fleet.origin(gateway));
        let consent = self
            .http
            .post(url)
            .header("Origin", "https://mcp.example.com");
        let consent = consent.form(&[("question", question), ("answer", "allow")]);
        self.send(consent).await
    }

    /// The issuer signs the person in; gives the URL that leads back.
    async fn sign_in(&mut self, sent: &Response) -> String {
        let signed_in = self.http.get(location(sent)).send().await;
        let callback = location(&signed_in.expect("an answer"));
        self.secrets.push(parameter(&callback, "code"));
        callback
    }

    /// Comes back from the issuer; gives where the browser is sent with that.
    async fn come_back(&mut self, fleet: &Cluster, gateway: usize, callback: &str) -> String {
        let here = callback.replace("https://mcp.example.com", &fleet.origin(gateway));
        let request = self.http.get(here);
        let back = location(&self.send(request).await);
        assert!(back.starts_with(REDIRECT), "{back}");
        assert_eq!(parameter(&back, "iss"), "https://mcp.example.com/oauth");
        assert_eq!(parameter(&back, "state"), "the-state");
        back
    }

    /// Signs alice in, each step at another gateway, and gives the code.
    async fn code(&mut self, fleet: &Cluster, client: &str) -> String {
        let asked = self.authorize(fleet, 1, client).await;
        let sent = match asked.status() {
            StatusCode::OK => self.agree(fleet, 0, asked).await,
            _ => asked,
        };
        let callback = self.sign_in(&sent).await;
        let code = parameter(&self.come_back(fleet, 1, &callback).await, "code");
        self.secrets.push(code.clone());
        code
    }
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

/// A client registers, and gives its id.
async fn register(fleet: &Cluster, gateway: usize) -> String {
    let asked = json!({ "redirect_uris": [REDIRECT], "grant_types": ["authorization_code", "refresh_token"] });
    let sent = http()
        .post(format!("{}/oauth/register", fleet.origin(gateway)))
        .header("Content-Type", "application/json")
        .body(asked.to_string());
    let (status, said) = answer(sent).await;
    assert_eq!(status, 201, "{said}");
    said["client_id"].as_str().expect("is text").to_owned()
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
    let mut request = http().post(url).form(fields);
    if let Some((id, secret)) = client {
        request = request.basic_auth(id, Some(secret));
    }
    answer(request).await
}

async fn answer(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The fields that redeem a code.
fn redeeming<'a>(client: &'a str, code: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

/// The fields that redeem a refresh token.
fn refreshing<'a>(client: &'a str, token: &'a str) -> [(&'a str, &'a str); 3] {
    [
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", token),
    ]
}

fn text(said: &Value, name: &str) -> String {
    let text = said[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {said}"))
        .to_owned()
}

#[tokio::test]
async fn any_gateway_serves_any_step_and_a_code_works_once() {
    let (_issuer, fleet) = start_with(&[], &[]).await;
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
    let client = register(&fleet, 0).await;
    let code = Browser::new().code(&fleet, &client).await;
    let fields = redeeming(&client, &code);
    let (one, two) = tokio::join!(token(&fleet, 0, &fields), token(&fleet, 1, &fields));
    let (won, lost) = if one.0 == 200 { (one, two) } else { (two, one) };
    assert_eq!((won.0, lost.0), (200, 400), "{} {}", won.1, lost.1);
    assert_eq!(lost.1["error"], "invalid_grant");
    let mcp = RawClient::bearing(&text(&won.1, "access_token"));
    assert_eq!(
        mcp.send(whoami(&mcp, &fleet.gateway(1))).await.status(),
        200
    );
    // Both had the verifier, so one of them is a thief.
    let refresh = text(&won.1, "refresh_token");
    let fields = refreshing(&client, &refresh);
    assert_eq!(token(&fleet, 1, &fields).await.0, 400);
}
