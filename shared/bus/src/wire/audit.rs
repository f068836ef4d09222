//! What the audit has of each call and each refusal.

mod line;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::json_rpc::code::INTERNAL_ERROR;
use super::principal::{CallerKind, Principal};
use super::{FORMAT, WireError};
use crate::shown;

/// The last moment of the year 9999, which is as far as RFC 3339 goes, in Unix milliseconds.
pub(super) const LATEST_MS: u64 = 253_402_300_799_999;

/// Bytes of the longest address, which is one of IPv6 with an IPv4 address at its end.
const LONGEST_ADDRESS: usize = 45;

/// Scopes and roles of a caller that a record has, of each; a caller with more of them has the first.
const MOST_NAMES: usize = 64;

/// Bytes of one of them; a longer one is left out, since a part of it would be another one.
const MOST_OF_NAME: usize = 256;

/// Who did what, whether that was allowed, and how it ended. The fields have the names of the log's
/// (`docs/logging.md`), and the same form: what a client chose is made harmless and cut off.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AuditRecord<'a> {
    /// The format.
    pub v: u32,
    /// When it ended, by the clock of the bus (RFC 3339, UTC). On the bus its place says that.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub timestamp: Cow<'a, str>,
    /// `ok`, `tool_error`, `error`, `cancelled`, or `refused` for what never came to a worker.
    pub outcome: Cow<'a, str>,
    /// The JSON-RPC method; absent when the caller was refused before that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// The tool, the prompt, or the resource without its query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// Who called; absent when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Cow<'a, str>>,
    /// The application through which it called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Cow<'a, str>>,
    /// Whether a person is behind the call; absent for a caller without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<CallerKind>,
    /// Where it called from, if no token says who called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Cow<'a, str>>,
    /// The scopes of its token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<Cow<'a, str>>,
    /// The app roles of its token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Cow<'a, str>>,
    /// The session, in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// The rule of the policy that allowed or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Cow<'a, str>>,
    /// Why it was refused, as in the metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// The code of the JSON-RPC error that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// The stream that answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<Cow<'a, str>>,
    /// The gateway that queued or refused it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Cow<'a, str>>,
    /// The worker that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Cow<'a, str>>,
    /// Which attempt it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// How long it waited for a worker, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_ms: Option<f64>,
    /// How long the worker took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<f64>,
    /// The trace that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
    /// Those arguments that its tool wants to be here, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// How many like this there were within a second; one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
}

/// A record as it is kept: one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine(Arc<str>);

impl<'a> AuditRecord<'a> {
    /// A record that says how it ended.
    pub fn new(outcome: &'static str) -> Self {
        Self {
            v: FORMAT,
            outcome: outcome.into(),
            ..Self::default()
        }
    }

    /// The same record, which says who called.
    #[must_use]
    pub fn by(self, principal: &'a Principal) -> Self {
        let identity = principal.identity.as_deref();
        let names = |names: &'a std::collections::BTreeSet<String>| {
            let short = names.iter().filter(|name| name.len() <= MOST_OF_NAME);
            short.take(MOST_NAMES).map(|name| name.into()).collect()
        };
        Self {
            principal: Some(shown::principal(principal)),
            client: identity
                .and_then(|identity| identity.client.as_deref())
                .map(|client| shown::visible(client, MOST_OF_NAME)),
            kind: identity.map(|identity| identity.kind),
            scopes: identity.map_or_else(Vec::new, |identity| names(&identity.scopes)),
            roles: identity.map_or_else(Vec::new, |identity| names(&identity.roles)),
            address: principal.address.map(|address| {
                let mut text = String::with_capacity(LONGEST_ADDRESS);
                // A string takes whatever is written.
                let _ = write!(text, "{address}");
                text.into()
            }),
            ..self
        }
    }

    /// The record as it is kept.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn line(&self) -> Result<AuditLine, WireError> {
        let line = line::written(self)?;
        Ok(AuditLine(line.into()))
    }

    /// The same record, which says when it ended: Unix milliseconds by the clock of the bus.
    #[must_use]
    pub fn at(self, ms: u64) -> Self {
        Self {
            timestamp: timestamp(ms).into(),
            ..self
        }
    }

    /// Reads a record. One of a newer format is read as far as it is known.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn read(line: &str) -> Result<AuditRecord<'static>, WireError> {
        Ok(serde_json::from_str(line)?)
    }

    /// How many calls or refusals it stands for.
    pub fn count(&self) -> u64 {
        self.count.unwrap_or(1)
    }
}

fn timestamp(ms: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(ms.min(LATEST_MS));
    humantime::format_rfc3339_millis(time).to_string()
}

impl AuditLine {
    /// The text, without a line end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same record, of something that ended otherwise than was thought: with an error, for this reason.
    ///
    /// # Errors
    ///
    /// When `line` is none.
    pub fn of_failed(line: &str, reason: &str) -> Result<Self, WireError> {
        let mut record: AuditRecord<'_> = serde_json::from_str(line)?;
        record.outcome = "error".into();
        record.code = Some(INTERNAL_ERROR.into());
        record.reason = Some(reason.into());
        record.line()
    }

    /// The text with the time at which it ended, Unix milliseconds: for where nothing else says that.
    pub fn stamped(&self, ms: u64) -> String {
        let members = self.0.strip_prefix('{').unwrap_or_default();
        format!("{{\"timestamp\":\"{}\",{members}", timestamp(ms))
    }
}

impl fmt::Display for AuditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::wire::principal::Identity;

    #[test]
    fn what_a_caller_chose_is_harmless_and_bounded() {
        let names = (0..100)
            .map(|n| format!("scope-{n:03}"))
            .chain([format!("scope-{}", "x".repeat(MOST_OF_NAME))]);
        let mut principal = Principal::named("a\u{1b}[31m\nb");
        principal.identity = Some(Arc::new(Identity {
            issuer: "https://issuer".to_owned(),
            tenant: None,
            object_id: "o".to_owned(),
            client: Some("c\r\u{202e}".to_owned()),
            kind: CallerKind::App,
            scopes: names.collect(),
            roles: ["role".to_owned()].into(),
        }));
        let record = AuditRecord::new("ok").by(&principal);
        let line = record.line().expect("JSON");
        assert!(
            !line
                .as_str()
                .contains(|c: char| c.is_control() || c == '\u{202e}')
        );
        let read = AuditRecord::read(line.as_str()).expect("reads");
        assert_eq!(read.scopes.len(), MOST_NAMES);
        assert_eq!(read.roles, ["role"]);
        assert_eq!(read, record);
        let stamped = AuditRecord::read(&line.stamped(u64::MAX)).expect("reads");
        assert_eq!(stamped.timestamp, "9999-12-31T23:59:59.999Z");
        assert_eq!(stamped, record.at(u64::MAX));
    }

    #[test]
    fn a_newer_record_is_read_as_far_as_it_is_known() {
        let read = AuditRecord::read(r#"{"v":9,"outcome":"ok","planet":"earth","name":"echo"}"#);
        let read = read.expect("reads");
        assert_eq!((read.v, read.name.as_deref()), (9, Some("echo")));
        assert!(AuditRecord::read("[]").is_err());
    }
}
