//! Letting a client go while its call goes on.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use tokio::sync::Notify;

use crate::handler::extract::extension;

/// Closes the connection on which the client waits, without ending the call: the client connects again later and gets
/// the rest (2025-11-25, Transports, Sending Messages, point 6; SEP-1699). For calls so long that no connection
/// should be held open for them.
///
/// A tool takes it as a parameter; any handler finds it in the extensions of its request. Clients of other revisions
/// would not connect again, so they keep their connection.
#[derive(Debug, Clone, Default)]
pub struct CloseStream(Arc<Notify>);

impl CloseStream {
    /// Closes the connection as soon as the client has everything that was sent before.
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
        extension(context, "CloseStream")
    }
}
