//! Headers that mirror the body (2026-07-28, Streamable HTTP, Request Metadata).

use std::borrow::Cow;

use axum::http::header::AsHeaderName;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prynai_bus::wire::catalog::CatalogTool;
use serde_json::Value;

use crate::refusal::RequestError;
use crate::versions;

static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Checks the headers every modern request has to carry.
pub(crate) fn check_standard(
    headers: &HeaderMap,
    version: &str,
    method: &str,
    target: Option<&str>,
) -> Result<(), RequestError> {
    must_equal(headers, &versions::HEADER, "MCP-Protocol-Version", version)?;
    must_equal(headers, &METHOD, "Mcp-Method", method)?;
    match target.filter(|_| has_name(method, headers)) {
        Some(target) => {
            let sent = decoded(single(headers, &NAME, "Mcp-Name")?, "Mcp-Name")?;
            equal("Mcp-Name", &sent, target)
        }
        None => Ok(()),
    }
}

/// Whether `Mcp-Name` must name the target of a request. The skills extension asks for none. That of tasks binds its
/// clients to send one, so that a request finds the server with the task; here any gateway has it, and clients that
/// send none (FastMCP 4.1) are served.
fn has_name(method: &str, headers: &HeaderMap) -> bool {
    match method {
        "resources/directory/read" | "skills/get" => false,
        "tasks/get" | "tasks/update" | "tasks/cancel" => headers.contains_key(&NAME),
        _ => true,
    }
}

/// Checks the `Mcp-Param-*` headers that a tool's schema asks for.
pub(crate) fn check_params(
    headers: &HeaderMap,
    tool: &CatalogTool,
    arguments: Option<&str>,
) -> Result<(), RequestError> {
    if tool.header_params.is_empty() {
        return Ok(());
    }
    let arguments: Value = arguments
        .map(serde_json::from_str)
        .transpose()
        .map_err(|error| RequestError::InvalidParams(error.to_string()))?
        .unwrap_or(Value::Null);
    for (name, path) in &tool.header_params {
        let header = format!("Mcp-Param-{name}");
        let value = path
            .iter()
            .try_fold(&arguments, |value, member| value.get(member))
            .filter(|value| !value.is_null());
        check_param(headers, &header, value)?;
    }
    Ok(())
}

fn check_param(
    headers: &HeaderMap,
    header: &str,
    value: Option<&Value>,
) -> Result<(), RequestError> {
    match (value, headers.contains_key(header)) {
        (None, false) => Ok(()),
        (None, true) => Err(mismatch(format!(
            "the header {header} is present, but the body has no such argument"
        ))),
        (Some(value), _) => {
            let sent = decoded(single(headers, header, header)?, header)?;
            let same = match value {
                Value::String(text) => *text == sent,
                Value::Bool(flag) => sent == if *flag { "true" } else { "false" },
                Value::Number(number) => same_number(number, &sent),
                _ => false,
            };
            if same {
                Ok(())
            } else {
                Err(mismatch(format!(
                    "{header} header value {sent:?} does not match the argument in the body"
                )))
            }
        }
    }
}

/// Integers are compared as numbers: `42.0` and `42` are equal (Server Validation, note).
fn same_number(number: &serde_json::Number, sent: &str) -> bool {
    number.to_string() == sent
        || matches!((number.as_f64(), sent.parse::<f64>()), (Some(body), Ok(header))
            if body.to_bits() == header.to_bits() && body.abs() < 9_007_199_254_740_992.0)
}

fn must_equal(
    headers: &HeaderMap,
    header: &HeaderName,
    shown: &str,
    body: &str,
) -> Result<(), RequestError> {
    let sent = single(headers, header, shown)?
        .to_str()
        .map_err(|_| mismatch(format!("{shown} contains invalid characters")))?;
    equal(shown, sent.trim(), body)
}

fn equal(shown: &str, sent: &str, body: &str) -> Result<(), RequestError> {
    if sent == body {
        Ok(())
    } else {
        Err(mismatch(format!(
            "{shown} header value {sent:?} does not match body value {body:?}"
        )))
    }
}

/// The one value of a header: two of them could be read differently by a proxy and by us.
fn single<'a>(
    headers: &'a HeaderMap,
    header: impl AsHeaderName,
    shown: &str,
) -> Result<&'a HeaderValue, RequestError> {
    let mut values = headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(mismatch(format!("the header {shown} is missing"))),
        (Some(_), Some(_)) => Err(mismatch(format!("the header {shown} is present twice"))),
    }
}

/// Undoes the Base64 sentinel encoding (Value Encoding).
pub(crate) fn decoded<'a>(
    value: &'a HeaderValue,
    shown: &str,
) -> Result<Cow<'a, str>, RequestError> {
    let text = value
        .to_str()
        .map_err(|_| mismatch(format!("{shown} contains invalid characters")))?
        .trim_matches([' ', '\t']);
    let Some(encoded) = text
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Ok(Cow::Borrowed(text));
    };
    STANDARD
        .decode(encoded)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(Cow::Owned)
        .ok_or_else(|| mismatch(format!("{shown} is not valid Base64 of UTF-8 text")))
}

fn mismatch(reason: String) -> RequestError {
    RequestError::HeaderMismatch(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn param(sent: &str, arguments: &str) -> Result<(), RequestError> {
        let tool = CatalogTool {
            header_params: [("Value".to_owned(), vec!["value".to_owned()])].into(),
            ..CatalogTool::default()
        };
        check_params(
            &headers(&[("mcp-param-value", sent)]),
            &tool,
            Some(arguments),
        )
    }

    #[test]
    fn encoded_and_plain_values_match_the_body() {
        for (sent, body) in [
            ("Hello", r#"{"value":"Hello"}"#),
            ("  Hello\t", r#"{"value":"Hello"}"#),
            ("=?base64?SGVsbG8=?=", r#"{"value":"Hello"}"#),
            ("=?base64?SGVsbG8=", r#"{"value":"=?base64?SGVsbG8="}"#),
            ("SGVsbG8=", r#"{"value":"SGVsbG8="}"#),
            ("42.0", r#"{"value":42}"#),
            ("-7", r#"{"value":-7}"#),
            ("true", r#"{"value":true}"#),
        ] {
            assert!(param(sent, body).is_ok(), "{sent} {body}");
        }
        for (sent, body) in [
            ("=?base64?SGVsbG8?=", r#"{"value":"Hello"}"#),
            ("=?base64?SGVs!!!bG8=?=", r#"{"value":"Hello"}"#),
            ("hello", r#"{"value":"Hello"}"#),
            ("Hello", "{}"),
            ("null", r#"{"value":null}"#),
            ("True", r#"{"value":true}"#),
            ("9007199254740992", r#"{"value":9007199254740993}"#),
        ] {
            assert!(param(sent, body).is_err(), "{sent} {body}");
        }
    }

    #[test]
    fn the_name_of_a_task_may_be_missing_but_not_another() {
        let check = |method: &str, name: Option<&str>| {
            let mut sent = headers(&[
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", method),
            ]);
            if let Some(name) = name {
                sent.append("mcp-name", name.parse().expect("ASCII"));
            }
            check_standard(&sent, "2026-07-28", method, Some("7a")).is_ok()
        };
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            assert!(check(method, None) && check(method, Some("7a")), "{method}");
            assert!(!check(method, Some("7b")), "{method}");
        }
        assert!(!check("resources/read", None));
    }

    #[test]
    fn a_header_may_not_be_missing_doubled_or_of_another_case() {
        let check = |pairs: &[(&'static str, &str)]| {
            check_standard(&headers(pairs), "2026-07-28", "tools/call", Some("echo"))
        };
        let good = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "echo"),
        ];
        assert!(check(&good).is_ok());
        for missing in 0..good.len() {
            let mut pairs = good.to_vec();
            pairs.remove(missing);
            assert!(check(&pairs).is_err());
        }
        let mut doubled = good.to_vec();
        doubled.push(("mcp-name", "echo"));
        assert!(check(&doubled).is_err());
        let listed = [good[0], ("mcp-method", "skills/get")];
        let skill = Some("skill://a/SKILL.md");
        assert!(check_standard(&headers(&listed), "2026-07-28", "skills/get", skill).is_ok());
        let mut cased = good.to_vec();
        cased[1].1 = "Tools/Call";
        assert!(check(&cased).is_err());
    }
}
