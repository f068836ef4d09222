//! What holds for any input of the readers that see the bytes of strangers first.
//!
//! The targets in `fuzz/` call these with whatever finds new paths; the tests here with random input and with the seeds
//! of the targets, so that they hold in every test run.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prynai_bus::FeedPosition;
use prynai_bus::ids::{QuestionId, SessionId, StreamId};
use prynai_bus::wire::absent::is_absent;
use prynai_bus::wire::catalog::CatalogTool;
use prynai_bus::wire::message::RawJson;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::message::envelope::{Body, Message};
use crate::message::members::META_KEYS;
use crate::message::mirrored_headers;
use crate::message::params::Params;
use crate::streams::event_id::EventId;

type Members<'a> = BTreeMap<String, &'a RawValue>;

/// A body that is read as a message is the message that it says it is.
pub fn envelope(body: &[u8]) {
    let message = match Body::parse(body) {
        Ok(Body::Message(message)) => message,
        Ok(Body::Batch(messages)) => {
            let parts: Vec<&RawValue> = serde_json::from_slice(body).expect("a batch is a list");
            return assert_eq!(messages.len(), parts.len());
        }
        Err(_) => return,
    };
    let members: Members<'_> = serde_json::from_slice(body).expect("a message is an object");
    let said = |name: &str| members.get(name).map(|value| value.get());
    let method = said("method").map(|text| serde_json::from_str::<String>(text).expect("text"));
    match &message {
        Message::Request(request) => {
            assert_eq!(said("id"), Some(request.id.as_str()));
            assert_eq!(method.as_ref(), Some(&request.method));
            assert!(said("result").is_none() && said("error").is_none());
            params(&request.params, &request.method, said("params"));
        }
        Message::Notification(notification) => {
            assert_eq!(said("id"), None);
            assert_eq!(method.as_ref(), Some(&notification.method));
            params(&notification.params, &notification.method, said("params"));
        }
        Message::Response(response) => {
            assert_eq!((said("id"), method), (Some(response.id.as_str()), None));
            assert!(said("result").is_some() || said("error").is_some());
        }
    }
    if let Some(id) = said("id") {
        let id: Value = serde_json::from_str(id).unwrap_or(Value::from(""));
        assert!(id.is_string() || id.is_number());
    }
    assert_eq!(said("jsonrpc").map(read), Some(Value::from("2.0")));
    let raw = raw(&message);
    assert_eq!(raw.as_str().as_bytes(), body.trim_ascii());
    let again = Message::parse(raw.as_str()).expect("is read again");
    assert_eq!(self::raw(&again), raw);
}

fn raw(message: &Message) -> &RawJson {
    match message {
        Message::Request(request) => &request.raw,
        Message::Notification(notification) => &notification.raw,
        Message::Response(response) => &response.raw,
    }
}

fn params(params: &Params, method: &str, said: Option<&str>) {
    let Ok(view) = params.view() else { return };
    // What stands for an absent object has no members.
    let said = said.filter(|said| !is_absent(said));
    let members: Members<'_> = read_as(said.unwrap_or("{}"));
    if let Ok(Some(target)) = view.target(method) {
        let named = ["name", "uri"].map(|name| members.get(name).map(|value| read(value.get())));
        assert!(named.contains(&Some(Value::from(target))));
    }
    let arguments = members.get("arguments").map(|raw| raw.get());
    assert_eq!(view.arguments(), arguments.filter(|said| *said != "null"));
    let meta = members.get("_meta").map_or("null", |meta| meta.get());
    let meta: Members<'_> = read_as(if is_absent(meta) { "{}" } else { meta });
    for key in META_KEYS {
        let said = meta.get(key).map(|value| value.get());
        assert_eq!(view.meta(key), said.filter(|said| *said != "null"));
    }
    // Says yes or no, whatever there is.
    drop(view.check(method));
}

/// A header that is accepted says what the body says. The input is the header's value, a zero, and a tool's arguments.
pub fn mirrored_headers(input: &[u8]) {
    let mut parts = input.splitn(2, |byte| *byte == 0);
    let (sent, arguments) = (parts.next(), parts.next());
    let Ok(sent) = HeaderValue::from_bytes(sent.unwrap_or_default()) else {
        return;
    };
    let Ok(text) = mirrored_headers::decoded(&sent, "it") else {
        return;
    };
    let encoded = format!("=?base64?{}?=", STANDARD.encode(text.as_bytes()));
    let encoded = HeaderValue::try_from(encoded).expect("Base64 is ASCII");
    assert_eq!(
        mirrored_headers::decoded(&encoded, "it").expect("decodes"),
        text
    );
    for header in [&sent, &encoded] {
        assert!(names(header, &text) && !names(header, &format!("{text}x")));
        if let Some(Ok(arguments)) = arguments.map(serde_json::from_slice::<&RawValue>) {
            param(header, &text, arguments);
        }
    }
}

/// Whether the headers are those of a request with this target.
fn names(header: &HeaderValue, target: &str) -> bool {
    let headers = HeaderMap::from_iter(
        [
            ("mcp-protocol-version", HeaderValue::from_static("1")),
            ("mcp-method", HeaderValue::from_static("tools/call")),
            ("mcp-name", header.clone()),
        ]
        .map(|(name, value)| (name.parse().expect("a name"), value)),
    );
    mirrored_headers::check_standard(&headers, "1", "tools/call", Some(target)).is_ok()
}

fn param(header: &HeaderValue, text: &str, arguments: &RawValue) {
    let tool = CatalogTool {
        header_params: [("V".to_owned(), vec!["v".to_owned()])].into(),
        ..CatalogTool::default()
    };
    let mut headers = HeaderMap::new();
    headers.insert("mcp-param-v", header.clone());
    let accepted = mirrored_headers::check_params(&headers, &tool, Some(arguments.get())).is_ok();
    let arguments: Value = serde_json::from_str(arguments.get()).unwrap_or_default();
    match arguments.get("v") {
        Some(Value::String(argument)) => assert_eq!(accepted, argument == text),
        Some(Value::Bool(argument)) => assert_eq!(accepted, argument.to_string() == text),
        Some(Value::Number(argument)) if accepted => {
            assert_eq!(argument.as_f64(), text.parse().ok());
        }
        Some(Value::Number(argument)) => assert_ne!(argument.to_string(), text),
        _ => assert!(!accepted),
    }
}

/// Each id has one spelling, and none could break a header or an event.
pub fn event_id(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let feed = one_spelling::<FeedPosition>(text);
    let call = one_spelling::<EventId>(text);
    let opaque = [
        one_spelling::<StreamId>(text),
        one_spelling::<SessionId>(text),
        one_spelling::<QuestionId>(text),
    ];
    let any = feed || call || opaque.contains(&true);
    assert!(!any || text.bytes().all(|byte| byte.is_ascii_graphic()));
}

fn one_spelling<T: FromStr + Display>(text: &str) -> bool {
    match text.parse::<T>() {
        Ok(id) => {
            assert_eq!(id.to_string(), text);
            true
        }
        Err(_) => false,
    }
}

fn read(text: &str) -> Value {
    read_as(text)
}

fn read_as<'a, T: serde::Deserialize<'a>>(text: &'a str) -> T {
    serde_json::from_str(text).expect("was read before")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    /// Pieces of messages, in an order that makes some sense now and then.
    fn message() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(
            &[
                r#""jsonrpc":"2.0""#,
                r#""id":1"#,
                r#""id":"\u00e9""#,
                r#""\u0069d":-0"#,
                r#""id":null"#,
                r#""method":"tools/call""#,
                r#""method":"x/list""#,
                r#""params":{"name":"a","cursor":1,"_meta":{"progressToken":1.5}}"#,
                r#""params":{"n\u0061me":"b","_meta":{"k":1e400}}"#,
                r#""result":{}"#,
                r#""error":null"#,
                r#""x":[]"#,
            ][..],
        );
        let pieces = prop::collection::vec(piece, 0..6);
        (pieces, " ?", "[, ]?").prop_map(|(pieces, before, after)| {
            let jsonrpc = r#""jsonrpc":"2.0""#;
            format!("{before}{{{jsonrpc},{}}}{after}", pieces.join(","))
        })
    }

    proptest! {
        #[test]
        fn any_body(body in prop::collection::vec(any::<u8>(), 0..64)) {
            envelope(&body);
        }

        #[test]
        fn any_message(body in message()) {
            envelope(body.as_bytes());
            envelope(format!("[{body}]").as_bytes());
        }

        #[test]
        fn any_header(
            sent in "(=\\?base64\\?)?[a-zA-Z0-9+/=. -]{0,8}(\\?=)?|-?[0-9]{1,20}(\\.0)?|true",
            argument in "\"[a-z0-9]{0,4}\"|-?(0|[1-9][0-9]{0,19})(\\.[0-9])?|true|null",
        ) {
            let quoted = format!("\"{sent}\"");
            for argument in [argument, sent, quoted] {
                let input = format!("{}\0{{\"v\":{argument}}}", argument.trim_matches('"'));
                mirrored_headers(input.as_bytes());
            }
        }

        #[test]
        fn any_id(text in "(feed-)?[0-9a-f]{31,32}[-.][0-9+]{1,3}([-.]0?[0-9]{1,20})?|\\PC{0,40}") {
            event_id(text.as_bytes());
        }
    }

    #[test]
    fn the_seeds_of_the_targets() {
        for (target, holds) in [
            ("envelope", envelope as fn(&[u8])),
            ("mirrored_headers", mirrored_headers),
            ("event_id", event_id),
        ] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
            let seeds = std::fs::read_dir(folder.join(target)).expect("has seeds");
            for seed in seeds {
                holds(&std::fs::read(seed.expect("an entry").path()).expect("a seed"));
            }
        }
    }
}
