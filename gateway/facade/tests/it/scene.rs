//! Two gateways with one façade, the issuer behind them, and a browser and a client in front.

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use prynai_dev_issuer::{API_URI, Client, Issuer, Options};
use prynai_memory_bus::MemoryBus;
use prynai_oauth_facade::{Facade, FacadeSettings, Place};
use reqwest::{Response, StatusCode, Url};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

pub(crate) const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-section-4.1";
pub(crate) const REDIRECT: &str = "http://127.0.0.1:49152/callback";
pub(crate) const REGISTERED: &str = "the-facade";
const SECRET: &str = "secret-of-the-facade";

/// Parameters by their names.
pub(crate) type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// What a test has.
pub(crate) struct Scene {
    pub(crate) issuer: Issuer,
    /// The origins of two gateways; the first is the one that everybody is sent to.
    pub(crate) gateways: [String; 2],
    settings: FacadeSettings,
    place: Place,
    bus: Arc<MemoryBus>,
    prepare: Prepare,
}

/// What is done to a façade before it serves.
type Prepare = Box<dyn Fn(Facade) -> Facade>;

impl Scene {
    /// Alice is signed in without being asked.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    pub(crate) async fn start_with(change: impl FnOnce(&mut FacadeSettings)) -> Self {
        Self::start_at(Options::default(), change).await
    }

    /// In front of such an issuer.
    pub(crate) async fn start_at(
        options: Options,
        change: impl FnOnce(&mut FacadeSettings),
    ) -> Self {
        let change = |settings: &mut FacadeSettings, _: &mut Place| change(settings);
        Self::start_as(options, change, Box::new(|facade| facade)).await
    }

    /// In another place, and with façades to which this is done before they serve.
    pub(crate) async fn start_as(
        options: Options,
        change: impl FnOnce(&mut FacadeSettings, &mut Place),
        prepare: Prepare,
    ) -> Self {
        let issuer = Issuer::start_with(Options {
            auto_approve: true,
            ..options
        })
        .await;
        issuer.change_directory(|directory| {
            let client = Client {
                client_id: REGISTERED.to_owned(),
                name: "The façade".to_owned(),
                secret: Some(SECRET.to_owned()),
                web_redirect_uris: vec!["http://127.0.0.1/oauth/callback".to_owned()],
                scopes: directory.clients[0].scopes.clone(),
                ..Client::default()
            };
            directory.clients.push(client);
        });
        let mut settings = FacadeSettings {
            oauth_facade: true,
            facade_client_id: Some(REGISTERED.to_owned()),
            facade_client_secret: Some(SECRET.to_owned().into()),
            facade_key: vec!["k".repeat(32).into()],
            ..FacadeSettings::default()
        };
        let bus = MemoryBus::new(prynai_bus::BusLimits::default());
        let listeners = [listener().await, listener().await];
        let gateways = [0, 1].map(|n: usize| {
            let address = listeners[n].local_addr().expect("is bound");
            format!("http://{address}")
        });
        let mut place = Place {
            public_url: format!("{}/mcp", gateways[0]),
            upstream: issuer.issuer_url(),
            roots: None,
            scope_prefix: format!("{API_URI}/"),
            upstream_resource: None,
            is_strict: false,
            exchange_audience: "api://AzureADTokenExchange".to_owned(),
            scopes: vec!["mcp.call".to_owned()],
        };
        change(&mut settings, &mut place);
        let scene = Self {
            issuer,
            gateways,
            settings,
            place,
            bus,
            prepare,
        };
        for listener in listeners {
            scene.serve(listener);
        }
        scene
    }

    fn serve(&self, listener: TcpListener) {
        let (once, limiter) = (Arc::clone(&self.bus), Arc::clone(&self.bus));
        let facade = Facade::new(&self.settings, self.place.clone(), once, limiter, None);
        let facade = (self.prepare)(facade.expect("is set up"));
        tokio::spawn(axum::serve(listener, facade.router::<()>()).into_future());
    }

    /// The second gateway starts again with other settings, at another port.
    pub(crate) async fn change_second(&mut self, change: impl FnOnce(&mut FacadeSettings)) {
        change(&mut self.settings);
        let listener = listener().await;
        let address = listener.local_addr().expect("is bound");
        self.gateways[1] = format!("http://{address}");
        self.serve(listener);
    }

    /// A URL at the first gateway.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.gateways[0])
    }

    /// Registers a client and gives its id.
    pub(crate) async fn register(&self) -> String {
        let metadata = json!({
            "client_name": "A client", "redirect_uris": [REDIRECT],
            "grant_types": ["authorization_code", "refresh_token"],
        });
        let (status, said) = self.register_as(&metadata).await;
        assert_eq!(status, StatusCode::CREATED, "{said}");
        said["client_id"].as_str().expect("is text").to_owned()
    }

    pub(crate) async fn register_as(&self, metadata: &Value) -> (StatusCode, Value) {
        let sent = http().post(self.at("/oauth/register")).json(metadata);
        json_of(sent.send().await.expect("an answer")).await
    }

    /// A good request for a code, with these parameters changed; an empty value leaves one out.
    pub(crate) fn authorize_url(&self, client: &str, changes: &[(&str, &str)]) -> Url {
        let challenge = challenge();
        let resource = self.at("/mcp");
        let mut parameters: Pairs<'_> = vec![
            ("client_id", client),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "mcp.call"),
            ("resource", &resource),
            ("state", "a state & more"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        changed(&mut parameters, changes);
        Url::parse_with_params(&self.at("/oauth/authorize"), parameters).expect("a URL")
    }

    /// Signs in with a browser that agrees, and gives the code.
    pub(crate) async fn code(&self, browser: &reqwest::Client, client: &str) -> String {
        let asked = get(browser, self.authorize_url(client, &[])).await;
        let sent = match asked.status() {
            StatusCode::OK => {
                self.answer(browser, &asked.text().await.expect("a page"), "allow")
                    .await
            }
            _ => asked,
        };
        let back = self.through_issuer(browser, sent).await;
        sent_to(&back, REDIRECT, "code")
    }

    /// What the browser is sent back with, after it was sent to the issuer.
    pub(crate) async fn through_issuer(
        &self,
        browser: &reqwest::Client,
        sent: Response,
    ) -> Response {
        let to = location(&sent);
        assert!(to.as_str().starts_with(self.issuer.base_url()), "{to}");
        let callback = location(&get(browser, to).await);
        assert!(
            callback.as_str().starts_with(&self.at("/oauth/callback?")),
            "{callback}"
        );
        get(browser, callback).await
    }

    /// Presses a button of the page.
    pub(crate) async fn answer(
        &self,
        browser: &reqwest::Client,
        page: &str,
        button: &str,
    ) -> Response {
        let form = [("question", question(page)), ("answer", button)];
        let sent = browser
            .post(self.at("/oauth/consent"))
            .header("origin", &self.gateways[0])
            .form(&form);
        sent.send().await.expect("an answer")
    }

    /// Asks the token endpoint of a gateway.
    pub(crate) async fn token(
        &self,
        gateway: usize,
        fields: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let url = format!("{}/oauth/token", self.gateways[gateway]);
        let sent = http().post(url).form(fields).send().await;
        json_of(sent.expect("an answer")).await
    }

    /// Redeems a code, with these fields changed; an empty value leaves one out.
    pub(crate) async fn redeem(
        &self,
        gateway: usize,
        client: &str,
        code: &str,
        changes: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let mut fields: Pairs<'_> = vec![
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        changed(&mut fields, changes);
        self.token(gateway, &fields).await
    }

    pub(crate) async fn refresh(
        &self,
        gateway: usize,
        client: &str,
        token: &str,
        more: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let mut fields: Pairs<'_> = vec![
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", token),
        ];
        fields.extend(more);
        self.token(gateway, &fields).await
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

fn changed<'a>(pairs: &mut Pairs<'a>, changes: &[(&'a str, &'a str)]) {
    pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
}

/// A browser that goes where it is told to go, and remembers cookies.
pub(crate) fn browser() -> reqwest::Client {
    let stays = reqwest::redirect::Policy::none();
    let built = builder().redirect(stays).cookie_store(true).build();
    built.expect("a browser")
}

/// A program.
pub(crate) fn http() -> reqwest::Client {
    builder().build().expect("a client")
}

fn builder() -> reqwest::ClientBuilder {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

pub(crate) async fn get(browser: &reqwest::Client, url: Url) -> Response {
    browser.get(url).send().await.expect("an answer")
}

pub(crate) async fn json_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// The challenge that goes with the verifier.
pub(crate) fn challenge() -> String {
    BASE64.encode(Sha256::digest(VERIFIER))
}

/// Where a browser is sent.
pub(crate) fn location(response: &Response) -> Url {
    let to = response.headers().get("location");
    let to = to.unwrap_or_else(|| panic!("goes nowhere: {response:?}"));
    Url::parse(to.to_str().expect("is text")).expect("is a URL")
}

pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    let found = url.query_pairs().find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

/// One parameter of where a browser is sent, which is this place.
pub(crate) fn sent_to(response: &Response, place: &str, name: &str) -> String {
    let to = location(response);
    assert!(to.as_str().starts_with(&format!("{place}?")), "{to}");
    parameter(&to, name).unwrap_or_else(|| panic!("no {name} in {to}"))
}

/// What the form of the page brings back.
pub(crate) fn question(page: &str) -> &str {
    let begin = "name=\"question\" value=\"";
    let rest = page
        .split_once(begin)
        .unwrap_or_else(|| panic!("no form in {page}"))
        .1;
    rest.split('"').next().expect("ends")
}
