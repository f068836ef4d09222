//! A legacy session (2025-03-26 … 2025-11-25), as stored and as handed to a worker.

use serde::{Deserialize, Serialize};

use super::message::RawJson;
use super::principal::Principal;
use crate::ids::SessionId;

/// What `initialize` agreed on. Travels with every request of the session, so a worker
/// needs no look-up. Which resources it subscribed to stays at the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Who opened it; nobody else may use it. In a request, as the token of that request describes it.
    pub principal: Principal,
    /// The negotiated revision, such as `2025-11-25`.
    pub protocol_version: String,
    /// `clientInfo` as sent.
    pub client_info: RawJson,
    /// `capabilities` of the client as sent.
    pub capabilities: RawJson,
    /// Set by `logging/setLevel`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_level: Option<LogLevel>,
}

/// One change of a stored session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionChange {
    /// `logging/setLevel`.
    LogLevel(LogLevel),
    /// `resources/subscribe`.
    Subscribe(String),
    /// `resources/unsubscribe`.
    Unsubscribe(String),
}

/// Severity of a log notification, least severe first (RFC 5424 as in MCP).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the specification's own names")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}
