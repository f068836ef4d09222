//! HTTP responses: one JSON body, a stream of events, or nothing to say.

use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt};

use crate::admission::Permit;

/// A JSON body.
pub(crate) fn json_response(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// A JSON body that holds what it takes of its caller's share until it has been sent.
pub(crate) fn json_response_under(body: String, permit: Permit) -> Response {
    let length = HeaderValue::from(body.len());
    let frames = futures::stream::once(std::future::ready(Bytes::from(body)));
    let frames = frames.chain(futures::stream::once(async move {
        drop(permit);
        Bytes::new()
    }));
    let mut response = json_response(StatusCode::OK, String::new());
    *response.body_mut() = Body::from_stream(frames.map(Ok::<_, Infallible>));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length);
    response
}

/// A stream of events.
pub(crate) fn sse_response(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let mut response = Response::new(Body::from_stream(frames.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-transform"),
    );
    // Asks nginx and its kin not to buffer (2026-07-28, Receiving Messages).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// 202 with no body: a notification or an answer was accepted.
pub(crate) fn accepted() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use http_body_util::BodyExt;
    use prynai_bus::BusLimits;
    use prynai_memory_bus::MemoryBus;

    use super::*;
    use crate::admission::limits::LimitSettings;
    use crate::admission::{Admission, Share};

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        limits: LimitSettings,
    }

    #[tokio::test]
    async fn a_body_holds_its_part_of_a_share_until_it_is_sent() {
        let settings = Settings::parse_from(["gateway", "--caller-limit", "1"]).limits;
        let admission = Admission::new(MemoryBus::new(BusLimits::default()), &settings);
        let share = || Share::at("192.0.2.1".parse().unwrap());
        let permit = admission.errand(share()).ok().unwrap();
        let response = json_response_under("{}".to_owned(), permit);
        assert_eq!(response.headers()[header::CONTENT_LENGTH], "2");
        let media = &response.headers()[header::CONTENT_TYPE];
        assert_eq!(media, "application/json");
        let mut body = response.into_body();
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "{}");
        assert!(admission.errand(share()).is_err(), "is still being sent");
        assert!(body.collect().await.unwrap().to_bytes().is_empty());
        assert!(admission.errand(share()).is_ok());
    }
}
