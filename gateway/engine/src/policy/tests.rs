//! Policies, from their text to what callers get.

mod decisions;
mod endpoint;
mod limits;
mod scene;
mod streams;
mod tasks;
mod texts;

use std::sync::Arc;

use prynai_bus::wire::principal::{CallerKind, Identity, Principal};

use super::file::parse;
use super::rules::Rules;

fn rules(text: &str) -> Rules {
    parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn anonymous() -> Principal {
    Principal::anonymous()
}

/// A person whose token has these scopes and roles.
fn user(scopes: &[&str], roles: &[&str]) -> Principal {
    known(CallerKind::User, scopes, roles)
}

/// An application by itself with these roles.
fn app(roles: &[&str]) -> Principal {
    known(CallerKind::App, &[], roles)
}

fn known(kind: CallerKind, scopes: &[&str], roles: &[&str]) -> Principal {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    Principal {
        subject: format!("{kind:?}"),
        identity: Some(Arc::new(Identity {
            issuer: "https://issuer.example".to_owned(),
            tenant: None,
            object_id: "1".to_owned(),
            client: None,
            kind,
            scopes: names(scopes),
            roles: names(roles),
        })),
        address: None,
    }
}
