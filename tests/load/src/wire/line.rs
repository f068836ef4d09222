//! One connection of a client.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1::SendRequest;

use super::connect::Connector;
use super::failure::{Failure, broken};
use super::message;
use super::template::Body;

/// Most bytes of one answer that are kept.
const MOST: usize = 256 << 20;

/// A connection that is made when it is needed and not there.
pub(crate) struct Line {
    connector: Arc<Connector>,
    sender: Option<SendRequest<Body>>,
}

impl Line {
    pub(crate) fn new(connector: Arc<Connector>) -> Self {
        Self {
            connector,
            sender: None,
        }
    }

    /// Sends a request; returns when the head of the answer is there.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Failure> {
        let mut fresh = false;
        loop {
            let mut sender = match self.sender.take() {
                Some(sender) => sender,
                None => {
                    fresh = true;
                    self.connector.connect().await?
                }
            };
            if sender.ready().await.is_err() {
                if fresh {
                    return Err(Failure::Unsent("connection closed at once".into()));
                }
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.sender = Some(sender);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    // The server closed the connection between two requests, and nothing of this one was sent.
                    Some(unsent) if !fresh => request = unsent,
                    Some(_) => return Err(Failure::Unsent("connection closed at once".into())),
                    None => return Err(broken(error.error())),
                },
            }
        }
    }

    /// Closes the connection. An answer that is still on its way is not waited for.
    pub(crate) fn close(&mut self) {
        self.sender = None;
    }
}

/// Whether the body is an event stream.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    let media = headers.get(CONTENT_TYPE);
    media.is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"))
}

/// A body to its end.
pub(crate) async fn whole(mut body: Incoming) -> Result<bytes::Bytes, Failure> {
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken(&error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        // As a rule the one frame is all there is.
        if all.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        if all.len() + data.len() > MOST {
            return Err(Failure::Unanswered("the answer is too large".into()));
        }
        all.extend_from_slice(&data);
    }
    Ok(all.into())
}

/// Why a request was refused whose status is no success. In a session, the server may have lost that.
pub(crate) async fn refusal(response: Response<Incoming>, in_session: bool) -> Failure {
    let (head, body) = response.into_parts();
    let body = whole(body).await.unwrap_or_default();
    let status = head.status;
    let names_session = || {
        let text = String::from_utf8_lossy(&body).to_lowercase();
        text.contains("session")
    };
    // 404 is what the specification wants (2025-11-25, Transports, Session Management); some servers answer 400.
    if in_session && (status == 404 || status == 400 && names_session()) {
        return Failure::SessionLost(status);
    }
    let seconds = head.headers.get(RETRY_AFTER).and_then(|value| {
        let text = value.to_str().ok()?;
        text.parse().ok()
    });
    let named = message::reason(&body).unwrap_or_else(|| {
        let reason = status.canonical_reason();
        reason.unwrap_or("without a reason").to_lowercase()
    });
    Failure::Refused {
        kind: format!("HTTP {}: {named}", status.as_u16()),
        status,
        retry_after: seconds.map(std::time::Duration::from_secs),
    }
}
