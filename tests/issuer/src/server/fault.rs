//! Endpoints that misbehave, and how often each was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::tokens::twist::merge;

/// The longest answer that is read back to be changed; the issuer's own are far below.
const MOST_BYTES: usize = 1 << 20;

/// Bytes of one padding key, about.
const PADDING_KEY: usize = 512;

/// What can be counted and broken, over all tenants and both versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// The discovery documents.
    Metadata,
    /// The JWK sets.
    Keys,
    /// Where people sign in.
    Authorize,
    /// Where tokens come from.
    Token,
    /// Where programs on Azure get the tokens of their identity.
    ManagedIdentity,
    /// The API that others ask on behalf of their callers.
    Downstream,
    /// The attacker's JWK set, which nobody should ever ask for.
    ForeignKeys,
}

/// How an endpoint misbehaves.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Answers after so many milliseconds.
    Late(u64),
    /// Answers at once, with as many milliseconds between any two bytes of the body.
    Drip(u64),
    /// Never answers.
    Hang,
    /// Answers with this status and an error of Entra's kind.
    Status(u16),
    /// Says 200 and sends what is no JSON.
    Garbage,
    /// Says 200 and sends this instead.
    Instead {
        /// The media type.
        content_type: String,
        /// The body.
        body: String,
    },
    /// Sends the right JSON object with these fields set; null removes one.
    Changed(Map<String, Value>),
    /// Sends the right JWK set behind so many bytes of keys that sign nothing.
    Huge(usize),
    /// Redirects to this URL (302).
    Redirect(String),
}

/// What happens at the endpoints.
#[derive(Default)]
pub(crate) struct Watch {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    asked: HashMap<Endpoint, u64>,
    faults: HashMap<Endpoint, Planned>,
}

struct Planned {
    fault: Fault,
    /// How many more requests meet it; `None`: all.
    times: Option<u64>,
}

impl Watch {
    pub(crate) fn asked(&self, endpoint: Endpoint) -> u64 {
        let inner = self.inner.lock().expect("is never poisoned");
        inner.asked.get(&endpoint).copied().unwrap_or_default()
    }

    pub(crate) fn all_asked(&self) -> HashMap<Endpoint, u64> {
        self.inner.lock().expect("is never poisoned").asked.clone()
    }

    pub(crate) fn plan(&self, endpoint: Endpoint, fault: Fault, times: Option<u64>) {
        let mut inner = self.inner.lock().expect("is never poisoned");
        inner.faults.insert(endpoint, Planned { fault, times });
    }

    pub(crate) fn forget(&self) {
        let mut inner = self.inner.lock().expect("is never poisoned");
        inner.faults.clear();
    }

    /// Counts a request; gives the fault that it meets.
    pub(crate) fn meet(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut inner = self.inner.lock().expect("is never poisoned");
        *inner.asked.entry(endpoint).or_default() += 1;
        let planned = inner.faults.get_mut(&endpoint)?;
        if let Some(times) = &mut planned.times {
            *times = times.checked_sub(1)?;
        }
        Some(planned.fault.clone())
    }
}

impl Fault {
    /// Answers as it does.
    pub(crate) async fn answer(self, request: Request, next: Next) -> Response {
        let right = async || next.run(request).await;
        match self {
            Self::Late(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                right().await
            }
            Self::Drip(ms) => drip(right().await, Duration::from_millis(ms)).await,
            Self::Hang => std::future::pending().await,
            Self::Status(code) => {
                let status = StatusCode::from_u16(code);
                let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let error = json!({ "error": "temporarily_unavailable", "error_codes": [90033] });
                (status, axum::Json(error)).into_response()
            }
            Self::Garbage => instead("application/json", "{\"keys\": [ not JSON".to_owned()),
            Self::Instead { content_type, body } => instead(&content_type, body),
            Self::Changed(changes) => change(right().await, |object| merge(object, &changes)).await,
            Self::Huge(bytes) => change(right().await, |object| pad(object, bytes)).await,
            Self::Redirect(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        }
    }
}

fn instead(content_type: &str, body: String) -> Response {
    ([(header::CONTENT_TYPE, content_type.to_owned())], body).into_response()
}

async fn drip(response: Response, pause: Duration) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, MOST_BYTES).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let slowly = futures::stream::unfold(whole, move |mut rest: Bytes| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = rest.split_to(1);
        Some((Ok::<_, Infallible>(next), rest))
    });
    Response::from_parts(parts, Body::from_stream(slowly))
}

async fn change(response: Response, change: impl FnOnce(&mut Map<String, Value>)) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, MOST_BYTES).await;
    let read = bytes
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(Value::Object(mut object)) = read else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    change(&mut object);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(json!(object).to_string()))
}

fn pad(jwks: &mut Map<String, Value>, bytes: usize) {
    let Some(keys) = jwks.get_mut("keys").and_then(Value::as_array_mut) else {
        return;
    };
    let padding = (0..bytes.div_ceil(PADDING_KEY)).map(|number| {
        let kid = format!("padding-{number}");
        json!({ "kty": "RSA", "use": "sig", "kid": kid, "n": "A".repeat(PADDING_KEY - 64), "e": "AQAB" })
    });
    keys.splice(0..0, padding);
}
