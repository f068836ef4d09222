//! Names that cross process borders. All are opaque to clients.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::shown;

/// Names one request and the stream of events that answers it.
///
/// Never reused, so it also serves as the epoch of the stream's log: a log that was
/// lost is not made again under the same name (`docs/decisions/0004-stream-id-is-the-epoch.md`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(#[serde(with = "uuid::serde::simple")] Uuid);

/// Names one legacy session, as carried in `Mcp-Session-Id`.
///
/// 122 random bits in visible ASCII, as the specification asks (2025-11-25, Session Management).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Arc<str>);

/// Names one gateway process for as long as it lives.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GatewayId(Arc<str>);

/// Names one worker process for as long as it lives; the consumer name of its claims.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(Arc<str>);

/// Names one entry of the request queue, in the form the bus gave it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(Arc<str>);

/// Names one operation, so that it is done once however often it is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OperationId(Uuid);

/// Names a question (or its progress token) that a handler puts to the client: rmcp numbers the
/// questions of every request from 0, so on the wire they carry their stream's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuestionId {
    /// The call that asks.
    pub stream: StreamId,
    /// The attempt that asks: an answer to an attempt before it is none to this one.
    pub delivery: u32,
    /// Number of the question within the call.
    pub number: u32,
}

/// A name that does not have the form of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid {1}")]
pub struct InvalidId(String, &'static str);

/// Reads a number as `Display` writes it, without a sign or zeros in front: one number, one spelling.
pub fn canonical_number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

// === impl StreamId ===

impl StreamId {
    /// A new name, ordered by time of creation so that operators can read age from it.
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// As `Display` writes it, in `buffer`.
    pub fn digits<'a>(&self, buffer: &'a mut [u8; 32]) -> &'a str {
        self.0.simple().encode_lower(buffer)
    }

    /// When it was made, in Unix milliseconds by the clock of who made it; absent of a name that does not say that.
    pub fn named_ms(&self) -> Option<u64> {
        let (seconds, nanos) = self.0.get_timestamp()?.to_unix();
        Some(
            seconds
                .saturating_mul(1000)
                .saturating_add(u64::from(nanos) / 1_000_000),
        )
    }

    /// Whether [`StreamId::generate`] can have made it: its form says so, no table.
    pub fn is_generated(&self) -> bool {
        self.0.get_version_num() == 7
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for StreamId {
    type Err = InvalidId;

    /// Accepts only the 32 lower-case hex digits that `Display` writes: one name, one spelling.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let canonical = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match Uuid::try_parse(text) {
            Ok(uuid) if canonical => Ok(Self(uuid)),
            _ => Err(InvalidId(text.to_owned(), "stream id")),
        }
    }
}

// === impl OperationId ===

impl OperationId {
    /// A new name.
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

// === impl QuestionId ===

impl fmt::Display for QuestionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.stream, self.delivery, self.number)
    }
}

impl FromStr for QuestionId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let parse = || {
            let (stream, rest) = text.split_once('.')?;
            let (delivery, number) = rest.split_once('.')?;
            let parsed = Self {
                stream: stream.parse().ok()?,
                delivery: delivery.parse().ok()?,
                number: number.parse().ok()?,
            };
            (parsed.to_string() == text).then_some(parsed)
        };
        parse().ok_or_else(|| InvalidId(text.to_owned(), "question id"))
    }
}

// === impl SessionId ===

impl SessionId {
    /// A new, unguessable name.
    pub fn generate() -> Self {
        Self(Uuid::new_v4().simple().to_string().into())
    }
}

impl fmt::Debug for SessionId {
    /// As it is shown: it gets into logs by way of others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(shown::session(&self.0))
    }
}

impl FromStr for SessionId {
    type Err = InvalidId;

    /// Accepts only the 32 lower-case hex digits that [`SessionId::generate`] makes.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        text.parse::<StreamId>()
            .map(|_| Self(text.into()))
            .map_err(|_| InvalidId(text.to_owned(), "session id"))
    }
}

// === impl GatewayId, WorkerId, EntryId ===

impl GatewayId {
    /// A new name for this process.
    pub fn generate() -> Self {
        Self(format!("gw-{}", short_random()).into())
    }
}

impl WorkerId {
    /// A new name for this process.
    pub fn generate() -> Self {
        Self(format!("wk-{}", short_random()).into())
    }
}

fn short_random() -> String {
    let full = Uuid::new_v4().simple().to_string();
    full[..12].to_owned()
}

macro_rules! text_id {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

    )*};
}

text_id!(SessionId, GatewayId, WorkerId, EntryId);

macro_rules! trusted_text_id {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            /// For names that come from our own bus; client input never takes this way.
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }
    )*};
}

trusted_text_id!(GatewayId, WorkerId, EntryId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_id_has_one_spelling() {
        let id = StreamId::generate();
        assert_eq!(id.to_string().parse::<StreamId>(), Ok(id));
        for other in [
            id.to_string().to_uppercase(),
            format!("{{{id}}}"),
            "0".repeat(31),
            String::new(),
        ] {
            assert!(other.parse::<StreamId>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_generated_stream_id_is_told_by_its_form() {
        assert!(StreamId::generate().is_generated());
        for other in ["0".repeat(32), SessionId::generate().as_str().to_owned()] {
            let other: StreamId = other.parse().unwrap();
            assert!(!other.is_generated(), "{other}");
        }
    }

    #[test]
    fn a_question_id_has_one_spelling() {
        let id = QuestionId {
            stream: StreamId::generate(),
            delivery: 1,
            number: 7,
        };
        assert_eq!(id.to_string().parse::<QuestionId>(), Ok(id));
        for other in [
            format!("{id}x"),
            format!("{}.1.07", id.stream),
            format!("{}.7", id.stream),
            "7".to_owned(),
        ] {
            assert!(other.parse::<QuestionId>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_session_id_is_visible_ascii() {
        let id = SessionId::generate();
        assert_eq!(format!("{id:?}").len(), 12);
        assert!(id.as_str().bytes().all(|b| (0x21..=0x7e).contains(&b)));
        assert_eq!(id.as_str().parse::<SessionId>(), Ok(id));
        assert!("../etc".parse::<SessionId>().is_err());
    }
}
