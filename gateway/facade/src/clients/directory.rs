//! Finds clients by their ids.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clients::client::{Client, MOST_OF_ID, MOST_OF_NAME, NamedBy};
use crate::clients::document::fetch::Fetcher;
use crate::clients::document::{Documents, url_of};
use crate::clients::redirects::{RedirectRule, RedirectUri};
use crate::refusal::Refusal;
use crate::sealed::{Kind, Sealer, digest};

/// How long a registration is good.
const REGISTERED: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

/// A client of the settings, with one redirect URI.
#[derive(Debug, Clone)]
pub struct FixedClient {
    id: String,
    redirect_uri: RedirectUri,
}

/// What a registered client said of itself.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    #[serde(rename = "n")]
    pub(crate) name: String,
    #[serde(rename = "r")]
    pub(crate) redirect_uris: Vec<RedirectUri>,
    #[serde(rename = "o")]
    pub(crate) refreshes: bool,
}

/// Knows clients.
pub(crate) struct Clients {
    fixed: Vec<FixedClient>,
    rules: Vec<RedirectRule>,
    documents: Documents,
}

impl Clients {
    pub(crate) fn new(fixed: &[FixedClient], rules: &[RedirectRule]) -> Self {
        let rules = match rules {
            [] => RedirectRule::defaults(),
            rules => rules.to_vec(),
        };
        Self {
            fixed: fixed.to_vec(),
            rules,
            documents: Documents::new(Fetcher::public()),
        }
    }

    /// Documents are fetched by another one.
    #[cfg(test)]
    pub(crate) fn fetch_with(&mut self, fetcher: Fetcher) {
        self.documents = Documents::new(fetcher);
    }

    /// The client with this id.
    ///
    /// # Errors
    ///
    /// When nobody can say now whether there is one.
    pub(crate) async fn find(&self, sealer: &Sealer, id: &str) -> Result<Option<Client>, Refusal> {
        let Some(url) = url_of(id) else {
            return Ok(self.known(sealer, id));
        };
        let mut client = self.documents.client(&url).await?;
        if let Some(client) = &mut client {
            client.redirect_uris.retain(|uri| self.allows(uri));
        }
        Ok(client)
    }

    /// The same for a client that has a code or a refresh token already, which say who it is: no document is fetched
    /// for it.
    pub(crate) fn bearer(&self, sealer: &Sealer, id: &str) -> Option<Client> {
        let Some(url) = url_of(id) else {
            return self.known(sealer, id);
        };
        let host = url.host_str().unwrap_or_default().to_owned();
        Some(Client {
            digest: digest(id),
            name: host.clone(),
            redirect_uris: Vec::new(),
            refreshes: true,
            named_by: NamedBy::Host(host),
        })
    }

    fn known(&self, sealer: &Sealer, id: &str) -> Option<Client> {
        if id.len() > MOST_OF_ID {
            return None;
        }
        let own = self.fixed.iter().filter(|fixed| fixed.id == id);
        let own: Vec<RedirectUri> = own.map(|fixed| fixed.redirect_uri.clone()).collect();
        if !own.is_empty() {
            return Some(Client {
                digest: digest(id),
                name: id.to_owned(),
                redirect_uris: own,
                refreshes: true,
                named_by: NamedBy::Settings,
            });
        }
        let record: Record = sealer.open(Kind::Client, "", id)?;
        // The operator may have changed the rules since.
        let mut redirect_uris = record.redirect_uris;
        redirect_uris.retain(|uri| self.allows(uri));
        Some(Client {
            digest: digest(id),
            name: record.name,
            redirect_uris,
            refreshes: record.refreshes,
            named_by: NamedBy::Itself,
        })
    }

    /// Whether a client that has tokens may still have codes sent where it got them: the operator may have changed the
    /// rules since, or taken the client away.
    pub(crate) fn still_allows(&self, client: &Client, redirect: &str) -> bool {
        match client.named_by {
            NamedBy::Host(_) => redirect.parse().is_ok_and(|uri| self.allows(&uri)),
            NamedBy::Settings | NamedBy::Itself => client.redirect(redirect).is_some(),
        }
    }

    /// Whether a client that registers may have codes sent there.
    pub(crate) fn allows(&self, uri: &RedirectUri) -> bool {
        self.rules.iter().any(|rule| rule.allows(uri))
    }
}

impl Record {
    /// The client id.
    pub(crate) fn seal(&self, sealer: &Sealer) -> String {
        sealer.seal(Kind::Client, "", self, REGISTERED)
    }
}

impl FromStr for FixedClient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (id, uri) = text
            .split_once('=')
            .ok_or("write ID=URI, such as my-app=https://app.example.com/callback")?;
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':');
        if id.is_empty() || id.len() > MOST_OF_NAME || !id.bytes().all(is_plain) {
            return Err("an ID has up to 60 letters, digits, dots, colons, - and _".to_owned());
        }
        Ok(Self {
            id: id.to_owned(),
            redirect_uri: uri.parse().map_err(str::to_owned)?,
        })
    }
}
