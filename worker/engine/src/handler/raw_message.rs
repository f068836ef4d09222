//! The client's message as it came.

use prynai_bus::wire::message::RawJson;
use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use serde::Deserialize;

use crate::handler::extract::extension;

/// The JSON-RPC message of the client, text for text.
///
/// For handlers that need what rmcp's types cannot hold: members of `params` that rmcp does not know, the client's own
/// id, how a number was spelled, and numbers beyond 64 bits (`docs/decisions/0008-numbers-as-rmcp-holds-them.md`).
///
/// A tool takes it as a parameter; any handler finds it in the extensions of its request or notification.
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

    /// Reads the message as a type of your own. Members of the type [`RawValue`](serde_json::value::RawValue) keep
    /// their text.
    ///
    /// # Errors
    ///
    /// When the message does not fit the type.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        self.0.read()
    }
}

impl<C: AsRequestContext> FromContextPart<C> for RawMessage {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        extension(context, "RawMessage")
    }
}
