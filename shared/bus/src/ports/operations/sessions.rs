//! Sessions of legacy clients.

use serde::Serialize;

/// Some sessions.
#[derive(Debug, Clone, Serialize)]
pub struct SessionPage {
    /// The sessions.
    pub sessions: Vec<SessionSight>,
    /// Where the next page begins; absent when there is none.
    pub next: Option<u64>,
}

/// A session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionSight {
    /// Its name as it is shown: nobody can use the session by it.
    pub session: String,
    /// The subject of the caller to whom it belongs.
    pub principal: Option<String>,
    /// The revision that was negotiated.
    pub protocol_version: Option<String>,
    /// What the client calls itself, with its version.
    pub client: Option<String>,
    /// When it ends if it is not used before, in milliseconds.
    pub ends_in_ms: Option<u64>,
    /// Its calls that wait or run.
    pub calls: u64,
    /// Its resource subscriptions.
    pub subscriptions: u64,
    /// The format in which it was written.
    pub format: Option<u32>,
}
