//! What comes in: the request as claimed, and the client's mail to a running call.

use prynai_bus::Ownership;
use prynai_bus::ids::QuestionId;
use prynai_bus::wire::absent::{present, without_absent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::RequestEnvelope;
use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequest, CancelTaskRequest, ClientJsonRpcMessage, ClientNotification, ClientRequest,
    ClientResult, CompleteRequest, CustomRequest, GetPromptRequest, GetSkillRequest,
    GetTaskRequest, JsonRpcMessage, ListPromptsRequest, ListResourceTemplatesRequest,
    ListResourcesRequest, ListSkillsRequest, ListToolsRequest, NumberOrString,
    ProgressNotification, ReadResourceDirectoryRequest, ReadResourceRequest, UpdateTaskRequest,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// Reads the request as the type of its method. rmcp's own reading tries one type after the other,
/// so that malformed parameters would look like an unknown method.
///
/// # Errors
///
/// The response that says what is wrong with the parameters.
pub(crate) fn parse_request(envelope: &RequestEnvelope) -> Result<ClientRequest, ErrorData> {
    match envelope.method.as_str() {
        "tools/call" => typed::<CallToolRequest>(envelope),
        "tools/list" => typed::<ListToolsRequest>(envelope),
        "resources/read" => typed::<ReadResourceRequest>(envelope),
        "resources/list" => typed::<ListResourcesRequest>(envelope),
        "resources/templates/list" => typed::<ListResourceTemplatesRequest>(envelope),
        "prompts/get" => typed::<GetPromptRequest>(envelope),
        "prompts/list" => typed::<ListPromptsRequest>(envelope),
        "completion/complete" => typed::<CompleteRequest>(envelope),
        "tasks/get" => typed::<GetTaskRequest>(envelope),
        "tasks/update" => typed::<UpdateTaskRequest>(envelope),
        "tasks/cancel" => typed::<CancelTaskRequest>(envelope),
        "skills/list" => typed::<ListSkillsRequest>(envelope),
        "skills/get" => typed::<GetSkillRequest>(envelope),
        "resources/directory/read" => typed::<ReadResourceDirectoryRequest>(envelope),
        _ => typed::<CustomRequest>(envelope),
    }
}

fn typed<R: DeserializeOwned + Into<ClientRequest>>(
    envelope: &RequestEnvelope,
) -> Result<ClientRequest, ErrorData> {
    let request = read::<R>(envelope).map_err(|error| {
        let reason = format!(
            "the parameters of {} are not valid: {error}",
            envelope.method
        );
        ErrorData::invalid_params(reason, None)
    })?;
    Ok(request.into())
}

/// Reads the message as it came or, where that is needed, without what stands for something absent.
fn read<T: DeserializeOwned>(envelope: &RequestEnvelope) -> Result<T, serde_json::Error> {
    let message = envelope.message.as_str();
    // Few messages have anything of the kind; those that seem to are looked at closely.
    let suspect = message.contains("[]") || message.contains("null");
    match suspect.then(|| without_absent(message)).flatten() {
        Some(other) => serde_json::from_str(&other),
        None => serde_json::from_str(message),
    }
}

/// Reads a notification.
///
/// # Errors
///
/// What is wrong with its parameters.
pub(crate) fn parse_notification(
    envelope: &RequestEnvelope,
) -> Result<ClientNotification, serde_json::Error> {
    read(envelope)
}

/// A message of the mailbox, read no further than needed to route it. A result that is `null` is one, though of no use.
#[derive(Deserialize)]
struct Mail<'a> {
    id: Option<String>,
    method: Option<String>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Reads a message of the mailbox of the call of `asker`, with the numbers rmcp gave its questions. `None` when
/// it is neither an answer nor progress of one.
pub(crate) fn parse_mail(asker: &Ownership, mail: &RawJson) -> Option<ClientJsonRpcMessage> {
    let read: Mail<'_> = mail.read().ok()?;
    if read.method.as_deref() == Some("notifications/progress") {
        return progress(asker, mail);
    }
    let id = question(asker, read.id.as_deref()?)?;
    if let Some(result) = read.result {
        let read = serde_json::from_str::<ClientResult>(result.get());
        return Some(match read {
            Ok(result) => JsonRpcMessage::response(result, id),
            Err(_) => {
                let reason = "the client answered with a result that cannot be read";
                JsonRpcMessage::error(ErrorData::internal_error(reason, None), Some(id))
            }
        });
    }
    let error = serde_json::from_str(read.error?.get()).unwrap_or_else(|_| {
        ErrorData::internal_error(
            "the client answered with an error that cannot be read",
            None,
        )
    });
    Some(JsonRpcMessage::error(error, Some(id)))
}

fn progress(asker: &Ownership, mail: &RawJson) -> Option<ClientJsonRpcMessage> {
    let mut message: Value = mail.read().ok()?;
    let token = message.pointer_mut("/params/progressToken")?;
    let NumberOrString::Number(number) = question(asker, token.as_str()?)? else {
        return None;
    };
    *token = number.into();
    let progress: ProgressNotification = serde_json::from_value(message).ok()?;
    Some(JsonRpcMessage::notification(
        ClientNotification::ProgressNotification(progress),
    ))
}

fn question(asker: &Ownership, id: &str) -> Option<NumberOrString> {
    let question: QuestionId = id.parse().ok()?;
    let asked = question.stream == asker.stream && question.delivery == asker.delivery;
    asked.then(|| NumberOrString::Number(question.number.into()))
}

#[cfg(test)]
mod tests {
    use prynai_bus::ids::StreamId;
    use prynai_bus::wire::request::Era;
    use serde_json::json;

    use super::*;

    fn asker(stream: StreamId) -> Ownership {
        Ownership {
            request_id: None,
            stream,
            entry: "1-1".into(),
            worker: "wk-1".into(),
            delivery: 2,
            holder: "gw-1".into(),
            session: None,
            era: Era::Legacy,
        }
    }

    fn mail(stream: &StreamId, message: Value) -> Option<ClientJsonRpcMessage> {
        parse_mail(
            &asker(*stream),
            &RawJson::from_value(&message).expect("JSON"),
        )
    }

    #[test]
    fn an_answer_gets_the_number_of_its_question() {
        let stream = StreamId::generate();
        let answer = json!({"jsonrpc": "2.0", "id": format!("{stream}.2.3"),
            "result": {"action": "accept", "content": {"ok": true}}});
        let Some(JsonRpcMessage::Response(response)) = mail(&stream, answer) else {
            panic!("a response");
        };
        assert_eq!(response.id, NumberOrString::Number(3));
        assert!(matches!(response.result, ClientResult::ElicitResult(_)));
    }

    #[test]
    fn a_refusal_gets_the_number_of_its_question() {
        let stream = StreamId::generate();
        for (error, code) in [
            (json!({"code": -1, "message": "no"}), -1),
            (json!({"code": "odd"}), -32603),
        ] {
            let answer = json!({"jsonrpc": "2.0", "id": format!("{stream}.2.0"), "error": error});
            let Some(JsonRpcMessage::Error(refusal)) = mail(&stream, answer) else {
                panic!("an error");
            };
            assert_eq!(refusal.id, Some(NumberOrString::Number(0)));
            assert_eq!(refusal.error.code.0, code);
        }
    }

    #[test]
    fn progress_gets_the_number_of_its_question() {
        let stream = StreamId::generate();
        let message = json!({"jsonrpc": "2.0", "method": "notifications/progress",
            "params": {"progressToken": format!("{stream}.2.1"), "progress": 0.5}});
        let Some(JsonRpcMessage::Notification(notification)) = mail(&stream, message) else {
            panic!("a notification");
        };
        let ClientNotification::ProgressNotification(progress) = notification.notification else {
            panic!("progress");
        };
        assert_eq!(progress.params.progress_token.0, NumberOrString::Number(1));
    }

    #[test]
    fn mail_that_answers_no_question_of_the_call_is_dropped() {
        let stream = StreamId::generate();
        let other = StreamId::generate();
        for message in [
            json!({"jsonrpc": "2.0", "id": format!("{other}.2.0"), "result": {}}),
            json!({"jsonrpc": "2.0", "id": format!("{stream}.1.0"), "result": {}}),
            json!({"jsonrpc": "2.0", "id": "0", "result": {}}),
            json!({"jsonrpc": "2.0", "id": 0, "result": {}}),
            json!({"jsonrpc": "2.0", "id": format!("{stream}.2.0")}),
            json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": 0, "progress": 1}}),
            json!([]),
        ] {
            assert!(mail(&stream, message.clone()).is_none(), "{message}");
        }
    }
}
