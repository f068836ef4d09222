//! A plain request and a plain session for tests, which change what they are about:
//! `RequestEnvelope { deadline_ms: Some(1), ..modern_request(&gateway) }`.

use std::collections::BTreeMap;

use crate::ids::{GatewayId, SessionId, StreamId};
use crate::wire::message::RawJson;
use crate::wire::principal::Principal;
use crate::wire::request::{Era, RequestEnvelope};
use crate::wire::session::Session;

/// Raw JSON.
///
/// # Panics
///
/// When the text is none.
pub fn json(text: &str) -> RawJson {
    RawJson::parse(text).expect("JSON")
}

/// A modern request on a stream of its own, without a name, headers or a deadline.
pub fn modern_request(holder: &GatewayId) -> RequestEnvelope {
    RequestEnvelope {
        stream: StreamId::generate(),
        holder: holder.clone(),
        era: Era::Modern,
        protocol_version: "2026-07-28".to_owned(),
        method: "tools/list".to_owned(),
        name: None,
        request_id: Some(json("1")),
        principal: Principal::anonymous(),
        session: None,
        headers: BTreeMap::new(),
        queued_at_ms: 1_785_000_000_000,
        deadline_ms: None,
        visible: None,
        trace: None,
        trace_state: None,
        rule: None,
        takes_task: false,
        again: false,
        message: json(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#),
    }
}

/// A legacy request in a session.
pub fn legacy_request(holder: &GatewayId, id: &SessionId) -> RequestEnvelope {
    RequestEnvelope {
        era: Era::Legacy,
        protocol_version: "2025-11-25".to_owned(),
        session: Some(session(id)),
        ..modern_request(holder)
    }
}

/// A session as `initialize` makes it.
pub fn session(id: &SessionId) -> Session {
    Session {
        id: id.clone(),
        principal: Principal::anonymous(),
        protocol_version: "2025-11-25".to_owned(),
        client_info: json(r#"{"name":"tester","version":"1"}"#),
        capabilities: json(r#"{"sampling":{}}"#),
        log_level: None,
    }
}
