//! What must stay between the issuer and its clients: what they show it at the token endpoint, and what it gives them.
//! Tests look for it where it must not be.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Parameters of requests.
const SHOWN: [&str; 7] = [
    "client_secret",
    "client_assertion",
    "code",
    "code_verifier",
    "refresh_token",
    "assertion",
    "subject_token",
];

/// Fields of answers.
const GIVEN: [&str; 3] = ["access_token", "id_token", "refresh_token"];

/// Secrets that are remembered; the oldest go first.
const MOST: usize = 1_000;

/// Longest request or answer.
const MOST_BYTES: usize = 1 << 20;

/// What was heard, by the names of parameters and fields.
#[derive(Default)]
pub(crate) struct Secrets(Mutex<VecDeque<(String, String)>>);

impl Secrets {
    pub(crate) fn all(&self) -> Vec<(String, String)> {
        self.lock().iter().cloned().collect()
    }

    fn keep(&self, name: &str, value: &str) {
        let mut heard = self.lock();
        if heard.len() == MOST {
            heard.pop_front();
        }
        heard.push_back((name.to_owned(), value.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(String, String)>> {
        self.0.lock().expect("is never poisoned")
    }
}

/// Hears what a request shows; goes around all misbehaviour.
pub(crate) async fn shown(
    State(secrets): State<Arc<Secrets>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(form) = to_bytes(body, MOST_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    for (name, value) in form_urlencoded::parse(&form) {
        if SHOWN.contains(&&*name) {
            secrets.keep(&name, &value);
        }
    }
    next.run(Request::from_parts(head, Body::from(form))).await
}

/// Hears what the right answer gives.
pub(crate) async fn given(
    State(secrets): State<Arc<Secrets>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = next.run(request).await.into_parts();
    let Ok(answer) = to_bytes(body, MOST_BYTES).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let said: Value = serde_json::from_slice(&answer).unwrap_or_default();
    for name in GIVEN {
        if let Some(value) = said[name].as_str() {
            secrets.keep(name, value);
        }
    }
    Response::from_parts(head, Body::from(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_remembered_than_fit() {
        let secrets = Secrets::default();
        for n in 0..=MOST {
            secrets.keep("code", &n.to_string());
        }
        let all = secrets.all();
        assert_eq!((all.len(), &*all[0].1), (MOST, "1"));
    }
}
