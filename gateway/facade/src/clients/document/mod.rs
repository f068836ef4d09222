//! Client id metadata documents (draft-ietf-oauth-client-id-metadata-document): a client whose id is the URL of a
//! document that says who it is. Whoever sends us such an id decides what we fetch, so [`fetch`] asks only the public
//! Internet.

pub(crate) mod fetch;
mod public;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use url::{Host, Url};

use crate::clients::client::{Client, MOST_OF_ID, NamedBy, name};
use crate::clients::redirects::RedirectUri;
use crate::sealed::digest;
use fetch::Fetcher;

/// Documents that are remembered.
const MOST: usize = 500;

/// How long one is remembered, and that there is none.
const FRESH: Duration = Duration::from_secs(600);
const ABSENT: Duration = Duration::from_secs(60);

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
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    until: Instant,
    client: Option<Client>,
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
            known: Mutex::default(),
        }
    }

    /// The client whose document is at `url`.
    pub(crate) async fn client(&self, url: &Url) -> Option<Client> {
        let now = Instant::now();
        if let Some(known) = self.lock().get(url.as_str())
            && now < known.until
        {
            return known.client.clone();
        }
        let read = match self.fetcher.fetch(url).await {
            Ok(document) => read(url, &document),
            Err(reason) => Err(reason),
        };
        let client = match read {
            Ok(client) => Some(client),
            Err(reason) => {
                let host = url.host_str().unwrap_or_default();
                tracing::info!(
                    reason,
                    client = host,
                    "the document of a client cannot be used"
                );
                None
            }
        };
        let life = if client.is_some() { FRESH } else { ABSENT };
        self.keep(url, client.clone(), now + life);
        client
    }

    fn keep(&self, url: &Url, client: Option<Client>, until: Instant) {
        let mut known = self.lock();
        if known.len() >= MOST {
            let now = Instant::now();
            known.retain(|_, known| now < known.until);
        }
        if known.len() >= MOST {
            let soonest = known.iter().min_by_key(|(_, known)| known.until);
            if let Some(soonest) = soonest.map(|(url, _)| url.clone()) {
                known.remove(&soonest);
            }
        }
        known.insert(url.as_str().to_owned(), Known { until, client });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    use super::*;
    use serde_json::{Value, json};

    const URL: &str = "https://app.example.com/client.json";

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

    #[tokio::test]
    async fn no_more_are_remembered_than_fit() {
        let documents = Documents::new(Fetcher::new(None, |_| false));
        let soon = Instant::now() + ABSENT;
        for n in 0..=MOST {
            let url = url_of(&format!("https://app.example.com/{n}")).expect("a URL");
            documents.keep(&url, None, soon + Duration::from_millis(n as u64));
        }
        let known = documents.lock();
        assert_eq!(known.len(), MOST);
        assert!(!known.contains_key("https://app.example.com/0"));
    }
}
