//! What goes out: messages of the handler as the client shall see them.

use prynai_bus::Claim;
use prynai_bus::ids::{QuestionId, StreamId};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use rmcp::ErrorData;
use rmcp::model::{
    ClientRequest, GetMeta, JsonRpcMessage, JsonRpcNotification, JsonRpcRequest, NumberOrString,
    ProgressToken, ServerJsonRpcMessage, ServerNotification, ServerRequest, ServerResult,
};
use serde_json::json;

use self::log_filter::LogFilter;
use crate::call::messages::response;
use crate::call::messages::visibility_filter::Filter;

mod log_filter;

/// Gives the messages of one call's handler the form in which they travel.
pub(crate) struct Outbound {
    stream: StreamId,
    delivery: u32,
    request_id: RawJson,
    era: Era,
    muted: Muted,
    /// The result is a list of which the client may see a part.
    filter: Option<Filter>,
    /// Bytes of the largest message.
    most: usize,
}

/// What the handler of a call says in vain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Muted {
    logs: LogFilter,
    /// The client saw progress of an earlier attempt, and progress never runs backwards
    /// (2026-07-28, Progress: the value increases with each notification).
    progress: bool,
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
    /// Something for the change feed.
    Change(Change),
    /// Nobody wants it.
    Nothing,
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

// === impl Muted ===

impl Muted {
    /// Nothing is.
    pub(crate) const NOTHING: Self = Self {
        logs: LogFilter::All,
        progress: false,
    };

    /// Whether nobody wants this.
    pub(crate) fn mutes(self, notification: &ServerNotification) -> bool {
        match notification {
            ServerNotification::LoggingMessageNotification(log) => !self.logs.passes(log),
            ServerNotification::ProgressNotification(_) => self.progress,
            // Listen streams belong to the gateway.
            ServerNotification::SubscriptionsAcknowledgedNotification(_) => true,
            _ => false,
        }
    }
}

// === impl Outbound ===

impl Outbound {
    /// For what the handler of `request` sends, which is `claim` as read and has the id `request_id`; `repeated` when
    /// an earlier attempt wrote to the stream already, and with a `filter` when it is a list that is shown in part.
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
            muted: Muted {
                logs: LogFilter::of(envelope, request),
                progress: repeated,
            },
            filter,
            most: usize::MAX,
        }
    }

    /// Lets no message of more bytes pass.
    pub(crate) fn limit(&mut self, most: usize) {
        self.most = most;
    }

    /// The id of the client's request.
    pub(crate) fn request_id(&self) -> &RawJson {
        &self.request_id
    }

    /// What need not come here.
    pub(crate) fn muted(&self) -> Muted {
        self.muted
    }

    /// The response for a call that ends with `error`.
    pub(crate) fn error(&self, error: &ErrorData) -> RawJson {
        response::error(&self.request_id, error)
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
            let reason = format!("the result cannot be written as JSON: {error}");
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
            "a handler's message is too large and was not sent; a larger --max-result lets it through"
        );
        match sent {
            Sent::Final(_) => Sent::Final(self.error(&too_large(bytes, most))),
            Sent::Question { number, .. } => Sent::TooLarge { number: *number },
            _ => Sent::Nothing,
        }
    }

    fn response(&self, result: &ServerResult) -> Result<RawJson, serde_json::Error> {
        match &self.filter {
            None => response::result(&self.request_id, result),
            Some(filter) => {
                let shown = filter.apply(&RawJson::from_value(result)?)?;
                response::result(&self.request_id, shown)
            }
        }
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
        if self.muted.mutes(&notification.notification) {
            return Ok(Sent::Nothing);
        }
        if let ServerNotification::CancelledNotification(cancelled) = &mut notification.notification
        {
            let id = cancelled.params.request_id.take();
            cancelled.params.request_id = id.map(|id| self.on_the_wire(id));
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

#[cfg(test)]
mod tests;
