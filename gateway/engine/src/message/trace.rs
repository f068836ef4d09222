//! The place in a trace that a client names for its request.

use axum::http::{HeaderMap, HeaderName};
use prynai_bus::wire::trace::TraceContext;

use super::members::META_TRACEPARENT;
use super::params::ParamsView;

/// The header of W3C Trace Context.
static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What `_meta` says (SEP-414), else what the header says, which a proxy may have made. What is not valid counts as
/// not said (Trace Context, section 3.2.1).
pub(crate) fn named(headers: &HeaderMap, params: Option<ParamsView<'_>>) -> Option<TraceContext> {
    let in_meta = params.and_then(|params| {
        let text = params.meta(META_TRACEPARENT)?;
        text.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    });
    in_meta.or_else(|| in_header(headers))
}

fn in_header(headers: &HeaderMap) -> Option<TraceContext> {
    let mut values = headers.get_all(&TRACEPARENT).iter();
    let (first, None) = (values.next()?, values.next()) else {
        return None;
    };
    first.to_str().ok()?.parse().ok()
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
        named.map(|context| context.to_string())
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
}
