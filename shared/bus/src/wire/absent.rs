//! What clients write for something that they leave out: `null`, and `[]` for an object that is empty, as
//! PHP does. Messages pass on as they came; only what reads them takes such members for absent.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::message::RawJson;

/// Members of `params` that are objects, or not there.
const OBJECTS: [&str; 3] = ["arguments", "context", "inputResponses"];

/// `_meta` key of a client's capabilities (2026-07-28, Basic, Per-request protocol fields).
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Whether a member of `_meta` is MCP's own. What stands under any other key is between a client and its tool, and
/// passes unchanged.
fn is_of_mcp(key: &str) -> bool {
    key == "progressToken" || key.starts_with("io.modelcontextprotocol/")
}

/// How deep the objects of MCP's own lie in capabilities, such as `tasks.requests.sampling`.
const DEPTH: usize = 4;

type Members<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// Reads a member so that `null` stays apart from "absent": for members of which JSON-RPC says that they are there.
///
/// # Errors
///
/// When the value is not JSON.
pub fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// Whether a JSON value is the list without elements.
pub fn is_empty_list(value: &str) -> bool {
    let inner = value
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| inner.trim().is_empty())
}

/// Whether a JSON value stands for an object that is not there.
pub fn is_absent(value: &str) -> bool {
    value == "null" || is_empty_list(value)
}

/// Capabilities whose members are objects, or not there; `None` when they are that already.
pub fn tidy_capabilities(capabilities: &RawJson) -> Option<RawJson> {
    let tidied = tidied(capabilities.as_str(), DEPTH)?;
    RawJson::parse(&tidied).ok()
}

/// A message to read in place of `message`, which says the same without what stands for something absent; `None`
/// when there is nothing of that kind. Everything else keeps its text.
pub fn without_absent(message: &str) -> Option<String> {
    let mut whole = members(message)?;
    let params = whole.get("params")?;
    if is_absent(params) {
        whole.remove("params");
        return Some(object(&whole));
    }
    let mut params = members(params)?;
    let mut changed = false;
    for name in OBJECTS {
        changed |= params.get(name).is_some_and(|value| is_absent(value));
        params.retain(|member, value| member != name || !is_absent(value));
    }
    if let Some(meta) = params.get("_meta").map(|meta| tidied_meta(meta)) {
        match meta {
            Tidied::Same => {}
            Tidied::Absent => {
                changed = true;
                params.remove("_meta");
            }
            Tidied::Other(meta) => {
                changed = true;
                params.insert("_meta".into(), meta.into());
            }
        }
    }
    if !changed {
        return None;
    }
    let params = object(&params);
    whole.insert("params".into(), params.into());
    Some(object(&whole))
}

enum Tidied {
    Same,
    Absent,
    Other(String),
}

fn tidied_meta(meta: &str) -> Tidied {
    if is_absent(meta) {
        return Tidied::Absent;
    }
    let Some(mut members) = members(meta) else {
        return Tidied::Same;
    };
    let before = members.len();
    members.retain(|name, value| value != "null" || !is_of_mcp(name));
    let mut changed = members.len() != before;
    let capabilities = members.get(CAPABILITIES);
    if let Some(capabilities) = capabilities.and_then(|value| tidied(value, DEPTH)) {
        changed = true;
        members.insert(CAPABILITIES.into(), capabilities.into());
    }
    match changed {
        true => Tidied::Other(object(&members)),
        false => Tidied::Same,
    }
}

/// An object without members that are `null`, and with empty objects for empty lists; `None` when it is that
/// already.
fn tidied(value: &str, depth: usize) -> Option<String> {
    if is_empty_list(value) {
        return Some("{}".to_owned());
    }
    let depth = depth.checked_sub(1)?;
    let mut members = members(value)?;
    let before = members.len();
    members.retain(|_, member| member != "null");
    let mut changed = members.len() != before;
    for member in members.values_mut() {
        if let Some(other) = tidied(member, depth) {
            changed = true;
            *member = other.into();
        }
    }
    changed.then(|| object(&members))
}

/// The members of an object, each as its text.
fn members(object: &str) -> Option<Members<'_>> {
    if !object.trim_start().starts_with('{') {
        return None;
    }
    let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(object).ok()?;
    let texts = members.into_iter();
    Some(
        texts
            .map(|(name, value)| (name, value.get().into()))
            .collect(),
    )
}

fn object(members: &Members<'_>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::Value::from(name.as_ref()).to_string());
        text.push(':');
        text.push_str(value);
    }
    text.push('}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_for_something_absent_is_left_out_and_the_rest_keeps_its_text() {
        for (message, read) in [
            (r#"{"id":1,"params":null}"#, Some(r#"{"id":1}"#)),
            (r#"{"id":1,"params":[ ]}"#, Some(r#"{"id":1}"#)),
            (
                r#"{"id":1,"params":{"arguments":[],"name":"a"}}"#,
                Some(r#"{"id":1,"params":{"name":"a"}}"#),
            ),
            (
                r#"{"id":1,"params":{"_meta":[],"n":1.50e2}}"#,
                Some(r#"{"id":1,"params":{"n":1.50e2}}"#),
            ),
            (
                r#"{"id":1,"params":{"_meta":{"progressToken":null,"a\"b":12345678901234567890123}}}"#,
                Some(r#"{"id":1,"params":{"_meta":{"a\"b":12345678901234567890123}}}"#),
            ),
            (
                r#"{"id":1,"params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"roots":null,"sampling":[]}}}}"#,
                Some(
                    r#"{"id":1,"params":{"_meta":{"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}}}}"#,
                ),
            ),
            (r#"{"id":1,"params":{"arguments":[1]}}"#, None),
            (
                r#"{"id":1,"params":{"arguments":{"list":[],"none":null}}}"#,
                None,
            ),
            (r#"{"id":1,"params":["x"]}"#, None),
            (r#"{"id":1}"#, None),
            ("[]", None),
        ] {
            assert_eq!(without_absent(message).as_deref(), read, "{message}");
        }
    }

    #[test]
    fn capabilities_that_are_empty_lists_are_empty_objects() {
        for (given, tidy) in [
            ("[]", Some("{}")),
            (
                r#"{"elicitation":{"form":[]},"tasks":null}"#,
                Some(r#"{"elicitation":{"form":{}}}"#),
            ),
            (
                r#"{"roots":{"listChanged":true},"experimental":{"a":[1]}}"#,
                None,
            ),
            ("{}", None),
        ] {
            let tidied = tidy_capabilities(&RawJson::parse(given).expect("JSON"));
            assert_eq!(tidied.as_ref().map(RawJson::as_str), tidy, "{given}");
        }
    }
}
