//! What a browser remembers: who signed in with it, and what each of them agreed to. It is in a cookie, sealed, so that
//! nobody else can write it.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::sealed::Kind;
use crate::sign_in::cookies::MOST_BYTES;
use crate::sign_in::request::Ask;
use crate::state::Facade;
use crate::upstream::answer::Account;

const COOKIE: &str = "browser";

/// How long it is remembered after the last sign-in.
const LIFE: Duration = Duration::from_secs(90 * 24 * 3600);

/// Accounts that are remembered; the one that was used last is the first.
const MOST_ACCOUNTS: usize = 4;

/// What each of them agreed to; the newest is the first.
const MOST_AGREEMENTS: usize = 20;

/// What a browser remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Browser(Vec<Known>);

#[derive(Debug, Serialize, Deserialize)]
struct Known {
    key: String,
    name: String,
    agreed: Vec<String>,
}

impl Browser {
    /// What the browser of a request remembers.
    pub(crate) fn of(facade: &Facade, headers: &HeaderMap) -> Self {
        let cookie = facade.cookies.get(headers, COOKIE);
        let known = cookie.and_then(|cookie| facade.sealer.open(Kind::Browser, "", cookie));
        known.unwrap_or_default()
    }

    /// Who signed in last.
    pub(crate) fn account(&self) -> Option<Account> {
        self.0.first().map(|known| Account {
            key: known.key.clone(),
            name: known.name.clone(),
        })
    }

    /// Whether this account agreed to it.
    pub(crate) fn has_agreed(&self, account: &Account, ask: &Ask) -> bool {
        let agreement = ask.agreement();
        let mut known = self.0.iter().filter(|known| known.key == account.key);
        known.any(|known| known.agreed.contains(&agreement))
    }

    /// The account is the one that was used last.
    pub(crate) fn signed_in(&mut self, account: &Account) {
        let known = self.0.iter().position(|known| known.key == account.key);
        let mut known = match known {
            Some(at) => self.0.remove(at),
            None => Known {
                key: account.key.clone(),
                name: String::new(),
                agreed: Vec::new(),
            },
        };
        known.name.clone_from(&account.name);
        self.0.insert(0, known);
        self.0.truncate(MOST_ACCOUNTS);
    }

    /// The account that was used last agreed to it.
    pub(crate) fn agreed(&mut self, ask: &Ask) {
        let Some(known) = self.0.first_mut() else {
            return;
        };
        let agreement = ask.agreement();
        known.agreed.retain(|other| *other != agreement);
        known.agreed.insert(0, agreement);
        known.agreed.truncate(MOST_AGREEMENTS);
    }

    /// Lets the browser remember it.
    pub(crate) fn keep(&mut self, facade: &Facade, response: &mut Response) {
        let mut sealed = facade.sealer.seal(Kind::Browser, "", self, LIFE);
        while sealed.len() > MOST_BYTES && self.0.pop().is_some() {
            sealed = facade.sealer.seal(Kind::Browser, "", self, LIFE);
        }
        facade.cookies.put(response, COOKIE, &sealed, LIFE);
    }
}
