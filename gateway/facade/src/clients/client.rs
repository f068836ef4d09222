//! A client, however it is known.

use prynai_bus::shown;
use serde::{Deserialize, Serialize};

use crate::clients::redirects::RedirectUri;

/// Longest client id, in bytes: it travels in URLs.
pub(crate) const MOST_OF_ID: usize = 2048;

/// Longest name of a client that people are shown, in characters.
pub(crate) const MOST_OF_NAME: usize = 60;

/// A client.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// A digest of its id, which stands for it in what is sealed.
    pub(crate) digest: String,
    pub(crate) name: String,
    pub(crate) redirect_uris: Vec<RedirectUri>,
    /// It said that it can refresh tokens.
    pub(crate) refreshes: bool,
    pub(crate) named_by: NamedBy,
}

/// Who says what a client is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NamedBy {
    /// The operator of this server.
    Settings,
    /// The client itself: anybody can say anything.
    Itself,
    /// A document of this host.
    Host(String),
}

impl Client {
    /// Where it may have a code sent, if that is one of its own.
    pub(crate) fn redirect(&self, asked: &str) -> Option<RedirectUri> {
        let asked: RedirectUri = asked.parse().ok()?;
        let is_own = self.redirect_uris.iter().any(|own| own.fits(&asked));
        is_own.then_some(asked)
    }
}

/// What people are shown: without what would steer or mislead them, and not too long.
pub(crate) fn name(asked: Option<&str>) -> String {
    let asked = asked.unwrap_or_default().trim();
    let short: String = asked.chars().take(MOST_OF_NAME).collect();
    match short.is_empty() {
        true => "An app without a name".to_owned(),
        false => shown::visible(&short, MOST_OF_NAME * 4).into_owned(),
    }
}
