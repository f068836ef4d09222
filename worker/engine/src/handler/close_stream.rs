//! Letting a client go while its call goes on.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use tokio::sync::Notify;

/// Lets a handler close the connection on which its client waits, without ending the call: the client
/// comes back for the rest (2025-11-25, Transports, Sending Messages, point 6; SEP-1699). For calls so long that
/// no connection should be held for them.
///
/// Tools find it in the extensions of their request or name it as a parameter. Clients that would not
/// come back, those of other revisions, keep their connection.
#[derive(Debug, Clone, Default)]
pub struct CloseStream(Arc<Notify>);

impl CloseStream {
    /// Closes the connection once everything sent before is out.
    pub fn close(&self) {
        self.0.notify_one();
    }

    /// Completes when a handler has asked for it.
    pub(crate) async fn asked(&self) {
        self.0.notified().await;
    }
}

impl<C: AsRequestContext> FromContextPart<C> for CloseStream {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        let extensions = &context.as_request_context().extensions;
        extensions.get::<Self>().cloned().ok_or_else(|| {
            ErrorData::internal_error("closing a stream needs a prynai worker", None)
        })
    }
}
