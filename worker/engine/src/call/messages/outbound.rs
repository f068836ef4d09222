//! What goes out: messages of the handler as the client shall see them.

use prynai_bus::Claim;
use prynai_bus::ids::{QuestionId, StreamId};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::wire::session::LogLevel;
use rmcp::ErrorData;
use rmcp::model::{
    ClientRequest, GetMeta, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, NumberOrString,
    ProgressToken, ServerJsonRpcMessage, ServerNotification, ServerRequest, ServerResult,
};
use serde::Serialize;
use serde_json::json;

use crate::call::messages::visibility_filter::Filter;

/// Gives the messages of one call's handler the form in which they travel.
pub(crate) struct Outbound {
    stream: StreamId,
    delivery: u32,
    request_id: RawJson,
    era: Era,
    logs: LogFilter,
    /// The client saw progress of an earlier attempt, and progress never runs backwards
    /// (2026-07-28, Progress: the value increases with each notification).
    mute_progress: bool,
    /// The answer is a list of which the client may see a part.
    filter: Option<Filter>,
    /// Bytes of the largest message.
    most: usize,
}

/// What becomes of a message of the handler.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// A notification for the stream.
    Event(RawJson),
    /// A question for the stream.
    Question { number: i64, message: RawJson },
    /// A question that may not be put in this era.
    Forbidden { number: i64 },
    /// A question that has too many bytes.
    TooLarge { number: i64 },
    /// The response.
    Final(RawJson),
    /// Something for all listeners.
    Change(Change),
    /// Nobody wants it.
    Nothing,
}

/// Which log messages a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LogFilter {
    All,
    AtLeast(LogLevel),
    Nothing,
}

#[derive(Serialize)]
struct Response<'a, R> {
    jsonrpc: &'static str,
    id: &'a RawJson,
    result: R,
}

#[derive(Serialize)]
struct ErrorResponse<'a> {
    jsonrpc: &'static str,
    id: &'a RawJson,
    error: &'a ErrorData,
}

/// The error response to the client's request `id`.
pub(crate) fn error(id: &RawJson, error: &ErrorData) -> RawJson {
    let response = ErrorResponse {
        jsonrpc: "2.0",
        id,
        error,
    };
    // Only maps with keys that are not strings cannot be written, and there is none in it.
    RawJson::from_value(&response).unwrap_or_else(|_| id.clone())
}

/// What a notification says to everybody, if it does.
pub(crate) fn change(notification: &ServerNotification) -> Option<Change> {
    Some(match notification {
        ServerNotification::ToolListChangedNotification(_) => Change::ToolsListChanged,
        ServerNotification::PromptListChangedNotification(_) => Change::PromptsListChanged,
        ServerNotification::ResourceListChangedNotification(_) => Change::ResourcesListChanged,
        ServerNotification::ResourceUpdatedNotification(updated) => Change::ResourceUpdated {
            uri: updated.params.uri.clone(),
        },
        _ => return None,
    })
}

// === impl Outbound ===

impl Outbound {
    /// For the answers to `request`, which is `claim` as read and has the id `request_id`; `repeated` when an earlier
    /// attempt wrote to the stream already, and with a `filter` when it is a list that is shown in part.
    pub(crate) fn new(
        claim: &Claim,
        request_id: &RawJson,
        request: &ClientRequest,
        repeated: bool,
        filter: Option<Filter>,
    ) -> Self {
        let envelope = &claim.request;
        Self {
            stream: envelope.stream,
            delivery: claim.delivery,
            request_id: request_id.clone(),
            era: envelope.era,
            logs: LogFilter::of(envelope, request),
            mute_progress: repeated,
            filter,
            most: usize::MAX,
        }
    }

    /// Lets no message of more bytes pass.
    pub(crate) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// The response for a call that ends with `error`.
    pub(crate) fn error(&self, error: &ErrorData) -> RawJson {
        self::error(&self.request_id, error)
    }

    /// Gives a message the form in which it travels.
    pub(crate) fn translate(&self, message: ServerJsonRpcMessage) -> Sent {
        let translated = match message {
            JsonRpcMessage::Response(response) => self.response(&response.result).map(Sent::Final),
            JsonRpcMessage::Error(refusal) => Ok(Sent::Final(self.error(&refusal.error))),
            JsonRpcMessage::Request(request) => self.question(request),
            JsonRpcMessage::Notification(notification) => self.notification(notification),
        };
        let sent = translated.unwrap_or_else(|error| {
            let reason = format!("the answer cannot be written as JSON: {error}");
            Sent::Final(self.error(&ErrorData::internal_error(reason, None)))
        });
        match sent.bytes() {
            bytes if bytes > self.most => self.refused(&sent, bytes),
            _ => sent,
        }
    }

    /// What is sent instead of a message that is too large.
    fn refused(&self, sent: &Sent, bytes: usize) -> Sent {
        let (stream, most) = (&self.stream, self.most);
        tracing::warn!(
            %stream, bytes, most,
            "a handler's message is too large and was not sent; --max-result allows more"
        );
        match sent {
            Sent::Final(_) => Sent::Final(self.error(&too_large(bytes, most))),
            Sent::Question { number, .. } => Sent::TooLarge { number: *number },
            _ => Sent::Nothing,
        }
    }

    fn response(&self, result: &ServerResult) -> Result<RawJson, serde_json::Error> {
        let (jsonrpc, id) = ("2.0", &self.request_id);
        let Some(filter) = &self.filter else {
            return RawJson::from_value(&Response {
                jsonrpc,
                id,
                result,
            });
        };
        let result = filter.apply(&RawJson::from_value(result)?)?;
        RawJson::from_value(&Response {
            jsonrpc,
            id,
            result,
        })
    }

    fn question(
        &self,
        mut request: JsonRpcRequest<ServerRequest>,
    ) -> Result<Sent, serde_json::Error> {
        let NumberOrString::Number(number) = request.id else {
            return Ok(Sent::Nothing);
        };
        // 2026-07-28, Multi Round-Trip Requests: no requests from server to client.
        if self.era == Era::Modern {
            return Ok(Sent::Forbidden { number });
        }
        let token = request.request.get_meta().get_progress_token();
        if let Some(ProgressToken(token)) = token {
            let token = ProgressToken(self.on_the_wire(token));
            request.request.get_meta_mut().set_progress_token(token);
        }
        request.id = self.on_the_wire(request.id);
        let message = RawJson::from_value(&request)?;
        Ok(Sent::Question { number, message })
    }

    fn notification(
        &self,
        mut notification: JsonRpcNotification<ServerNotification>,
    ) -> Result<Sent, serde_json::Error> {
        if let Some(change) = change(&notification.notification) {
            return Ok(Sent::Change(change));
        }
        match &mut notification.notification {
            ServerNotification::LoggingMessageNotification(log) if !self.logs.passes(log) => {
                return Ok(Sent::Nothing);
            }
            ServerNotification::ProgressNotification(_) if self.mute_progress => {
                return Ok(Sent::Nothing);
            }
            // Listen streams belong to the gateway.
            ServerNotification::SubscriptionsAcknowledgedNotification(_) => {
                return Ok(Sent::Nothing);
            }
            ServerNotification::CancelledNotification(cancelled) => {
                let id = cancelled.params.request_id.take();
                cancelled.params.request_id = id.map(|id| self.on_the_wire(id));
            }
            _ => {}
        }
        RawJson::from_value(&notification).map(Sent::Event)
    }

    /// rmcp numbers the questions of every call from 0; the client must be able to tell them apart.
    fn on_the_wire(&self, id: NumberOrString) -> NumberOrString {
        match &id {
            NumberOrString::Number(number) => match u32::try_from(*number) {
                Ok(number) => {
                    let question = QuestionId {
                        stream: self.stream,
                        delivery: self.delivery,
                        number,
                    };
                    NumberOrString::String(question.to_string().into())
                }
                Err(_) => id,
            },
            NumberOrString::String(_) => id,
        }
    }
}

fn too_large(bytes: usize, most: usize) -> ErrorData {
    let reason = format!(
        "the call has run, but its result is too large to be delivered: {bytes} bytes, where {most} are allowed; \
         ask for less, in parts, or for a link to it"
    );
    let data = json!({"reason": "result_too_large", "bytes": bytes, "limit": most});
    ErrorData::internal_error(reason, Some(data))
}

// === impl Sent ===

impl Sent {
    fn bytes(&self) -> usize {
        match self {
            Self::Event(message) | Self::Question { message, .. } | Self::Final(message) => {
                message.as_str().len()
            }
            Self::Forbidden { .. } | Self::TooLarge { .. } | Self::Change(_) | Self::Nothing => 0,
        }
    }
}

// === impl LogFilter ===

impl LogFilter {
    /// Legacy: `logging/setLevel`, all without it. Modern: `_meta`, none without it (2026-07-28,
    /// Logging).
    fn of(envelope: &RequestEnvelope, request: &ClientRequest) -> Self {
        match envelope.era {
            Era::Legacy => envelope
                .session
                .as_ref()
                .and_then(|session| session.log_level)
                .map_or(Self::All, Self::AtLeast),
            Era::Modern => request
                .get_meta()
                .log_level()
                .map_or(Self::Nothing, |level| Self::AtLeast(logging::level(&level))),
        }
    }
}

/// Logging is deprecated in 2026-07-28 and in force in every revision.
mod logging {
    #![expect(deprecated, reason = "in force in every revision we serve")]

    use rmcp::model::{LoggingLevel, LoggingMessageNotification};

    use super::{LogFilter, LogLevel};

    impl LogFilter {
        pub(super) fn passes(self, log: &LoggingMessageNotification) -> bool {
            match self {
                Self::All => true,
                Self::AtLeast(least) => level(&log.params.level) >= least,
                Self::Nothing => false,
            }
        }
    }

    pub(super) fn level(level: &LoggingLevel) -> LogLevel {
        match level {
            LoggingLevel::Debug => LogLevel::Debug,
            LoggingLevel::Info => LogLevel::Info,
            LoggingLevel::Notice => LogLevel::Notice,
            LoggingLevel::Warning => LogLevel::Warning,
            LoggingLevel::Error => LogLevel::Error,
            LoggingLevel::Critical => LogLevel::Critical,
            LoggingLevel::Alert => LogLevel::Alert,
            LoggingLevel::Emergency => LogLevel::Emergency,
        }
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::ids::SessionId;
    use prynai_bus::wire::principal::Principal;
    use prynai_bus::wire::session::Session;
    use rmcp::model::{CustomRequest, ServerResult};
    use serde_json::Value;

    use super::*;

    fn raw(value: &Value) -> RawJson {
        RawJson::from_value(value).expect("JSON")
    }

    fn envelope(era: Era, id: &str, params: Value) -> RequestEnvelope {
        RequestEnvelope {
            stream: StreamId::generate(),
            holder: "gw-1".into(),
            era,
            protocol_version: "2025-11-25".to_owned(),
            method: "x/y".to_owned(),
            name: None,
            request_id: Some(RawJson::parse(id).expect("JSON")),
            principal: Principal::anonymous(),
            session: None,
            headers: Default::default(),
            queued_at_ms: 0,
            deadline_ms: None,
            visible: None,
            message: raw(&json!({"jsonrpc": "2.0", "method": "x/y", "params": params})),
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
            let message =
                JsonRpcMessage::response(ServerResult::empty(()), NumberOrString::Number(1));
            let Sent::Final(response) = outbound(&envelope).translate(message) else {
                panic!("a final response");
            };
            let expected = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
            assert_eq!(response.as_str(), expected);
            let refused = error(
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
            let message =
                handler_sends(json!({"jsonrpc": "2.0", "method": "notifications/progress",
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
        envelope.session = Some(Session {
            id: SessionId::generate(),
            principal: Principal::anonymous(),
            protocol_version: "2025-11-25".to_owned(),
            client_info: raw(&json!({})),
            capabilities: raw(&json!({})),
            log_level: None,
        });
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
}
