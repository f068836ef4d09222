//! The place in a trace that a client names for its request.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName};
use prynai_bus::wire::trace::TraceState;

use super::members::{META_TRACEPARENT, META_TRACESTATE};
use super::params::ParamsView;
use crate::operation::NamedTrace;

/// The headers of W3C Trace Context.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// What `_meta` says (SEP-414), else what the headers say, which a proxy may have made. What is not valid counts as
/// not said (Trace Context, section 3.2.1); the state is of no use without the place, or beside another one.
pub(crate) fn named(headers: &HeaderMap, params: Option<ParamsView<'_>>) -> Option<NamedTrace> {
    in_meta(params).or_else(|| in_headers(headers))
}

fn in_meta(params: Option<ParamsView<'_>>) -> Option<NamedTrace> {
    let params = params?;
    let text = |key| params.meta(key)?.strip_prefix('"')?.strip_suffix('"');
    Some(NamedTrace {
        place: text(META_TRACEPARENT)?.parse().ok()?,
        // No escape of JSON is needed for what may be in it, but for `"`, `\` and `/`.
        state: params.meta(META_TRACESTATE).and_then(|text| {
            serde_json::from_str::<Cow<'_, str>>(text)
                .ok()?
                .parse()
                .ok()
        }),
    })
}

fn in_headers(headers: &HeaderMap) -> Option<NamedTrace> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let (first, None) = (values.next()?, values.next()) else {
        return None;
    };
    Some(NamedTrace {
        place: first.to_str().ok()?.parse().ok()?,
        state: state_in(headers),
    })
}

/// Several headers are one list (section 3.3.1).
fn state_in(headers: &HeaderMap) -> Option<TraceState> {
    let mut values = headers.get_all(&TRACESTATE).iter();
    let first = values.next()?.to_str().ok()?;
    let mut all = Cow::from(first);
    for value in values {
        let all = all.to_mut();
        all.push(',');
        all.push_str(value.to_str().ok()?);
    }
    all.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::envelope::Message;

    const OF_META: &str = "00-11111111111111111111111111111111-2222222222222222-01";
    const OF_HEADER: &str = "00-33333333333333333333333333333333-4444444444444444-00";

    fn named_in(meta: &str, headers: &[&str]) -> Option<String> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{{"traceparent":{meta}}}}}}}"#
        );
        let Ok(Message::Request(request)) = Message::parse(&body) else {
            panic!("{body}");
        };
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(&TRACEPARENT, value.parse().unwrap());
        }
        let named = named(&map, request.params.view().ok());
        named.map(|named| named.place.to_string())
    }

    #[test]
    fn meta_counts_and_then_the_header() {
        let of_meta = format!("\"{OF_META}\"");
        for (meta, headers, expected) in [
            (&*of_meta, &[OF_HEADER][..], Some(OF_META)),
            (&of_meta, &[], Some(OF_META)),
            ("null", &[OF_HEADER], Some(OF_HEADER)),
            ("\"00-no\"", &[OF_HEADER], Some(OF_HEADER)),
            ("[\"\\u001b\"]", &[OF_HEADER], Some(OF_HEADER)),
            // Of two, nobody knows which.
            ("7", &[OF_HEADER, OF_HEADER], None),
            ("{}", &["\t[31m"], None),
            ("{}", &[], None),
        ] {
            assert_eq!(named_in(meta, headers).as_deref(), expected, "{meta}");
        }
    }

    #[test]
    fn the_state_comes_with_the_place_or_not_at_all() {
        let state = |meta: &str, headers: &[(&HeaderName, &str)]| {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{{"_meta":{meta}}}}}"#);
            let Ok(Message::Request(request)) = Message::parse(&body) else {
                panic!("{body}");
            };
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, value.parse().unwrap());
            }
            let named = named(&map, request.params.view().ok());
            named.and_then(|named| Some(named.state?.as_str().to_owned()))
        };
        let of_headers = [
            (&TRACEPARENT, OF_HEADER),
            (&TRACESTATE, "a=1"),
            (&TRACESTATE, "b=2"),
        ];
        let of_meta = format!(r#"{{"traceparent":"{OF_META}","tracestate":"c=\"3\\/"}}"#);
        assert_eq!(state(&of_meta, &of_headers).as_deref(), Some("c=\"3\\/"));
        assert_eq!(state("{}", &of_headers).as_deref(), Some("a=1,b=2"));
        let wrong = format!(r#"{{"traceparent":"{OF_META}","tracestate":"c"}}"#);
        let none = format!(r#"{{"traceparent":"{OF_META}"}}"#);
        for meta in [&*wrong, &none] {
            assert_eq!(state(meta, &of_headers), None, "{meta}");
        }
        // What comes with a place that is none does not count.
        let no_place = r#"{"traceparent":7,"tracestate":"c=3"}"#;
        assert_eq!(state(no_place, &of_headers).as_deref(), Some("a=1,b=2"));
        assert_eq!(state(no_place, &[]), None);
        assert_eq!(state("{}", &of_headers[1..]), None);
    }
}
