//! A refusal on its way to the client: in answer to which request, and in which form.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prynai_bus::BusError;
use prynai_bus::wire::message::RawJson;

use super::error::RequestError;
use crate::metrics::metrics;

/// A refusal, which names the id of the request that it is the answer to.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) id: Option<RawJson>,
    pub(crate) error: RequestError,
    form: Form,
}

/// How a client is told of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// By the HTTP status.
    Status,
    /// As the JSON-RPC answer to its request, with 200.
    Answer,
}

// === impl RequestError ===

impl RequestError {
    /// The refusal in answer to the request `id`.
    pub(crate) fn answering(self, id: &RawJson) -> Refused {
        Refused {
            id: Some(id.clone()),
            error: self,
            form: Form::Status,
        }
    }

    /// The refusal in answer to the request `id` of a legacy session, which outlives it. To a client of that
    /// era another status than 200 says that something is wrong with the connection or the session: some give
    /// up both (`docs/decisions/0011-one-call-is-refused-in-its-answer.md`). The specification asks for an
    /// answer in JSON-RPC and names no status (2025-11-25, Transports, Sending Messages, point 5).
    pub(crate) fn answering_in_session(self, id: &RawJson) -> Refused {
        let form = match self.concerns_more_than_one_request() {
            true => Form::Status,
            false => Form::Answer,
        };
        Refused {
            form,
            ..self.answering(id)
        }
    }

    /// Whether it is about the session, the caller or the HTTP exchange. The specification gives each of these
    /// a status of its own.
    fn concerns_more_than_one_request(&self) -> bool {
        matches!(
            self,
            Self::SessionMissing
                | Self::SessionUnknown
                | Self::Bus(BusError::SessionEnded)
                | Self::UnsupportedVersion { .. }
                | Self::HeaderMismatch(_)
                | Self::Unauthorized(_)
                | Self::InsufficientScope { .. }
                | Self::Forbidden(_)
                | Self::HttpMethod(..)
                | Self::NotAcceptable(_)
        )
    }
}

// === impl Refused ===

impl From<RequestError> for Refused {
    fn from(error: RequestError) -> Self {
        Self {
            id: None,
            error,
            form: Form::Status,
        }
    }
}

impl From<BusError> for Refused {
    fn from(error: BusError) -> Self {
        RequestError::from(error).into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, _) = self.error.status_and_code();
        let in_answer = self.form == Form::Answer;
        match &self.error {
            // Of which there are many; admission tells once, and a full share is its caller's affair.
            RequestError::Bus(BusError::QueueFull { .. } | BusError::ShareFull(_)) => {}
            RequestError::Bus(error) => {
                tracing::warn!(%error, source = "the bus", "refused a request");
            }
            _ => {}
        }
        metrics().refused(self.error.label());
        let mut response = Response::new(Body::from(self.error.to_json_rpc(self.id.as_ref())));
        *response.status_mut() = if in_answer { StatusCode::OK } else { status };
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if self.error.is_passing() && !in_answer {
            let seconds = self.error.retry_after_seconds();
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.error {
            RequestError::HttpMethod(_, allowed) => {
                headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            RequestError::NothingFollows(_) => {
                headers.insert(header::ALLOW, HeaderValue::from_static("POST, DELETE"));
                // A cache may keep a 405 (RFC 9110, section 15.5.6), and hand it to other streams.
                let never = HeaderValue::from_static("no-store");
                headers.insert(header::CACHE_CONTROL, never);
            }
            _ => {}
        }
        if let Some(challenge) = self.error.challenge() {
            // The layer that knows callers makes the header of it.
            response.extensions_mut().insert(challenge);
        }
        response
    }
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        Refused::from(self).into_response()
    }
}

#[cfg(test)]
mod tests;
