//! The `params` of a message, read no further than routing needs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use prynai_bus::wire::absent::is_absent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::session::LogLevel;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::size_limits::{
    MAX_CLIENT_BYTES, MAX_CURSOR_BYTES, MAX_META_BYTES, MAX_NAME_BYTES, MAX_REQUEST_STATE_BYTES,
    MAX_TOKEN_BYTES, MAX_URI_BYTES, too_large,
};
use crate::refusal::RequestError;

/// `_meta` keys of 2026-07-28 (Basic, Per-request protocol fields).
pub(crate) const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// `_meta` key of ours: how long the request may wait for a worker, in milliseconds.
const META_TIMEOUT: &str = "ai.prynai/timeoutMs";

/// The `params` of a message.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params(Option<RawJson>);

/// What the gateway itself needs of `params`.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ParamsView<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) uri: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) cursor: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "requestState")]
    pub(crate) request_state: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta", deserialize_with = "meta")]
    pub(crate) meta: Meta<'a>,
}

type Meta<'a> = Option<BTreeMap<Cow<'a, str>, &'a RawValue>>;

/// Takes what stands for an absent object for absent.
fn meta<'de: 'a, 'a, D: serde::Deserializer<'de>>(value: D) -> Result<Meta<'a>, D::Error> {
    match <Option<&RawValue>>::deserialize(value)? {
        Some(raw) if !is_absent(raw.get()) => {
            let members = serde_json::from_str(raw.get());
            members.map(Some).map_err(serde::de::Error::custom)
        }
        _ => Ok(None),
    }
}

// === impl Params ===

impl Params {
    /// Refuses what is no object; an absent one has no members.
    pub(super) fn checked(params: Option<&RawValue>) -> Result<Self, RequestError> {
        match params {
            Some(raw) if is_absent(raw.get()) => Ok(Self(None)),
            Some(raw) if !raw.get().starts_with('{') => Err(RequestError::NotJsonRpc(
                r#"the member "params" must be an object"#.to_owned(),
            )),
            other => Ok(Self(other.map(RawJson::from))),
        }
    }

    /// Reads the members a `T` names.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, RequestError> {
        let text = self.0.as_ref().map_or("{}", RawJson::as_str);
        serde_json::from_str(text).map_err(|error| RequestError::InvalidParams(error.to_string()))
    }

    /// What routing needs.
    pub(crate) fn view(&self) -> Result<ParamsView<'_>, RequestError> {
        self.read()
    }
}

impl ParamsView<'_> {
    /// The member that names the target of a method that has one. Extension methods may give
    /// `name` and `uri` another meaning, so theirs are not looked at.
    pub(crate) fn target(&self, method: &str) -> Result<Option<String>, RequestError> {
        let (member, value) = match method {
            "tools/call" | "prompts/get" => ("name", self.name),
            "resources/read" => ("uri", self.uri),
            _ => return Ok(None),
        };
        let text = value.and_then(|raw| serde_json::from_str(raw.get()).ok());
        match text {
            Some(text) => Ok(Some(text)),
            None => Err(RequestError::InvalidParams(format!(
                "{member:?} must be a string"
            ))),
        }
    }

    /// Refuses members that have a type of their own in every revision and another one here: a handler
    /// would take them for absent.
    pub(crate) fn check(&self, method: &str) -> Result<(), RequestError> {
        self.check_sizes()?;
        let wrong = |member: &str, expected: &str| {
            Err(RequestError::InvalidParams(format!(
                "{member} must be {expected}"
            )))
        };
        let text = |raw: &RawValue| raw.get().starts_with('"');
        let object = |raw: &RawValue| raw.get().starts_with('{') || is_absent(raw.get());
        if method.ends_with("/list") && self.cursor.is_some_and(|cursor| !text(cursor)) {
            return wrong("cursor", "a string");
        }
        let token = self.meta("progressToken");
        if token.is_some_and(|token| !text(token) && !is_integer(token.get())) {
            return wrong("_meta.progressToken", "a string or an integer");
        }
        if self
            .meta(META_CLIENT_INFO)
            .is_some_and(|info| !object(info))
        {
            return wrong(META_CLIENT_INFO, "an object");
        }
        let level = self.meta(META_LOG_LEVEL).map(RawValue::get);
        if level.is_some_and(|level| serde_json::from_str::<LogLevel>(level).is_err()) {
            return wrong(META_LOG_LEVEL, "a log level");
        }
        let capabilities = self.meta(META_CLIENT_CAPABILITIES).map(RawValue::get);
        let capabilities = capabilities.filter(|given| !is_absent(given));
        let members = capabilities.map(serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>);
        match members {
            Some(Ok(members)) if members.values().all(|member| object(member)) => Ok(()),
            None => Ok(()),
            Some(_) => wrong(META_CLIENT_CAPABILITIES, "an object of objects"),
        }
    }

    /// How long the client lets the request wait, if it says so.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, RequestError> {
        let wrong = || {
            let reason = format!("{META_TIMEOUT} must be a positive integer of milliseconds");
            RequestError::InvalidParams(reason)
        };
        self.meta(META_TIMEOUT)
            .map(|raw| serde_json::from_str::<NonZeroU64>(raw.get()).map_err(|_| wrong()))
            .transpose()
            .map(|millis| millis.map(|millis| Duration::from_millis(millis.get())))
    }

    /// A member of `_meta`, unless it is `null`.
    pub(crate) fn meta(&self, key: &str) -> Option<&RawValue> {
        let member = self.meta.as_ref()?.get(key).copied();
        member.filter(|raw| raw.get() != "null")
    }

    /// Refuses what is larger than its bound.
    fn check_sizes(&self) -> Result<(), RequestError> {
        let size = |raw: Option<&RawValue>| raw.map_or(0, |raw| raw.get().len());
        let meta = self.meta.iter().flatten();
        let client = size(self.meta(META_CLIENT_INFO)) + size(self.meta(META_CLIENT_CAPABILITIES));
        for (field, bytes, most) in [
            ("name", size(self.name), MAX_NAME_BYTES),
            ("uri", size(self.uri), MAX_URI_BYTES),
            ("cursor", size(self.cursor), MAX_CURSOR_BYTES),
            (
                "requestState",
                size(self.request_state),
                MAX_REQUEST_STATE_BYTES,
            ),
            (
                "_meta.progressToken",
                size(self.meta("progressToken")),
                MAX_TOKEN_BYTES,
            ),
            (
                "clientInfo and clientCapabilities in _meta",
                client,
                MAX_CLIENT_BYTES,
            ),
            (
                "_meta",
                meta.map(|(key, value)| key.len() + value.get().len()).sum(),
                MAX_META_BYTES,
            ),
        ] {
            if bytes > most {
                return Err(too_large(field, bytes, most));
            }
        }
        Ok(())
    }
}

/// Whether a JSON number is an integer by its form, of whatever size.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(params: &str) -> Result<(), RequestError> {
        let view: ParamsView<'_> = serde_json::from_str(params).unwrap();
        view.check_sizes()
    }

    #[test]
    fn every_field_is_taken_at_its_bound_and_refused_beyond() {
        for (form, most) in [
            (r#"{"name":@}"#, MAX_NAME_BYTES),
            (r#"{"uri":@}"#, MAX_URI_BYTES),
            (r#"{"cursor":@}"#, MAX_CURSOR_BYTES),
            (r#"{"requestState":@}"#, MAX_REQUEST_STATE_BYTES),
            (r#"{"_meta":{"progressToken":@}}"#, MAX_TOKEN_BYTES),
            (
                r#"{"_meta":{"io.modelcontextprotocol/clientInfo":@}}"#,
                MAX_CLIENT_BYTES,
            ),
            (
                r#"{"_meta":{"io.modelcontextprotocol/clientCapabilities":@}}"#,
                MAX_CLIENT_BYTES,
            ),
            (r#"{"_meta":{"x":@}}"#, MAX_META_BYTES - 1),
        ] {
            let of = |bytes: usize| form.replace('@', &format!("\"{}\"", "x".repeat(bytes - 2)));
            assert!(check(&of(most)).is_ok(), "{form}");
            let refused = check(&of(most + 1));
            assert!(
                matches!(refused, Err(RequestError::InvalidParams(_))),
                "{form}"
            );
        }
    }
}
