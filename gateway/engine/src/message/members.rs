//! The members of `params` as they are read: in one pass with their message, each as the place of its JSON text there.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// `_meta` keys of 2026-07-28 (Basic, Per-request protocol fields).
pub(crate) const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(super) const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(super) const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// `_meta` key of every revision: under which token the client hears of progress.
pub(super) const META_PROGRESS_TOKEN: &str = "progressToken";

/// `_meta` key of ours: the client's key of a `tools/call`, under which the worker keeps its outcome.
pub(crate) const META_IDEMPOTENCY_KEY: &str = "ai.prynai/idempotencyKey";

/// `_meta` key of ours: how long the request may take, waiting and running, in milliseconds.
pub(super) const META_TIMEOUT: &str = "ai.prynai/timeoutMs";

/// `_meta` keys of ours: how long the request may take as a task, and how long its result is then kept, in
/// milliseconds. The worker reads what they say.
pub(super) const META_TASK_TIMES: [&str; 2] = ["ai.prynai/taskTimeoutMs", "ai.prynai/taskTtlMs"];

/// `_meta` key of every revision (SEP-414): the place in a trace that a request belongs to.
pub(crate) const META_TRACEPARENT: &str = "traceparent";

/// The same: what else is known of that trace.
pub(crate) const META_TRACESTATE: &str = "tracestate";

/// Every key of `_meta` that is looked at.
pub(crate) const META_KEYS: [&str; 11] = [
    META_PROTOCOL_VERSION,
    META_CLIENT_CAPABILITIES,
    META_CLIENT_INFO,
    META_LOG_LEVEL,
    META_PROGRESS_TOKEN,
    META_IDEMPOTENCY_KEY,
    META_TIMEOUT,
    META_TASK_TIMES[0],
    META_TASK_TIMES[1],
    META_TRACEPARENT,
    META_TRACESTATE,
];

/// Where a part lies in the text of the message.
pub(super) type Place = Option<Range<usize>>;

/// Where the members of `params` lie in the text of their message.
#[derive(Debug)]
pub(super) struct Members {
    pub(super) name: Place,
    pub(super) uri: Place,
    pub(super) task_id: Place,
    pub(super) cursor: Place,
    pub(super) request_state: Place,
    pub(super) arguments: Place,
    /// In the order of [`META_KEYS`].
    pub(super) meta: [Place; META_KEYS.len()],
    /// Bytes of all keys and values of `_meta`.
    pub(super) meta_bytes: usize,
}

/// Of `params` that say nothing.
pub(super) const NO_MEMBERS: &Members = &Members {
    name: None,
    uri: None,
    task_id: None,
    cursor: None,
    request_state: None,
    arguments: None,
    meta: [const { None }; META_KEYS.len()],
    meta_bytes: 0,
};

/// `params` as they are read: an object, or what stands for an absent one.
#[derive(Debug)]
pub(super) struct ReadParams<'a>(pub(super) Option<ReadMembers<'a>>);

/// The members that the gateway looks at, each as its JSON text.
#[derive(Debug, Deserialize)]
pub(super) struct ReadMembers<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    uri: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "taskId")]
    task_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    cursor: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestState")]
    request_state: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: ReadMeta<'a>,
}

/// `_meta` as it is read: an object, or what stands for an absent one. Of two members with one key the last counts.
#[derive(Debug, Default)]
struct ReadMeta<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

/// A key, without a copy where it is written without escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

// === impl ReadMembers ===

impl ReadMembers<'_> {
    /// Where they lie in the text that they were read from.
    pub(super) fn places_in(&self, text: &str) -> Members {
        let place = |part: Option<&RawValue>| place(text, part?.get());
        let meta = &self.meta.0;
        Members {
            name: place(self.name),
            uri: place(self.uri),
            task_id: place(self.task_id),
            cursor: place(self.cursor),
            request_state: place(self.request_state),
            arguments: place(self.arguments),
            meta: META_KEYS.map(|key| place(meta.get(key).copied())),
            meta_bytes: meta
                .iter()
                .map(|(key, value)| key.len() + value.get().len())
                .sum(),
        }
    }
}

/// Where a part of a text lies in it; `None` for what lies elsewhere.
fn place(text: &str, part: &str) -> Place {
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let place = start..start + part.len();
    text.get(place.clone()).map(|_| place)
}

// === impl ReadParams, ReadMeta ===

impl<'de: 'a, 'a> Deserialize<'de> for ReadParams<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(OrAbsent(PhantomData))
            .map(Self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ReadMeta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let members = deserializer.deserialize_any(OrAbsent(PhantomData))?;
        Ok(members.unwrap_or_default())
    }
}

/// What is read from the members of an object.
trait FromMembers<'de>: Sized {
    fn from_members<A: MapAccess<'de>>(members: A) -> Result<Self, A::Error>;
}

impl<'de: 'a, 'a> FromMembers<'de> for ReadMembers<'a> {
    fn from_members<A: MapAccess<'de>>(members: A) -> Result<Self, A::Error> {
        Self::deserialize(MapAccessDeserializer::new(members))
    }
}

impl<'de: 'a, 'a> FromMembers<'de> for ReadMeta<'a> {
    fn from_members<A: MapAccess<'de>>(mut members: A) -> Result<Self, A::Error> {
        let mut read = BTreeMap::new();
        while let Some((Key(key), value)) = members.next_entry()? {
            read.insert(key, value);
        }
        Ok(Self(read))
    }
}

/// Takes an object, and what stands for an absent one for absent.
struct OrAbsent<T>(PhantomData<T>);

impl<'de, T: FromMembers<'de>> Visitor<'de> for OrAbsent<T> {
    type Value = Option<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::from_members(members).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        match list.next_element::<IgnoredAny>()? {
            None => Ok(None),
            Some(_) => Err(Error::invalid_type(Unexpected::Seq, &self)),
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
