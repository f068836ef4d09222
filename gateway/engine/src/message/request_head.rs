//! What is known of a request besides its body.

use std::net::IpAddr;

use axum::http::HeaderMap;
use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Principal;
use tokio::time::Instant;

use crate::admission::Caller;

/// The address a request came from; an extension of every request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Who sent a request, and from where; an extension of every request that reaches the endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) principal: Principal,
    pub(crate) address: IpAddr,
    /// When the sender's token stops being accepted; absent where nobody needs one.
    pub(crate) expires: Option<Instant>,
}

/// What is known of a request besides its body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub(crate) headers: &'a HeaderMap,
    pub(crate) sender: &'a Sender,
}

impl Head<'_> {
    /// Whose share the request counts to. Callers without a name are told apart by what they have: a
    /// session, or else an address.
    pub(crate) fn caller(&self, session: Option<&SessionId>) -> Caller {
        let Sender {
            principal, address, ..
        } = self.sender;
        match (&principal.identity, session) {
            (Some(_), _) => Caller::Principal(principal.subject.clone()),
            (None, Some(session)) => Caller::Session(session.clone()),
            (None, None) => Caller::at(*address),
        }
    }
}
