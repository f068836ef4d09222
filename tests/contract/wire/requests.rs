//! Requests, as gateways queue them.

use std::collections::HashMap;

use prynai_bus::wire::WireError;
use prynai_bus::wire::principal::{CallerKind, Principal};
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::wire::visible::Visible;
use prynai_process::secret::Secret;
use prynai_redis_bus::signature::{EnvelopeKeys, SIGNATURE};

use crate::pairs;
use crate::{SAMPLES, passes, raw, session, stream};

#[test]
fn a_legacy_request() {
    let expected = RequestEnvelope {
        stream: stream(),
        holder: "gw-3f9a1c07d2be".into(),
        era: Era::Legacy,
        protocol_version: "2025-11-25".to_owned(),
        method: "tools/call".to_owned(),
        name: Some("long_running".to_owned()),
        request_id: Some(raw("\"call-7\"")),
        principal: Principal::anonymous(),
        session: Some(session()),
        headers: Default::default(),
        queued_at_ms: 1_785_000_000_000,
        deadline_ms: Some(1_785_000_300_000),
        visible: None,
        trace: None,
        trace_state: None,
        rule: None,
        takes_task: false,
        again: false,
        message: raw(concat!(
            r#"{"jsonrpc":"2.0","id":"call-7","method":"tools/call","params":{"name":"long_running","#,
            r#""arguments":{"seconds":2.0},"_meta":{"progressToken":12345678901234567890}}}"#
        )),
    };
    passes("request_legacy", &expected);
}

#[test]
fn a_modern_request() {
    passes("request_modern", &modern_request(Principal::anonymous()));
}

#[test]
fn a_request_of_an_anonymous_caller_with_an_address() {
    let address = "192.0.2.1".parse().expect("an address");
    let request = modern_request(Principal::anonymous_at(address));
    passes("request_anonymous", &request);
    assert_eq!(request.principal.share().as_str(), "a.192.0.2.1");
}

#[test]
fn a_knock() {
    let holder = "gw-3f9a1c07d2be".into();
    let knock = RequestEnvelope::knock(holder, 1_785_000_000_000, "2026-07-28").expect("a knock");
    let expected = RequestEnvelope {
        stream: "0198c5f2a7b47c3e9d10b2f4c6e8a014"
            .parse()
            .expect("a stream id"),
        ..knock
    };
    passes("request_knock", &expected);
    assert_eq!(expected.request_id, None, "nobody is answered");
    assert!(expected.deadline_ms < Some(expected.queued_at_ms));
}

fn modern_request(principal: Principal) -> RequestEnvelope {
    let headers = [(
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    )];
    RequestEnvelope {
        stream: "0198c5f2a7b47c3e9d10b2f4c6e8a013"
            .parse()
            .expect("a stream id"),
        holder: "gw-3f9a1c07d2be".into(),
        era: Era::Modern,
        protocol_version: "2026-07-28".to_owned(),
        method: "tools/list".to_owned(),
        name: None,
        request_id: Some(raw("1")),
        principal,
        session: None,
        headers: headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        queued_at_ms: 1_785_000_000_001,
        deadline_ms: None,
        visible: None,
        trace: None,
        trace_state: None,
        rule: None,
        takes_task: false,
        again: false,
        message: raw(concat!(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        )),
    }
}

/// The signature was made by another implementation of what the module says.
#[test]
fn a_signed_request() {
    let (_, text) = SAMPLES
        .iter()
        .find(|(name, _)| *name == "request_signed")
        .expect("it");
    let mut fields: HashMap<String, String> = serde_json::from_str(text).expect("fields");
    let key = Secret::from("the key of the samples, 32 and more bytes".to_owned());
    let key = EnvelopeKeys::new(&[key]).expect("is a key");
    let queue = "prynai:{main.0}:requests";
    let written: Vec<_> = fields.clone().into_iter().collect();
    key.check_request(queue, &written)
        .expect("is as it was signed");
    let signature = fields.remove(SIGNATURE).expect("is signed");

    let request = RequestEnvelope::from_fields(pairs(&fields)).expect("is read");
    let identity = request.principal.identity.as_ref().expect("is known");
    assert_eq!(
        (&*identity.object_id, identity.kind),
        ("u1", CallerKind::User)
    );
    let again = request.to_fields().expect("fields");
    let again: Vec<_> = again
        .iter()
        .map(|(field, value)| (field, &**value))
        .collect();
    assert_eq!(key.sign_request(queue, &again), Some(signature));
}

#[test]
fn a_request_of_whose_answer_the_caller_may_see_a_part() {
    let expected = RequestEnvelope {
        stream: "0198c5f2a7b47c3e9d10b2f4c6e8a014"
            .parse()
            .expect("a stream id"),
        holder: "gw-3f9a1c07d2be".into(),
        era: Era::Modern,
        protocol_version: "2026-07-28".to_owned(),
        method: "tools/list".to_owned(),
        name: None,
        request_id: Some(raw("2")),
        principal: Principal::anonymous(),
        session: None,
        headers: Default::default(),
        queued_at_ms: 1_785_000_000_002,
        deadline_ms: None,
        trace: None,
        trace_state: None,
        rule: None,
        takes_task: false,
        again: false,
        visible: Some(Visible {
            names: ["add".to_owned(), "report_*".to_owned()].into(),
            read_only: ["*".to_owned()].into(),
        }),
        message: raw(concat!(
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        )),
    };
    passes("request_visible", &expected);
}

#[test]
fn a_request_without_a_required_field_is_refused() {
    let (_, text) = SAMPLES
        .iter()
        .find(|(name, _)| *name == "request_modern")
        .expect("it");
    let whole: HashMap<String, String> = serde_json::from_str(text).expect("fields");
    // Without an id it is a notification.
    for field in whole
        .keys()
        .filter(|field| !["headers", "id"].contains(&field.as_str()))
    {
        let mut fields = whole.clone();
        fields.remove(field);
        let refused = RequestEnvelope::from_fields(pairs(&fields));
        assert!(
            matches!(&refused, Err(WireError::Missing(missing)) if missing == field),
            "{field}: {refused:?}"
        );
    }
}

fn a_list() -> RequestEnvelope {
    RequestEnvelope {
        stream: "0198c5f2a7b47c3e9d10b2f4c6e8a015"
            .parse()
            .expect("a stream id"),
        request_id: Some(raw("3")),
        headers: Default::default(),
        queued_at_ms: 1_785_000_000_003,
        message: raw(concat!(
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"_meta":"#,
            r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#
        )),
        ..modern_request(Principal::anonymous())
    }
}

#[test]
fn a_request_that_a_rule_allows() {
    let expected = RequestEnvelope {
        rule: Some("readers".to_owned()),
        ..a_list()
    };
    passes("request_ruled", &expected);
}

#[test]
fn a_request_whose_client_takes_a_task() {
    let expected = RequestEnvelope {
        takes_task: true,
        ..a_list()
    };
    passes("request_task", &expected);
}

#[test]
fn a_request_whose_trace_has_a_state() {
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let expected = RequestEnvelope {
        trace: Some(traceparent.parse().expect("a traceparent")),
        trace_state: Some(
            "rojo=00f067aa0ba902b7,congo=t61"
                .parse()
                .expect("a tracestate"),
        ),
        ..a_list()
    };
    passes("request_trace_state", &expected);
    let mut fields: HashMap<_, _> = expected.to_fields().expect("fields").into_iter().collect();
    fields.insert("tracestate", "of another form".into());
    let read = fields.iter().map(|(field, value)| (*field, &**value));
    let read = RequestEnvelope::from_fields(read).expect("is read");
    assert_eq!((read.trace, read.trace_state), (expected.trace, None));
}

#[test]
fn a_request_that_belongs_to_a_trace() {
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let expected = RequestEnvelope {
        trace: Some(traceparent.parse().expect("a traceparent")),
        ..a_list()
    };
    passes("request_traced", &expected);
    // How a call is traced is no reason to lose it.
    let mut fields: HashMap<_, _> = expected.to_fields().expect("fields").into_iter().collect();
    fields.insert("trace", "of another form".into());
    let read = fields.iter().map(|(field, value)| (*field, &**value));
    let read = RequestEnvelope::from_fields(read).expect("is read");
    assert_eq!(read.trace, None);
}
