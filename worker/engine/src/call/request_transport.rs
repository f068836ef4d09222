//! An rmcp transport for exactly one request.

use std::sync::Arc;

use rmcp::model::{ClientJsonRpcMessage, JsonRpcMessage, NumberOrString, ServerJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::{ErrorData, RoleServer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::call::messages::outbound::Muted;

/// Messages of one handler that wait to be written, the response not counted.
const OUTGOING: usize = 256;

/// Messages of the client's mail that wait for the handler.
const MAIL: usize = 64;

/// What rmcp serves one request on: it receives the request and then the client's mail, and ends
/// after the response was sent. So all that the handler sends belongs to this request.
pub(crate) struct RequestTransport {
    request: Option<ClientJsonRpcMessage>,
    mail: mpsc::Receiver<Box<ClientJsonRpcMessage>>,
    outgoing: mpsc::UnboundedSender<Outgoing>,
    room: Arc<Semaphore>,
    answered: CancellationToken,
    muted: Muted,
}

/// A call's way to its handler: the other end of a [`RequestTransport`].
pub(crate) struct HandlerLink {
    /// What the handler sends, in order.
    pub(crate) outgoing: mpsc::UnboundedReceiver<Outgoing>,
    /// The client's mail to the handler.
    pub(crate) mail: mpsc::Sender<Box<ClientJsonRpcMessage>>,
}

/// A message of the handler; holds its place in the bound until it is dropped.
///
/// Boxed, as mail is: a channel makes room for 32 messages at once, and most calls have one to send and no mail.
pub(crate) struct Outgoing {
    pub(crate) message: Box<ServerJsonRpcMessage>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why a message of the handler was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The handler sends faster than can be written, without waiting.
    #[error("too many messages of this call wait to be written (at most {OUTGOING})")]
    Full,
    /// The call is over.
    #[error("the call is over")]
    Ended,
}

/// Makes a transport that delivers `request`, and its other end, which hears nothing of what is `muted`.
pub(crate) fn open(request: ClientJsonRpcMessage, muted: Muted) -> (RequestTransport, HandlerLink) {
    let (outgoing, written) = mpsc::unbounded_channel();
    let (mail, delivered) = mpsc::channel(MAIL);
    let transport = RequestTransport {
        request: Some(request),
        mail: delivered,
        outgoing,
        room: Arc::new(Semaphore::new(OUTGOING)),
        answered: CancellationToken::new(),
        muted,
    };
    let link = HandlerLink {
        outgoing: written,
        mail,
    };
    (transport, link)
}

impl HandlerLink {
    /// Answers a question of the handler in the client's place.
    pub(crate) async fn refuse(&self, id: NumberOrString, reason: &'static str) {
        let error = ErrorData::invalid_request(reason, None);
        let message = Box::new(JsonRpcMessage::error(error, Some(id)));
        // An error means that the call has ended.
        drop(self.mail.send(message).await);
    }
}

impl RequestTransport {
    /// Takes the message now: rmcp calls in order, but polls what we return in any order.
    fn take(&mut self, message: ServerJsonRpcMessage) -> Result<(), SendError> {
        // Here, since it costs less than to wake the call for it.
        if let JsonRpcMessage::Notification(sent) = &message
            && self.muted.mutes(&sent.notification)
        {
            return Ok(());
        }
        let ends = matches!(
            message,
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_)
        );
        let place = if ends {
            None
        } else {
            let place = Arc::clone(&self.room).try_acquire_owned();
            Some(place.map_err(|_| SendError::Full)?)
        };
        let outgoing = Outgoing {
            message: Box::new(message),
            _place: place,
        };
        let sent = self.outgoing.send(outgoing).map_err(|_| SendError::Ended);
        if ends {
            self.answered.cancel();
        }
        sent
    }
}

impl Transport<RoleServer> for RequestTransport {
    type Error = SendError;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = Result<(), SendError>> + Send + 'static {
        let taken = self.take(message);
        let room = Arc::clone(&self.room);
        async move {
            taken?;
            // A handler that waits for each of its messages is slowed down, never refused.
            let _ = room.acquire().await;
            Ok(())
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        if let Some(request) = self.request.take() {
            return Some(request);
        }
        tokio::select! {
            biased;
            () = self.answered.cancelled() => None,
            mail = self.mail.recv() => mail.map(|message| *message),
        }
    }

    async fn close(&mut self) -> Result<(), SendError> {
        Ok(())
    }
}
