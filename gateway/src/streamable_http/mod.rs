//! The MCP endpoint: one URL, both eras.
//!
//! The era is decided per request (modern when `_meta` carries a protocol version or the version
//! header names a modern revision), never by method name. What differs lies in [`stateless`] and
//! [`sessionful`]; this module reads the message and chooses.

mod batch;
mod enqueue;
mod session_call;
mod sessionful;
mod stateless;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, Request as HttpRequest, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use prynai_shared::wire::request::Era;

use crate::envelope::{Message, Params, ParamsView};
use crate::error::{Refused, RequestError};
use crate::head::{Head, Sender};
use crate::mirrored;
use crate::state::AppState;
use crate::versions;

/// Largest body taken, in bytes.
pub(crate) const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Bytes beyond [`BODY_LIMIT`] that are read to let the client see its refusal.
const DISCARDED_BODY: usize = 4 * BODY_LIMIT;

/// Time a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// `_meta` key by which a request says which revision it speaks (2026-07-28, Basic, `_meta`).
const META_PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// `_meta` key of ours: the client's key of a `tools/call`, under which the worker keeps its outcome.
const META_IDEMPOTENCY_KEY: &str = "ai.prynai/idempotencyKey";

/// Serves the endpoint.
pub(crate) async fn endpoint(
    State(state): State<AppState>,
    Extension(sender): Extension<Sender>,
    request: HttpRequest,
) -> Response {
    if let Err(error) = check_single(request.headers()) {
        return error.into_response();
    }
    let modern = mirrored::protocol_version(request.headers()).is_some_and(versions::names_modern);
    let (parts, body) = request.into_parts();
    let head = Head {
        headers: &parts.headers,
        sender: &sender,
    };
    let served = match parts.method {
        Method::POST => post(state, head, body).await,
        Method::GET if !modern => sessionful::get(state, head).await,
        Method::DELETE if !modern => sessionful::delete(state, head).await,
        ref other => {
            let allowed = if modern { "POST" } else { "POST, GET, DELETE" };
            Err(RequestError::HttpMethod(other.to_string(), allowed).into())
        }
    };
    served.unwrap_or_else(IntoResponse::into_response)
}

/// Headers that decide something must say one thing: of two, a proxy might have read the other.
fn check_single(headers: &HeaderMap) -> Result<(), RequestError> {
    const DECIDING: [&str; 5] = [
        "content-type",
        "last-event-id",
        mirrored::PROTOCOL_VERSION,
        "mcp-session-id",
        "origin",
    ];
    for name in DECIDING {
        let mut values = headers.get_all(name).iter();
        let readable = values.next().is_none_or(|value| value.to_str().is_ok());
        if !readable || values.next().is_some() {
            let reason = format!("the header {name} must have one value, of visible ASCII");
            // The one among them that mirrors the body (2026-07-28, Streamable HTTP, Server Validation).
            return Err(match name {
                mirrored::PROTOCOL_VERSION => RequestError::HeaderMismatch(reason),
                _ => RequestError::NotAccepted(reason),
            });
        }
    }
    Ok(())
}

async fn post(state: AppState, head: Head<'_>, body: Body) -> Result<Response, Refused> {
    check_content_type(head.headers)?;
    check_accept(
        head.headers,
        &["application/json", "text/event-stream"],
        "application/json and text/event-stream",
    )?;
    let body = tokio::time::timeout(BODY_TIMEOUT, read_body(body))
        .await
        .map_err(|_| RequestError::BodyTooSlow(BODY_TIMEOUT))??;
    if let Some(messages) = Message::parse_batch(&body)? {
        return batch::post(state, head, messages).await;
    }
    let message = Message::parse(&body)?;
    match era_of(head.headers, &message)? {
        Era::Modern => stateless::post(state, head, message).await,
        Era::Legacy => sessionful::post(state, head, message).await,
    }
}

fn era_of(headers: &HeaderMap, message: &Message) -> Result<Era, Refused> {
    let named = |params: &Params| -> Result<bool, RequestError> {
        Ok(params.view()?.meta(META_PROTOCOL_VERSION).is_some())
    };
    let in_meta = match message {
        Message::Request(request) => {
            named(&request.params).map_err(|error| error.answering(&request.id))?
        }
        Message::Notification(notification) => named(&notification.params)?,
        Message::Response(_) => false,
    };
    let in_header = mirrored::protocol_version(headers).is_some_and(versions::names_modern);
    Ok(if in_meta || in_header {
        Era::Modern
    } else {
        Era::Legacy
    })
}

/// Refuses a call whose outcome is to be kept while its caller has as much kept as it may.
async fn check_room(
    state: &AppState,
    head: Head<'_>,
    method: &str,
    params: &ParamsView<'_>,
) -> Result<(), RequestError> {
    if method == "tools/call" && params.meta(META_IDEMPOTENCY_KEY).is_some() {
        let share = head.sender.principal.share();
        state.bus.check_room(&share).await?;
    }
    Ok(())
}

/// Reads a body. What is too large is read on for a while and thrown away, because a client that is
/// cut off while it writes does not see why.
async fn read_body(mut body: Body) -> Result<Vec<u8>, RequestError> {
    let too_large = RequestError::BodyTooLarge { limit: BODY_LIMIT };
    let mut read = 0;
    let mut kept = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| RequestError::NotJson(error.to_string()))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        read += data.len();
        if read <= BODY_LIMIT {
            kept.extend_from_slice(data);
        } else if read > BODY_LIMIT + DISCARDED_BODY {
            break;
        }
    }
    if read > BODY_LIMIT {
        return Err(too_large);
    }
    Ok(kept)
}

fn check_content_type(headers: &HeaderMap) -> Result<(), RequestError> {
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|media| media.trim().eq_ignore_ascii_case("application/json"));
    if is_json {
        Ok(())
    } else {
        Err(RequestError::ContentType)
    }
}

/// Whether the client would rather have an event stream than one JSON body: it names the stream first.
/// Either answers a request (2026-07-28, Streamable HTTP, Sending Messages), and SDKs name JSON first.
fn prefers_events(headers: &HeaderMap) -> bool {
    let first = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    first
        .and_then(|value| value.split(',').find_map(acceptable_range))
        .is_some_and(|range| range == "text/event-stream")
}

/// A request without `Accept` takes anything (RFC 9110, section 12.5.1).
fn check_accept(
    headers: &HeaderMap,
    needed: &[&str],
    shown: &'static str,
) -> Result<(), RequestError> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        let value = value
            .to_str()
            .map_err(|_| RequestError::NotAcceptable(shown))?;
        ranges.extend(value.split(',').filter_map(acceptable_range));
    }
    let allowed = |media: &str| {
        ranges.iter().any(|range| {
            range == "*/*"
                || range.eq_ignore_ascii_case(media)
                || range
                    .strip_suffix('*')
                    .is_some_and(|prefix| prefix.ends_with('/') && media.starts_with(prefix))
        })
    };
    if !headers.contains_key(header::ACCEPT) || needed.iter().all(|media| allowed(media)) {
        Ok(())
    } else {
        Err(RequestError::NotAcceptable(shown))
    }
}

/// The media range of one element of `Accept`, unless its weight is zero.
fn acceptable_range(element: &str) -> Option<String> {
    let mut parts = element.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let refused = parts.any(|parameter| {
        parameter
            .strip_prefix("q=")
            .is_some_and(|weight| weight.parse() == Ok(0.0_f32))
    });
    (!refused).then(|| range.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> Result<(), RequestError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().unwrap());
        check_accept(&headers, &["application/json", "text/event-stream"], "both")
    }

    #[test]
    fn events_are_preferred_when_they_are_named_first() {
        for (value, preferred) in [
            ("text/event-stream, application/json", true),
            ("Text/Event-Stream;q=0.9,application/json", true),
            ("application/json, text/event-stream", false),
            ("text/event-stream;q=0, application/json", false),
            ("*/*", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            assert_eq!(prefers_events(&headers), preferred, "{value}");
        }
        assert!(!prefers_events(&HeaderMap::new()));
    }

    #[test]
    fn both_forms_of_answer_must_be_acceptable() {
        for value in [
            "application/json, text/event-stream",
            "text/event-stream;q=0.5, Application/JSON",
            "*/*",
            "application/*, text/*",
        ] {
            assert!(accept(value).is_ok(), "{value}");
        }
        for value in [
            "application/json",
            "text/event-stream",
            "text/html",
            "",
            "application/json, text/event-stream;q=0",
        ] {
            assert!(accept(value).is_err(), "{value}");
        }
        assert!(check_accept(&HeaderMap::new(), &["a/b"], "").is_ok());
    }
}
