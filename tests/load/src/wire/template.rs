//! A request, written once and sent often.

use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use hyper::body::{Frame, SizeHint};

use crate::settings::Endpoint;

/// Below this size, copying a body costs less than sending it in two pieces.
const SMALL: usize = 16 << 10;

/// Bytes of an id and of the brace behind it.
const ID: usize = 24;

/// A request whose id alone changes.
#[derive(Clone)]
pub(crate) struct Template {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    /// A JSON object up to the value of its last field, the id; or all of a body without an id.
    text: Bytes,
    has_id: bool,
}

/// A body in up to two pieces.
#[derive(Default)]
pub(crate) struct Body([Bytes; 2]);

impl Template {
    /// A POST of a request. `message` is a JSON object without an id.
    pub(crate) fn post(endpoint: &Endpoint, message: &str) -> Self {
        let mut text = message.strip_suffix('}').unwrap_or(message).to_owned();
        text.push_str(",\"id\":");
        Self::of(endpoint, Method::POST, text.into(), true)
    }

    /// A POST of a notification.
    pub(crate) fn notification(endpoint: &Endpoint, message: &str) -> Self {
        Self::of(
            endpoint,
            Method::POST,
            Bytes::copy_from_slice(message.as_bytes()),
            false,
        )
    }

    /// A request without a body.
    pub(crate) fn bare(endpoint: &Endpoint, method: Method) -> Self {
        Self::of(endpoint, method, Bytes::new(), false)
    }

    fn of(endpoint: &Endpoint, method: Method, text: Bytes, has_id: bool) -> Self {
        let mut headers = HeaderMap::new();
        if let Ok(host) = HeaderValue::from_str(&endpoint.authority) {
            headers.insert(HOST, host);
        }
        let accept = match method {
            Method::GET => "text/event-stream",
            _ => "application/json, text/event-stream",
        };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if method == Method::POST {
            let json = HeaderValue::from_static("application/json");
            headers.insert(CONTENT_TYPE, json);
        }
        Self {
            method,
            uri: Uri::from(endpoint.path.clone()),
            headers,
            text,
            has_id,
        }
    }

    /// With a header, in place of one of that name.
    pub(crate) fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.headers.insert(name, value);
    }

    /// The request under this id.
    pub(crate) fn request(&self, id: u64) -> Request<Body> {
        let body = self.body(id);
        let length = body.length();
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if self.method == Method::POST {
            request.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        request
    }

    fn body(&self, id: u64) -> Body {
        if !self.has_id {
            return Body([self.text.clone(), Bytes::new()]);
        }
        let small = self.text.len() < SMALL;
        let mut end = BytesMut::with_capacity(ID + if small { self.text.len() } else { 0 });
        if small {
            end.put_slice(&self.text);
        }
        // Memory is written without errors.
        let _ = write!((&mut end).writer(), "{id}}}");
        match small {
            true => Body([end.freeze(), Bytes::new()]),
            false => Body([self.text.clone(), end.freeze()]),
        }
    }
}

impl Body {
    fn length(&self) -> u64 {
        self.0.iter().map(|piece| piece.len() as u64).sum()
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let pieces = self.0.iter_mut();
        let piece = pieces.map(std::mem::take).find(|piece| !piece.is_empty());
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.length() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length())
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    async fn sent(template: &Template, id: u64) -> String {
        let request = template.request(id);
        let length = request.headers()[CONTENT_LENGTH]
            .to_str()
            .unwrap()
            .to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len().to_string(), length);
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn only_the_id_changes_however_large_the_request_is() {
        let endpoint = "http://a/mcp".parse().unwrap();
        let large = "x".repeat(SMALL);
        for text in ["hi", &large] {
            let message = format!(r#"{{"params":{{"text":"{text}"}}}}"#);
            let template = Template::post(&endpoint, &message);
            for id in [1, u64::MAX] {
                let expected = format!(r#"{{"params":{{"text":"{text}"}},"id":{id}}}"#);
                assert_eq!(sent(&template, id).await, expected);
            }
        }
        let template = Template::notification(&endpoint, r#"{"method":"x"}"#);
        assert_eq!(sent(&template, 1).await, r#"{"method":"x"}"#);
    }
}
