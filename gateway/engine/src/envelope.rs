//! A client's message, read no further than routing needs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::time::Duration;

use axum::http::HeaderMap;
use prynai_shared::wire::absent::is_absent;
use prynai_shared::wire::message::RawJson;
use prynai_shared::wire::session::LogLevel;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::error::{Refused, RequestError};
use crate::field_bounds::{MAX_ID_BYTES, MAX_METHOD_BYTES};

/// `_meta` keys of 2026-07-28 (Basic, Per-request protocol fields).
pub(crate) const META_CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// `_meta` key of ours: how long the request may wait for a worker, in milliseconds.
const META_TIMEOUT: &str = "ai.prynai/timeoutMs";

/// Most bytes of HTTP headers handed to a handler.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// One JSON-RPC message.
#[derive(Debug)]
pub(crate) enum Message {
    Request(Request),
    Notification(Notification),
    /// An answer to a question of ours.
    Response(ClientResponse),
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: RawJson,
    pub(crate) method: String,
    pub(crate) params: Params,
    pub(crate) raw: RawJson,
}

#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) method: String,
    pub(crate) params: Params,
    pub(crate) raw: RawJson,
}

#[derive(Debug)]
pub(crate) struct ClientResponse {
    pub(crate) id: RawJson,
    pub(crate) raw: RawJson,
}

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

/// Of a message that cannot be read otherwise.
#[derive(Deserialize)]
struct OnlyId<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps `null` apart from "absent".
fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

// === impl Message ===

impl Message {
    /// Reads a body that is a batch, message by message; `None` when it is none.
    pub(crate) fn parse_batch(
        body: &[u8],
    ) -> Result<Option<Vec<Result<Self, Refused>>>, RequestError> {
        let text = text(body)?;
        if !text.trim_start().starts_with('[') {
            return Ok(None);
        }
        let parts: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| RequestError::NotJson(error.to_string()))?;
        let messages = parts.iter().map(|part| Self::parse(part.get().as_bytes()));
        Ok(Some(messages.collect()))
    }

    /// Reads a body. A refusal names the id, as far as that could be read.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refused> {
        let text = text(body)?;
        // A struct would be read from an array as well.
        if !text.trim_start().starts_with('{') {
            return Err(match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => not_json_rpc("it is not an object").into(),
                Err(error) => RequestError::NotJson(error.to_string()).into(),
            });
        }
        Self::parse_object(text).map_err(|error| match readable_id(text) {
            Some(id) => error.answering(&id),
            None => error.into(),
        })
    }

    fn parse_object(text: &str) -> Result<Self, RequestError> {
        let frame: Frame<'_> =
            serde_json::from_str(text).map_err(|error| match error.classify() {
                Category::Data => not_json_rpc(&error.to_string()),
                Category::Syntax | Category::Eof | Category::Io => {
                    RequestError::NotJson(error.to_string())
                }
            })?;
        if frame.jsonrpc.as_deref() != Some("2.0") {
            return Err(not_json_rpc(r#"the member "jsonrpc" must be "2.0""#));
        }
        let raw = RawJson::parse(text.trim())
            .map_err(|error| RequestError::NotJson(error.to_string()))?;
        frame.into_message(raw)
    }
}

/// The id of a message that is refused, for its sender to know which.
fn readable_id(text: &str) -> Option<RawJson> {
    let read: OnlyId<'_> = serde_json::from_str(text).ok()?;
    checked_id(read.id?).ok()
}

fn text(body: &[u8]) -> Result<&str, RequestError> {
    std::str::from_utf8(body)
        .map_err(|error| RequestError::NotJson(format!("it is not UTF-8: {error}")))
}

impl Frame<'_> {
    fn into_message(self, raw: RawJson) -> Result<Message, RequestError> {
        let id = self.id.map(checked_id).transpose()?;
        let answers = self.result.is_some() || self.error.is_some();
        match (self.method, id) {
            (Some(method), _) if method.is_empty() => {
                Err(not_json_rpc(r#"the member "method" is empty"#))
            }
            (Some(method), _) if method.len() > MAX_METHOD_BYTES => Err(not_json_rpc(&format!(
                r#"the member "method" may have {MAX_METHOD_BYTES} bytes at most"#
            ))),
            (Some(_), _) if answers => Err(not_json_rpc("it is a request and a response at once")),
            (Some(method), Some(id)) => Ok(Message::Request(Request {
                id,
                method: method.into_owned(),
                params: Params::checked(self.params)?,
                raw,
            })),
            (Some(method), None) => Ok(Message::Notification(Notification {
                method: method.into_owned(),
                params: Params::checked(self.params)?,
                raw,
            })),
            (None, Some(id)) if answers => Ok(Message::Response(ClientResponse { id, raw })),
            (None, _) => Err(not_json_rpc(
                r#"it has neither "method" nor an "id" with "result" or "error""#,
            )),
        }
    }
}

/// MCP allows strings and integers (2025-11-25, Basic, Requests), never `null`.
fn checked_id(id: &RawValue) -> Result<RawJson, RequestError> {
    let text = id.get();
    if text.len() > MAX_ID_BYTES || !(is_integer(text) || text.starts_with('"')) {
        return Err(not_json_rpc(
            r#"the member "id" must be a string or an integer of at most 1024 bytes"#,
        ));
    }
    Ok(RawJson::from(id))
}

/// Whether a JSON number is an integer by its form, of whatever size.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn not_json_rpc(reason: &str) -> RequestError {
    RequestError::NotJsonRpc(reason.to_owned())
}

// === impl Params ===

impl Params {
    fn checked(params: Option<&RawValue>) -> Result<Self, RequestError> {
        match params {
            Some(raw) if is_absent(raw.get()) => Ok(Self(None)),
            Some(raw) if !raw.get().starts_with('{') => {
                Err(not_json_rpc(r#"the member "params" must be an object"#))
            }
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
}

/// The HTTP headers a handler may see. Named one by one, since nobody can name all headers that carry
/// credentials.
const PASSED_HEADERS: [&str; 6] = [
    "accept-language",
    "baggage",
    "traceparent",
    "tracestate",
    "user-agent",
    "x-request-id",
];

/// The HTTP headers for a handler, as far as they fit.
pub(crate) fn headers_for_handler(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut room = MAX_HEADER_BYTES;
    PASSED_HEADERS
        .iter()
        .filter_map(|name| Some((*name, headers.get(*name)?.to_str().ok()?)))
        .filter(|(name, value)| {
            let size = name.len() + value.len();
            let fits = size <= room;
            if fits {
                room -= size;
            }
            fits
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_text() {
        for id in ["1", "-7", "9007199254740993", r#""1""#, r#""é\u0000""#] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            match Message::parse(body.as_bytes()) {
                Ok(Message::Request(request)) => assert_eq!(request.id.as_str(), id),
                other => panic!("{id}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_message_is_named() {
        let parse = |body: &[u8]| Message::parse(body).map_err(|refused| refused.error);
        for body in ["", "{", "nonsense", "{\"a\":1,}"] {
            assert!(
                matches!(parse(body.as_bytes()), Err(RequestError::NotJson(_))),
                "{body}"
            );
        }
        for body in [
            "1",
            "null",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        ] {
            assert!(
                matches!(parse(body.as_bytes()), Err(RequestError::NotJsonRpc(_))),
                "{body}"
            );
        }
        assert!(matches!(
            parse(b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}"),
            Err(RequestError::NotJson(_))
        ));
    }

    #[test]
    fn a_refusal_names_the_id_that_could_be_read() {
        for (body, id) in [
            (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, Some("7")),
            (r#"{"jsonrpc":"2.0","id":"a","method":7}"#, Some("\"a\"")),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":7}"#,
                Some("7"),
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}"#,
                Some("7"),
            ),
            (r#"{"jsonrpc":"2.0","id":7}"#, Some("7")),
            (r#"{"jsonrpc":"2.0","id":7,"id":8,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":[7],"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":7,"method":"#, None),
            ("7", None),
        ] {
            let refused = Message::parse(body.as_bytes()).unwrap_err();
            assert_eq!(refused.id.as_ref().map(RawJson::as_str), id, "{body}");
        }
    }

    #[test]
    fn what_stands_for_something_absent_is_taken_for_absent() {
        for params in [
            "null",
            "[]",
            "[ ]",
            r#"{"_meta":null}"#,
            r#"{"_meta":[]}"#,
            r#"{"_meta":{"progressToken":null}}"#,
        ] {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{params}}}"#);
            let Ok(Message::Request(request)) = Message::parse(body.as_bytes()) else {
                panic!("{params} is refused");
            };
            assert_eq!(request.raw.as_str(), body, "it passes on as it came");
            let view = request.params.view().unwrap();
            assert!(view.meta("progressToken").is_none());
            view.check("tools/list").unwrap();
        }
    }

    #[test]
    fn id_and_method_are_taken_at_their_bound_and_refused_beyond() {
        let parse = |id: usize, method: usize| {
            let (id, method) = ("i".repeat(id - 2), "m".repeat(method));
            Message::parse(
                format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}"}}"#).as_bytes(),
            )
        };
        assert!(parse(MAX_ID_BYTES, MAX_METHOD_BYTES).is_ok());
        for refused in [
            parse(MAX_ID_BYTES + 1, MAX_METHOD_BYTES),
            parse(MAX_ID_BYTES, MAX_METHOD_BYTES + 1),
        ] {
            let error = refused.unwrap_err().error;
            assert!(matches!(error, RequestError::NotJsonRpc(_)));
        }
    }

    #[test]
    fn credentials_never_reach_a_handler() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "cookie",
            "x-api-key",
            "x-ms-token-aad-access-token",
        ] {
            headers.insert(name, "secret".parse().unwrap());
        }
        headers.insert("x-request-id", "blue".parse().unwrap());
        let passed = headers_for_handler(&headers);
        assert_eq!(
            passed.into_iter().collect::<Vec<_>>(),
            [("x-request-id".to_owned(), "blue".to_owned())]
        );
    }

    #[test]
    fn headers_for_handlers_are_bounded() {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", "x".repeat(MAX_HEADER_BYTES).parse().unwrap());
        assert!(headers_for_handler(&headers).is_empty());
        let most = "x".repeat(MAX_HEADER_BYTES - "user-agent".len());
        headers.insert("user-agent", most.parse().unwrap());
        assert_eq!(headers_for_handler(&headers).len(), 1);
    }
}
