//! Client id metadata documents (draft-ietf-oauth-client-id-metadata-document): a client whose id is the URL of a
//! document that says who it is. Whoever sends us such an id decides what we fetch, so [`fetch`] asks only the public
//! Internet.

pub(crate) mod fetch;
mod memory;
mod public;
mod turns;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::Deserialize;
use url::{Host, Url};

use crate::clients::client::{Client, MOST_OF_ID, NamedBy, name};
use crate::clients::redirects::RedirectUri;
use crate::refusal::Refusal;
use crate::sealed::digest;
use fetch::{Fetcher, Missing};
use memory::{Found, Look, Memory};
use tokio::sync::watch;

/// Redirect URIs of one client.
const MOST_URIS: usize = 20;

/// What counts of a document. All else asks for nothing.
#[derive(Deserialize)]
struct Document {
    client_id: String,
    client_name: Option<String>,
    redirect_uris: Vec<String>,
    grant_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    client_secret: Option<serde::de::IgnoredAny>,
}

/// Knows clients by their documents.
pub(crate) struct Documents {
    fetcher: Fetcher,
    memory: Mutex<Memory>,
    /// What is being fetched, by URL; whoever wants the same waits until it is there.
    under_way: Mutex<HashMap<String, watch::Receiver<()>>>,
}

/// One fetch. It is over when this is dropped.
struct Fetch<'a> {
    documents: &'a Documents,
    url: &'a Url,
    _over: watch::Sender<()>,
}

/// The URL that a client id is, if it may be one (section 3 of the draft).
pub(crate) fn url_of(id: &str) -> Option<Url> {
    if id.len() > MOST_OF_ID || !id.starts_with("https://") {
        return None;
    }
    let url = Url::parse(id).ok()?;
    let is_named = matches!(url.host(), Some(Host::Domain(name)) if name.contains('.'));
    let has_path = url.path().len() > 1;
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.port().is_none();
    let has_user = !url.username().is_empty() || url.password().is_some();
    // One URL has one spelling, so that nobody takes it for another one.
    (is_named && has_path && is_bare && !has_user && url.as_str() == id).then_some(url)
}

impl Documents {
    pub(crate) fn new(fetcher: Fetcher) -> Self {
        Self {
            fetcher,
            memory: Mutex::default(),
            under_way: Mutex::default(),
        }
    }

    /// The client whose document is at `url`; `None` if there is none that can be used.
    ///
    /// # Errors
    ///
    /// When nobody can say that now.
    pub(crate) async fn client(&self, url: &Url) -> Result<Option<Client>, Refusal> {
        let old = match self.memory().look(url, Instant::now()) {
            Look::Fresh(found) => return told(found),
            Look::Old(client) => Some(client),
            Look::Nothing => None,
        };
        match (self.begin(url), old) {
            (Ok(_fetch), old) => self.fetch(url, old).await,
            (Err(_), Some(client)) => Ok(Some(client)),
            (Err(mut under_way), None) => {
                // An error means that it is over, too.
                let _ = under_way.changed().await;
                match self.memory().look(url, Instant::now()) {
                    Look::Fresh(found) => told(found),
                    Look::Old(client) => Ok(Some(client)),
                    Look::Nothing => Err(busy()),
                }
            }
        }
    }

    /// Begins a fetch, or waits for the end of one that is under way.
    fn begin<'a>(&'a self, url: &'a Url) -> Result<Fetch<'a>, watch::Receiver<()>> {
        let mut all = self.under_way();
        if let Some(over) = all.get(url.as_str()) {
            return Err(over.clone());
        }
        let (over, receiver) = watch::channel(());
        all.insert(url.as_str().to_owned(), receiver);
        Ok(Fetch {
            documents: self,
            url,
            _over: over,
        })
    }

    /// Fetches the document. Whoever cannot be reached is still the client that they were, for a while.
    async fn fetch(&self, url: &Url, old: Option<Client>) -> Result<Option<Client>, Refusal> {
        let fetched = self.fetcher.fetch(url).await;
        let read = fetched.and_then(|document| read(url, &document).map_err(Missing::Useless));
        let now = Instant::now();
        let found = match read {
            Ok(client) => Found::Client(client),
            // Nobody was asked, so nothing is known.
            Err(Missing::Busy) => return old.map(Some).ok_or_else(busy),
            Err(Missing::Useless(reason)) => {
                log(url, &reason);
                Found::Nothing
            }
            Err(Missing::Away(reason)) => {
                log(url, &reason);
                let Some(old) = old else {
                    self.memory().keep(url, Found::Away, now);
                    return told(Found::Away);
                };
                self.memory().put_off(url, now);
                return Ok(Some(old));
            }
        };
        self.memory().keep(url, found.clone(), now);
        told(found)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<String, watch::Receiver<()>>> {
        let under_way = self.under_way.lock();
        under_way.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Fetch<'_> {
    fn drop(&mut self) {
        self.documents.under_way().remove(self.url.as_str());
    }
}

fn told(found: Found) -> Result<Option<Client>, Refusal> {
    match found {
        Found::Client(client) => Ok(Some(client)),
        Found::Nothing => Ok(None),
        Found::Away => Err(Refusal::passing(
            "the website of this app does not answer now; try again in a minute",
        )),
    }
}

fn busy() -> Refusal {
    Refusal::passing("too many apps are looked up now; try again in a moment")
}

fn log(url: &Url, reason: &str) {
    let client = url.host_str().unwrap_or_default();
    tracing::info!(reason, client, "the document of a client cannot be used");
}

fn read(url: &Url, document: &[u8]) -> Result<Client, String> {
    let document: Document =
        serde_json::from_slice(document).map_err(|error| format!("it cannot be read: {error}"))?;
    if document.client_id != url.as_str() {
        return Err("it is of another client".to_owned());
    }
    if document.client_secret.is_some() {
        return Err("it has a secret, which everybody can read".to_owned());
    }
    let method = document.token_endpoint_auth_method.as_deref();
    if !matches!(method, None | Some("none")) {
        return Err("the client wants to prove itself in a way that is not known here".to_owned());
    }
    if document.redirect_uris.len() > MOST_URIS {
        return Err("it has too many redirect URIs".to_owned());
    }
    let uris = document.redirect_uris.iter();
    let uris: Result<Vec<RedirectUri>, _> = uris.map(|uri| uri.parse()).collect();
    let grants = document.grant_types.unwrap_or_default();
    Ok(Client {
        digest: digest(url.as_str()),
        name: name(document.client_name.as_deref()),
        redirect_uris: uris?,
        refreshes: grants.iter().any(|grant| grant == "refresh_token"),
        named_by: NamedBy::Host(url.host_str().unwrap_or_default().to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::fetch::host::{Host, JSON, NAME, URL, answer};
    use super::memory::{FRESH, LASTING};
    use super::*;

    #[test]
    fn a_client_id_is_a_url_with_one_spelling() {
        assert!(url_of(URL).is_some());
        let long = format!("https://app.example.com/{}", "x".repeat(MOST_OF_ID - 24));
        assert!(url_of(&long).is_some() && url_of(&format!("{long}x")).is_none());
        for id in [
            "http://app.example.com/client.json",
            "https://app.example.com",
            "https://app.example.com/",
            "https://app.example.com:8443/client.json",
            "https://app.example.com/client.json?x=1",
            "https://app.example.com/client.json#x",
            "https://app.example.com/a/../client.json",
            "https://app.example.com/./client.json",
            "https://APP.example.com/client.json",
            "https://user@app.example.com/client.json",
            "https://app.example.com\\@evil.example/client.json",
            "https://127.0.0.1/client.json",
            "https://2130706433/client.json",
            "https://[::1]/client.json",
            "https://localhost/client.json",
            "https://metadata/client.json",
            "file:///etc/passwd",
        ] {
            assert!(url_of(id).is_none(), "{id}");
        }
    }

    #[test]
    fn a_document_is_of_its_own_client_and_has_no_secret() {
        let url = url_of(URL).expect("a URL");
        let good = json!({
            "client_id": URL, "client_name": "An app", "redirect_uris": ["http://127.0.0.1/cb"],
            "grant_types": ["authorization_code", "refresh_token"], "unheard-of": {},
        });
        let of = |document: &Value| read(&url, document.to_string().as_bytes());
        let client = of(&good).expect("is good");
        assert!(client.refreshes && client.redirect("http://127.0.0.1:1/cb").is_some());
        assert_eq!(client.named_by, NamedBy::Host("app.example.com".to_owned()));
        for (name, value) in [
            ("client_id", json!("https://app.example.com/other.json")),
            ("client_secret", json!("x")),
            ("token_endpoint_auth_method", json!("client_secret_basic")),
            ("redirect_uris", json!(["javascript:alert(1)"])),
            (
                "redirect_uris",
                json!(vec!["http://127.0.0.1/cb"; MOST_URIS + 1]),
            ),
            ("redirect_uris", Value::Null),
        ] {
            let mut document = good.clone();
            document[name] = value;
            assert!(of(&document).is_err(), "{document}");
        }
    }

    /// A client that was known for longer than it is fresh.
    async fn old_client(answers: Vec<String>) -> (Documents, Url, Host) {
        let (host, url) = (Host::start_with(answers).await, url_of(URL).unwrap());
        let documents = Documents::new(host.fetcher());
        assert!(documents.client(&url).await.unwrap().is_some());
        documents.memory().age(&url, FRESH);
        (documents, url, host)
    }

    fn good() -> String {
        let document = json!({
            "client_id": URL, "redirect_uris": ["http://127.0.0.1/cb"],
        });
        answer("200 OK", JSON, &document.to_string())
    }

    #[tokio::test]
    async fn who_gets_no_turn_is_not_forgotten() {
        let (documents, url, host) = old_client(vec![good()]).await;
        let turns: Vec<_> = std::iter::from_fn(|| documents.fetcher.turn(NAME)).collect();
        assert!(
            documents.client(&url).await.unwrap().is_some(),
            "it is still known"
        );
        documents.memory().age(&url, FRESH + LASTING);
        let told = documents.client(&url).await.unwrap_err();
        assert_eq!(told.status, 503);
        assert_eq!(host.connections(), 1);
        drop(turns);
        assert!(
            documents.client(&url).await.unwrap().is_some(),
            "nothing of that was remembered"
        );
    }

    #[tokio::test]
    async fn a_client_outlasts_a_failure_of_its_server_for_a_while() {
        let failed = answer("503 Service Unavailable", JSON, "{}");
        for failed in [failed, "no HTTP at all".to_owned()] {
            let (documents, url, host) = old_client(vec![good(), failed]).await;
            assert!(documents.client(&url).await.unwrap().is_some());
            // It is not asked again at once.
            assert!(documents.client(&url).await.unwrap().is_some());
            assert_eq!(host.connections(), 2);
            documents.memory().age(&url, FRESH + LASTING);
            for _ in 0..2 {
                let told = documents.client(&url).await.unwrap_err();
                assert_eq!(told.status, 503, "nobody says that it is not there");
            }
            assert_eq!(host.connections(), 3);
        }
    }

    #[tokio::test]
    async fn a_client_that_its_server_does_not_have_is_gone() {
        let gone = answer("404 Not Found", JSON, "{}");
        let other = answer("200 OK", JSON, "{}");
        for gone in [gone, other] {
            let (documents, url, _host) = old_client(vec![good(), gone]).await;
            assert!(documents.client(&url).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn what_several_want_at_once_is_fetched_once() {
        let (host, url) = (Host::start(good()).await, url_of(URL).unwrap());
        let documents = Documents::new(host.fetcher());
        let want = || documents.client(&url);
        let (a, b, c) = tokio::join!(want(), want(), want());
        for client in [a, b, c] {
            assert!(client.unwrap().is_some());
        }
        assert_eq!(host.connections(), 1);
        assert!(documents.under_way().is_empty());
    }
}
