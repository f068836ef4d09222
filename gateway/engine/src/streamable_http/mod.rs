//! The MCP endpoint: one URL, both eras.
//!
//! This module reads the message and asks [`era`] which era it belongs to. What differs lies in [`modern`] and
//! [`legacy`].

mod batch;
mod enqueue;
mod legacy;
mod local_answers;
mod modern;
mod named_session;
mod oversized;
mod session_call;
mod tasks;

use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::Request as HttpRequest;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;

use self::legacy::LAST_EVENT_ID;
use self::named_session::{SESSION_ID, session_id};
use self::oversized::IdSearch;
use crate::admission::limits::BODY_LIMIT;
use crate::message::accept;
use crate::message::envelope::{Body, Message};
use crate::message::era;
use crate::message::members::META_IDEMPOTENCY_KEY;
use crate::message::params::ParamsView;
use crate::message::request_head::{Caller, RequestHead};
use crate::message::trace;
use crate::metrics::operations::Outcome;
use crate::operation::{Asked, Operation};
use crate::refusal::{Refused, RequestError};
use crate::state::AppState;
use crate::versions;

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// Bytes beyond [`BODY_LIMIT`] that are read to let the client see its refusal.
const DISCARDED_BODY: usize = 4 * BODY_LIMIT;

/// Time a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves the endpoint.
pub(crate) async fn endpoint(state: &AppState, caller: Caller, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let operation = Operation::begin(state.hub.gateway(), &caller.principal, &parts.method);
    let modern = era::of_headers(&parts.headers) == Era::Modern;
    let head = RequestHead {
        headers: &parts.headers,
        caller: &caller,
        operation: &operation,
    };
    let served = match check_single(&parts.headers) {
        Err(error) => Err(error.into()),
        Ok(()) => match parts.method {
            // In a box, like all that few requests need: a future is moved with each future around it.
            Method::POST => Box::pin(post(state.clone(), head, body)).await,
            Method::GET if !modern => legacy::get(state.clone(), head).await,
            Method::DELETE if !modern => legacy::delete(state.clone(), head).await,
            ref other => {
                let allowed = if modern { "POST" } else { "POST, GET, DELETE" };
                Err(RequestError::HttpMethod(other.to_string(), allowed).into())
            }
        },
    };
    if let Err(refused) = &served {
        state.refused(head, &refused.error);
    }
    let response = served.unwrap_or_else(IntoResponse::into_response);
    operation.answered(response.status());
    response
}

/// Headers that decide something must say one thing: of two, a proxy might have read the other.
fn check_single(headers: &HeaderMap) -> Result<(), RequestError> {
    let deciding = [
        &header::CONTENT_TYPE,
        &LAST_EVENT_ID,
        &versions::HEADER,
        &SESSION_ID,
        &header::ORIGIN,
    ];
    for name in deciding {
        let mut values = headers.get_all(name).iter();
        let readable = values.next().is_none_or(|value| value.to_str().is_ok());
        if !readable || values.next().is_some() {
            let reason = format!("the header {name} must have one value, of visible ASCII");
            // The one among them that mirrors the body (2026-07-28, Streamable HTTP, Server Validation).
            return Err(if *name == versions::HEADER {
                RequestError::HeaderMismatch(reason)
            } else {
                RequestError::NotAccepted(reason)
            });
        }
    }
    Ok(())
}

async fn post(state: AppState, head: RequestHead<'_>, body: HttpBody) -> Result<Response, Refused> {
    check_content(head.headers)?;
    check_accept(
        head.headers,
        JSON,
        "application/json, alone or with text/event-stream",
    )?;
    let body = tokio::time::timeout(BODY_TIMEOUT, read_body(body, head.headers))
        .await
        .map_err(|_| RequestError::BodyTooSlow(BODY_TIMEOUT))??;
    let message = match Body::parse(&body)? {
        Body::Message(message) => message,
        Body::Batch(messages) => return Box::pin(batch::post(state, head, messages)).await,
    };
    drop(body);
    name(head, &message);
    let era = era::of_message(head.headers, &message).map_err(|error| match &message {
        Message::Request(request) => refused(error, &request.id, head.headers),
        Message::Notification(_) | Message::Response(_) => error.into(),
    });
    let served = match era {
        Err(refused) => Err(refused),
        Ok(Era::Modern) => modern::post(state, head, message).await,
        Ok(Era::Legacy) => Box::pin(legacy::post(state, head, message)).await,
    };
    head.operation.end(outcome(&served));
    served
}

/// Says what is measured and logged.
fn name(head: RequestHead<'_>, message: &Message) {
    let operation = head.operation;
    let session = || session_id(head.headers).ok();
    let params = match message {
        Message::Request(request) => {
            let view = request.params.view().ok();
            let named = view.and_then(|view| view.plain_name());
            operation.asks(&request.method, named);
            let target = view.and_then(|view| view.target(&request.method).ok()?);
            let (method, id) = (&request.method, Some(&request.id));
            operation.tell(Asked::new(method, target.as_deref(), id, session()));
            view
        }
        Message::Notification(notification) => {
            operation.asks(&notification.method, None);
            operation.tell(Asked::new(&notification.method, None, None, session()));
            notification.params.view().ok()
        }
        // It answers a question of ours, which is not over with it.
        Message::Response(response) => {
            operation.tell(Asked::answer(&response.id, session()));
            None
        }
    };
    operation.belongs_to(trace::named(head.headers, params));
    if let Some(version) = versions::in_header(head.headers) {
        operation.speaks(version);
    }
}

/// How a message ended that is answered at once.
fn outcome(served: &Result<Response, Refused>) -> Outcome {
    match served {
        Ok(_) => Outcome::Success,
        Err(refused) => Outcome::Error(refused.error.code().into()),
    }
}

/// Refuses a call whose outcome is to be kept while its caller has as much kept as it may.
async fn check_room(
    state: &AppState,
    head: RequestHead<'_>,
    method: &str,
    params: ParamsView<'_>,
) -> Result<(), RequestError> {
    if method == "tools/call" && params.meta(META_IDEMPOTENCY_KEY).is_some() {
        let share = head.caller.principal.share();
        state.bus.check_room(&share).await?;
    }
    Ok(())
}

/// Reads a body. What is too large is read on for a while and thrown away but for its id, because a client
/// that is cut off while it writes does not see why.
async fn read_body(mut body: HttpBody, headers: &HeaderMap) -> Result<Vec<u8>, Refused> {
    let mut read = 0;
    let mut kept = Vec::new();
    let mut thrown_away = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| RequestError::NotJson(error.to_string()))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        read += data.len();
        if read <= BODY_LIMIT {
            kept.extend_from_slice(data);
            continue;
        }
        let search = thrown_away.get_or_insert_with(|| {
            let mut search = IdSearch::default();
            search.read(&std::mem::take(&mut kept));
            search
        });
        search.read(data);
        if read > BODY_LIMIT + DISCARDED_BODY {
            break;
        }
    }
    match thrown_away {
        None => Ok(kept),
        Some(search) => Err(too_large(search.request_id(), headers)),
    }
}

/// The refusal of a body of which no more is known than the id of its request, if that.
fn too_large(id: Option<RawJson>, headers: &HeaderMap) -> Refused {
    let error = RequestError::BodyTooLarge { limit: BODY_LIMIT };
    match id {
        Some(id) => refused(error, &id, headers),
        None => error.into(),
    }
}

/// The refusal of a request of which only the headers can tell the era.
fn refused(error: RequestError, id: &RawJson, headers: &HeaderMap) -> Refused {
    let modern = era::of_headers(headers) == Era::Modern;
    if !modern && headers.contains_key(&SESSION_ID) {
        error.answering_in_session(id)
    } else {
        error.answering(id)
    }
}

/// JSON in UTF-8, and not compressed (RFC 8259, section 8.1).
fn check_content(headers: &HeaderMap) -> Result<(), RequestError> {
    let mut coded = headers.get_all(header::CONTENT_ENCODING).iter();
    let plain = |value: &HeaderValue| {
        let codings = value.to_str().unwrap_or("?").split(',').map(str::trim);
        let mut others = codings.filter(|coding| !coding.is_empty());
        others.all(|coding| coding.eq_ignore_ascii_case("identity"))
    };
    if !coded.all(plain) {
        return Err(RequestError::ContentEncoding);
    }
    let media = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let mut parts = media.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case(JSON));
    if !is_json {
        return Err(RequestError::ContentType);
    }
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim_end()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    let readable = ["utf-8", "utf8", "us-ascii"];
    match charset {
        Some(other) if !readable.iter().any(|name| name.eq_ignore_ascii_case(other)) => {
            Err(RequestError::Charset)
        }
        _ => Ok(()),
    }
}

/// Whether the client takes an event stream. Else it gets what can be said in one JSON body.
fn takes_events(headers: &HeaderMap) -> bool {
    check_accept(headers, EVENTS, EVENTS).is_ok()
}

/// Whether the client would rather have an event stream than one JSON body: it names the stream first.
/// Either answers a request (2026-07-28, Streamable HTTP, Sending Messages), and SDKs name JSON first.
fn prefers_events(headers: &HeaderMap) -> bool {
    let first = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    first
        .and_then(|value| accept::ranges(value).next())
        .is_some_and(|range| range == "text/event-stream")
}

/// A request without `Accept` takes anything (RFC 9110, section 12.5.1).
fn check_accept(headers: &HeaderMap, media: &str, shown: &'static str) -> Result<(), RequestError> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        let value = value
            .to_str()
            .map_err(|_| RequestError::NotAcceptable(shown))?;
        ranges.extend(accept::ranges(value));
    }
    let allowed = ranges.iter().any(|range| {
        range == "*/*"
            || range.eq_ignore_ascii_case(media)
            || range
                .strip_suffix('*')
                .is_some_and(|prefix| prefix.ends_with('/') && media.starts_with(prefix))
    });
    if !headers.contains_key(header::ACCEPT) || allowed {
        Ok(())
    } else {
        Err(RequestError::NotAcceptable(shown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn json_is_enough_and_events_are_for_who_takes_them() {
        for (value, json, events) in [
            ("application/json, text/event-stream", true, true),
            ("text/event-stream;q=0.5, Application/JSON", true, true),
            ("*/*", true, true),
            ("application/*, text/*", true, true),
            ("application/json", true, false),
            ("application/json, text/event-stream;q=0", true, false),
            ("text/event-stream", false, true),
            ("text/html", false, false),
            ("", false, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            assert_eq!(check_accept(&headers, JSON, "").is_ok(), json, "{value}");
            assert_eq!(takes_events(&headers), events, "{value}");
        }
        assert!(takes_events(&HeaderMap::new()));
    }

    #[test]
    fn a_body_is_json_in_utf_8_as_it_is() {
        let check = |media: &str, coding: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, media.parse().unwrap());
            if let Some(coding) = coding {
                headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
            }
            check_content(&headers)
        };
        for media in [
            JSON,
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\";x=y",
        ] {
            assert!(check(media, None).is_ok(), "{media}");
            assert!(check(media, Some("identity")).is_ok(), "{media}");
        }
        for coding in ["gzip", "identity, br", "zstd", "deflate"] {
            let refused = check(JSON, Some(coding)).unwrap_err().to_string();
            assert!(refused.contains("Content-Encoding"), "{refused}");
        }
        for charset in ["latin1", "utf-16", "\"ISO-8859-1\""] {
            let refused = check(&format!("{JSON}; charset={charset}"), None).unwrap_err();
            assert!(refused.to_string().contains("UTF-8"), "{refused}");
        }
    }
}
