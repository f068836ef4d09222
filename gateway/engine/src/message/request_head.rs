//! What is known of a request besides its body.

use std::net::IpAddr;

use axum::http::HeaderMap;
use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Principal;
use prynai_process::secret::Secret;
use tokio::time::Instant;

use crate::admission::Share;
use crate::operation::Operation;

/// The address a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Who calls, and from where.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) address: IpAddr,
    /// When the caller's token stops being accepted; absent where nobody needs one.
    pub(crate) expires: Option<Instant>,
    /// Kept only where tokens for other APIs are had for it; in a box, since everybody else has none.
    pub(crate) token: Option<Box<Secret>>,
}

/// What is known of a request besides its body.
#[derive(Clone, Copy)]
pub(crate) struct RequestHead<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) caller: &'a Caller,
    /// How long it takes, and how it ends.
    pub(crate) operation: &'a Operation,
}

impl RequestHead<'_> {
    /// Whose share the request counts to. Callers without a name are told apart by what they have: a
    /// session, or else an address.
    pub(crate) fn share(&self, session: Option<&SessionId>) -> Share {
        let Caller {
            principal, address, ..
        } = self.caller;
        match (&principal.identity, session) {
            (Some(_), _) => Share::Principal(principal.subject.clone()),
            (None, Some(session)) => Share::Session(session.clone()),
            (None, None) => Share::at(*address),
        }
    }
}
