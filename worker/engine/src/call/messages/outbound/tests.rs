//! What clients see of what handlers say.

use prynai_bus::ids::SessionId;
use prynai_bus::testing;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::session::LogLevel;
use rmcp::model::{CustomRequest, ServerResult};
use serde_json::Value;

use super::*;

fn envelope(era: Era, id: &str, params: Value) -> RequestEnvelope {
    let holder = "gw-1".into();
    let request = match era {
        Era::Legacy => testing::legacy_request(&holder, &SessionId::generate()),
        Era::Modern => testing::modern_request(&holder),
    };
    let message = json!({"jsonrpc": "2.0", "method": "x/y", "params": params});
    RequestEnvelope {
        method: "x/y".to_owned(),
        request_id: Some(testing::json(id)),
        message: testing::json(&message.to_string()),
        ..request
    }
}

fn outbound(envelope: &RequestEnvelope) -> Outbound {
    let request: CustomRequest = envelope.message.read().expect("a request");
    let claim = Claim {
        entry: "1-1".into(),
        delivery: 1,
        cancelled: false,
        request: envelope.clone(),
    };
    let id = envelope.request_id.as_ref().expect("a request");
    Outbound::new(&claim, id, &request.into(), false, None)
}

fn handler_sends(message: Value) -> ServerJsonRpcMessage {
    serde_json::from_value(message).expect("a message")
}

fn value(raw: &RawJson) -> Value {
    raw.read().expect("JSON")
}

#[test]
fn the_response_carries_the_id_as_it_was_sent() {
    for id in [
        "9007199254740993",
        "-7",
        r#""a\u00e9\"b""#,
        "1.0",
        "18446744073709551616",
    ] {
        let envelope = envelope(Era::Modern, id, json!({}));
        let message = JsonRpcMessage::response(ServerResult::empty(()), NumberOrString::Number(1));
        let Sent::Final(response) = outbound(&envelope).translate(message) else {
            panic!("a final response");
        };
        let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(response.as_str(), expected);
        let refused = response::error(
            envelope.request_id.as_ref().expect("an id"),
            &ErrorData::internal_error("no", None),
        );
        assert!(
            refused.as_str().contains(&format!(r#""id":{id},"#)),
            "{refused:?}"
        );
    }
}

#[test]
fn questions_carry_the_name_of_their_call() {
    let envelope = envelope(Era::Legacy, "1", json!({}));
    let message = handler_sends(json!({"jsonrpc": "2.0", "id": 4, "method": "roots/list",
        "params": {"_meta": {"progressToken": 5}}}));
    let Sent::Question { number, message } = outbound(&envelope).translate(message) else {
        panic!("a question");
    };
    assert_eq!(number, 4);
    let message = value(&message);
    assert_eq!(message["id"], format!("{}.1.4", envelope.stream));
    assert_eq!(
        message["params"]["_meta"]["progressToken"],
        format!("{}.1.5", envelope.stream)
    );
}

#[test]
fn a_withdrawn_question_carries_the_name_of_its_call() {
    let envelope = envelope(Era::Legacy, "1", json!({}));
    let message = handler_sends(
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
        "params": {"requestId": 4, "reason": "timeout"}}),
    );
    let Sent::Event(message) = outbound(&envelope).translate(message) else {
        panic!("an event");
    };
    let id = format!("{}.1.4", envelope.stream);
    assert_eq!(value(&message)["params"]["requestId"], id);
}

#[test]
fn there_are_no_questions_in_the_modern_era() {
    let envelope = envelope(Era::Modern, "1", json!({}));
    let message = handler_sends(json!({"jsonrpc": "2.0", "id": 4, "method": "roots/list"}));
    assert_eq!(
        outbound(&envelope).translate(message),
        Sent::Forbidden { number: 4 }
    );
}

#[test]
fn progress_keeps_the_token_of_the_client() {
    let envelope = envelope(Era::Legacy, "1", json!({}));
    for token in [json!(7), json!("seven")] {
        let message = handler_sends(json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": token, "progress": 1.0}}));
        let Sent::Event(message) = outbound(&envelope).translate(message) else {
            panic!("an event");
        };
        assert_eq!(value(&message)["params"]["progressToken"], token);
    }
}

#[test]
fn changes_go_to_all_listeners() {
    let envelope = envelope(Era::Legacy, "1", json!({}));
    for (method, params, change) in [
        (
            "notifications/tools/list_changed",
            json!({}),
            Change::ToolsListChanged,
        ),
        (
            "notifications/prompts/list_changed",
            json!({}),
            Change::PromptsListChanged,
        ),
        (
            "notifications/resources/list_changed",
            json!({}),
            Change::ResourcesListChanged,
        ),
        (
            "notifications/resources/updated",
            json!({"uri": "a://b"}),
            Change::ResourceUpdated {
                uri: "a://b".to_owned(),
            },
        ),
    ] {
        let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
        let sent = outbound(&envelope).translate(handler_sends(message));
        assert_eq!(sent, Sent::Change(change));
    }
}

fn passes(envelope: &RequestEnvelope, level: &str) -> bool {
    let message = json!({"jsonrpc": "2.0", "method": "notifications/message",
        "params": {"level": level, "data": "x"}});
    match outbound(envelope).translate(handler_sends(message)) {
        Sent::Event(_) => true,
        Sent::Nothing => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_session_gets_all_logs_until_it_sets_a_level() {
    let mut envelope = envelope(Era::Legacy, "1", json!({}));
    assert!(passes(&envelope, "debug"));
    if let Some(session) = &mut envelope.session {
        session.log_level = Some(LogLevel::Warning);
    }
    assert!(!passes(&envelope, "notice"));
    assert!(passes(&envelope, "warning"));
    assert!(passes(&envelope, "emergency"));
}

#[test]
fn a_modern_request_gets_only_the_logs_it_asks_for() {
    let silent = envelope(Era::Modern, "1", json!({}));
    assert!(!passes(&silent, "emergency"));
    let meta = json!({"_meta": {"io.modelcontextprotocol/logLevel": "info"}});
    let asking = envelope(Era::Modern, "1", meta);
    assert!(!passes(&asking, "debug"));
    assert!(passes(&asking, "info"));
}
