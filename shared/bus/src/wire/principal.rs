//! Who calls, as the gateway found out and as handlers may read it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// Names the caller among all callers, and stays the same when a token is renewed: sessions, streams,
    /// state and idempotency keys belong to it.
    pub subject: String,
    /// What the caller's token says; absent on a server that asks for no credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Arc<Identity>>,
    /// Where a caller of whom nothing else is known calls from, so that callers without a name have a share each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

/// Whose share of the fleet something counts to: a principal's, or without a name that of an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Share(Arc<str>);

/// What a verified access token says of its bearer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Who vouches for the caller (`iss`).
    pub issuer: String,
    /// The tenant within the issuer (Entra ID: `tid`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The caller within the tenant: a user, or the service principal of an app (Entra ID: `oid`,
    /// elsewhere `sub`).
    pub object_id: String,
    /// The application that calls (`azp` or `appid`, elsewhere `client_id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Whether a person is behind the call.
    pub kind: CallerKind,
    /// What the person allowed the application to do (`scp`, elsewhere `scope`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
    /// The app roles that the caller was assigned (`roles`).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub roles: BTreeSet<String>,
}

/// Whether a person is behind a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerKind {
    /// A person, through an application.
    User,
    /// An application by itself.
    App,
}

impl Principal {
    /// The caller of a server that asks for no credentials.
    pub fn anonymous() -> Self {
        Self::named("anonymous")
    }

    /// A caller of whom nothing but a name is known.
    pub fn named(subject: &str) -> Self {
        Self {
            subject: subject.to_owned(),
            identity: None,
            address: None,
        }
    }

    /// The caller at an address of a server that asks for no credentials.
    pub fn anonymous_at(address: IpAddr) -> Self {
        Self {
            address: Some(address),
            ..Self::anonymous()
        }
    }

    /// Whose share the principal's calls and what they leave count to.
    pub fn share(&self) -> Share {
        Share(match self.address {
            Some(address) => format!("a.{address}").into(),
            None => format!("p.{}", self.subject).into(),
        })
    }

    /// Whether both are the same caller, whatever their tokens allow at the moment.
    pub fn is_same_caller(&self, other: &Self) -> bool {
        self.subject == other.subject
    }
}

impl Share {
    /// The share of this name, as [`Share::as_str`] gave it.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
