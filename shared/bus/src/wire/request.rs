//! A request on its way to a worker.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::message::RawJson;
use super::principal::Principal;
use super::session::Session;
use super::visible::Visible;
use super::{FORMAT, WireError, check_format};
use crate::ids::{EntryId, GatewayId, StreamId};

/// One request as the gateway queued it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestEnvelope {
    /// Correlates everything about this request; client ids repeat across clients.
    pub stream: StreamId,
    /// The gateway that waits for the answer.
    pub holder: GatewayId,
    /// Which generation of MCP the client speaks.
    pub era: Era,
    /// The revision in force, such as `2026-07-28`.
    pub protocol_version: String,
    /// The JSON-RPC method.
    pub method: String,
    /// `params.name` or `params.uri`, when the method has one.
    pub name: Option<String>,
    /// The client's own request id, as sent; `None` for a notification, which gets no answer.
    pub request_id: Option<RawJson>,
    /// Who calls.
    pub principal: Principal,
    /// The session (legacy only).
    pub session: Option<Session>,
    /// HTTP headers for the handler; credentials never enter.
    pub headers: BTreeMap<String, String>,
    /// When the gateway queued it, Unix milliseconds by the clock of the bus.
    pub queued_at_ms: u64,
    /// After this moment (Unix milliseconds by the clock of the bus) the work is not begun any more, and so neither is
    /// a copy of the request that somebody queued again.
    pub deadline_ms: Option<u64>,
    /// What of a list the caller may see; everything without it. Workers of releases that do not know it show
    /// everything.
    pub visible: Option<Visible>,
    /// The JSON-RPC message, unchanged.
    pub message: RawJson,
}

/// The two generations of MCP; decided per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// 2025-03-26, 2025-06-18, 2025-11-25: sessions, resumable streams.
    Legacy,
    /// 2026-07-28: stateless; the broken connection is the cancel.
    Modern,
}

/// Where a running call is found: its stream and its queue entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRef {
    /// The stream of its events.
    pub stream: StreamId,
    /// Its entry in the request queue.
    pub entry: EntryId,
}

// === impl Era ===

impl Era {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

// === impl RequestEnvelope ===

impl RequestEnvelope {
    /// The fields of the queue entry, flat so that `XRANGE` reads well.
    ///
    /// # Errors
    ///
    /// When a part cannot be written as JSON.
    pub fn to_fields(&self) -> Result<Vec<(&'static str, String)>, WireError> {
        let mut fields = vec![
            ("v", FORMAT.to_string()),
            ("stream", self.stream.to_string()),
            ("holder", self.holder.to_string()),
            ("era", self.era.as_str().to_owned()),
            ("version", self.protocol_version.clone()),
            ("method", self.method.clone()),
            ("principal", serde_json::to_string(&self.principal)?),
            ("queued", self.queued_at_ms.to_string()),
            ("message", self.message.as_str().to_owned()),
        ];
        if let Some(id) = &self.request_id {
            fields.push(("id", id.as_str().to_owned()));
        }
        if let Some(name) = &self.name {
            fields.push(("name", name.clone()));
        }
        if let Some(session) = &self.session {
            fields.push(("session", serde_json::to_string(session)?));
        }
        if !self.headers.is_empty() {
            fields.push(("headers", serde_json::to_string(&self.headers)?));
        }
        if let Some(deadline) = self.deadline_ms {
            fields.push(("deadline", deadline.to_string()));
        }
        if let Some(visible) = &self.visible {
            fields.push(("visible", serde_json::to_string(visible)?));
        }
        Ok(fields)
    }

    /// Reads what [`RequestEnvelope::to_fields`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When the entry is of a newer format, or a field is missing or malformed.
    pub fn from_fields(mut fields: HashMap<String, String>) -> Result<Self, WireError> {
        let mut take = |field: &'static str| fields.remove(field).ok_or(WireError::Missing(field));
        check_format(number("v", &take("v")?)?)?;
        Ok(Self {
            stream: parsed("stream", &take("stream")?)?,
            holder: take("holder")?.as_str().into(),
            era: match take("era")?.as_str() {
                "legacy" => Era::Legacy,
                "modern" => Era::Modern,
                other => return Err(invalid("era", other)),
            },
            protocol_version: take("version")?,
            method: take("method")?,
            request_id: take("id").ok().map(RawJson::parse).transpose()?,
            principal: serde_json::from_str(&take("principal")?)?,
            queued_at_ms: number("queued", &take("queued")?)?,
            message: RawJson::parse(take("message")?)?,
            name: take("name").ok(),
            session: take("session")
                .ok()
                .map(|text| serde_json::from_str(&text))
                .transpose()?,
            headers: take("headers")
                .ok()
                .map(|text| serde_json::from_str(&text))
                .transpose()?
                .unwrap_or_default(),
            deadline_ms: take("deadline")
                .ok()
                .map(|text| number("deadline", &text))
                .transpose()?,
            visible: take("visible")
                .ok()
                .map(|text| serde_json::from_str(&text))
                .transpose()?,
        })
    }
}

fn parsed<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, WireError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| WireError::Invalid {
        field,
        reason: error.to_string(),
    })
}

fn number<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, WireError>
where
    T::Err: std::fmt::Display,
{
    parsed(field, text)
}

fn invalid(field: &'static str, text: &str) -> WireError {
    WireError::Invalid {
        field,
        reason: format!("{text:?} is not a known value"),
    }
}
