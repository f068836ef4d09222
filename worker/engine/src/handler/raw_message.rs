//! The client's message as it came.

use prynai_bus::wire::message::RawJson;
use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use serde::Deserialize;

/// The JSON-RPC message of the client, text for text.
///
/// For handlers that need what rmcp's types cannot keep: members of `params` that rmcp does not know, the client's own
/// id, the spelling of numbers and those beyond 64 bits
/// (`docs/decisions/0008-numbers-as-rmcp-holds-them.md`). Handlers find it in the extensions of their requests and
/// notifications, and tools may name it as a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawMessage(RawJson);

impl RawMessage {
    pub(crate) fn new(message: RawJson) -> Self {
        Self(message)
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Reads the message as a type of your own; members of the type
    /// [`RawValue`](serde_json::value::RawValue) keep their text.
    ///
    /// # Errors
    ///
    /// When the message has another form.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        self.0.read()
    }
}

impl<C: AsRequestContext> FromContextPart<C> for RawMessage {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let extensions = &context.as_request_context().extensions;
        extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| ErrorData::internal_error("the message needs a prynai worker", None))
    }
}
