//! A client's message, read no further than routing needs.

use std::borrow::Cow;
use std::sync::Arc;

use prynai_bus::wire::absent::present;
use prynai_bus::wire::message::RawJson;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::members::ReadParams;
use super::params::{Params, is_integer};
use super::size_limits::{MAX_ID_BYTES, MAX_METHOD_BYTES};
use crate::refusal::{Refused, RequestError};

/// What JSON takes for a space (RFC 8259, section 2): fewer characters than Unicode does.
const JSON_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// What a client sent: one message, or a batch, whose messages are read one by one.
#[derive(Debug)]
pub(crate) enum Body {
    Message(Message),
    Batch(Vec<Result<Message, Refused>>),
}

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

/// Of a message that cannot be read otherwise.
#[derive(Deserialize)]
struct OnlyId<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

/// A message as it is read, with its params as a `P`.
#[derive(Deserialize)]
#[serde(bound(deserialize = "P: Deserialize<'de>"))]
struct Frame<'a, P> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(default)]
    params: Option<P>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

// === impl Body ===

impl Body {
    /// Reads a body. A refusal names the id, as far as that could be read.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Refused> {
        let text = std::str::from_utf8(body)
            .map_err(|error| RequestError::NotJson(format!("it is not UTF-8: {error}")))?;
        if !text.trim_start().starts_with('[') {
            return Message::parse(text).map(Self::Message);
        }
        let parts: Vec<&RawValue> =
            serde_json::from_str(text).map_err(|error| RequestError::NotJson(error.to_string()))?;
        let messages = parts.iter().map(|part| Message::parse(part.get()));
        Ok(Self::Batch(messages.collect()))
    }
}

// === impl Message ===

impl Message {
    /// Reads one message. A refusal names the id, as far as that could be read.
    pub(crate) fn parse(text: &str) -> Result<Self, Refused> {
        let text = text.trim_matches(JSON_SPACE);
        // A struct would be read from an array as well.
        if !text.starts_with('{') {
            return Err(match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => not_json_rpc("it is not an object").into(),
                Err(error) => RequestError::NotJson(error.to_string()).into(),
            });
        }
        Self::parse_object(&Arc::from(text)).map_err(|error| match readable_id(text) {
            Some(id) => error.answering(&id),
            None => error.into(),
        })
    }

    fn parse_object(text: &Arc<str>) -> Result<Self, RequestError> {
        // The one pass over every message that is not refused.
        if let Ok((raw, frame)) = RawJson::parse_as::<Frame<'_, ReadParams<'_>>>(text) {
            return frame.into_message(raw, |raw, params| Ok(Params::new(raw, params)));
        }
        // What is wrong with params is no reason to call the message none.
        let (raw, frame) = RawJson::parse_as::<Frame<'_, &RawValue>>(text).map_err(|error| {
            match error.classify() {
                Category::Data => not_json_rpc(&error.to_string()),
                Category::Syntax | Category::Eof | Category::Io => {
                    RequestError::NotJson(error.to_string())
                }
            }
        })?;
        frame.into_message(raw, Params::read_apart)
    }
}

/// The id of a message that is refused, so that its client knows which.
fn readable_id(text: &str) -> Option<RawJson> {
    let read: OnlyId<'_> = serde_json::from_str(text).ok()?;
    checked_id(read.id?).ok()
}

impl<P> Frame<'_, P> {
    fn into_message(
        self,
        raw: RawJson,
        params: impl FnOnce(&RawJson, Option<P>) -> Result<Params, RequestError>,
    ) -> Result<Message, RequestError> {
        if self.jsonrpc.as_deref() != Some("2.0") {
            return Err(not_json_rpc(r#"the member "jsonrpc" must be "2.0""#));
        }
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
                params: params(&raw, self.params)?,
                raw,
            })),
            (Some(method), None) => Ok(Message::Notification(Notification {
                method: method.into_owned(),
                params: params(&raw, self.params)?,
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

fn not_json_rpc(reason: &str) -> RequestError {
    RequestError::NotJsonRpc(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_their_text() {
        for id in ["1", "-7", "9007199254740993", r#""1""#, r#""é\u0000""#] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            match Message::parse(&body) {
                Ok(Message::Request(request)) => assert_eq!(request.id.as_str(), id),
                other => panic!("{id}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_message_is_named() {
        let parse = |body: &[u8]| Body::parse(body).map_err(|refused| refused.error);
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
            let refused = Message::parse(body).unwrap_err();
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
            let Ok(Message::Request(request)) = Message::parse(&body) else {
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
            Message::parse(&format!(
                r#"{{"jsonrpc":"2.0","id":"{id}","method":"{method}"}}"#
            ))
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
}
