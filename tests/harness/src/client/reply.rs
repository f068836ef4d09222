//! What comes back: an answer, and the frames of an event stream.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use prynai_test_redis::PATIENCE;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::tls::TlsInfo;
use reqwest::{Response, StatusCode, Version};
use serde_json::Value;

/// An HTTP answer whose body is still to be read.
pub struct Reply {
    pub(super) response: Response,
}

/// A body read as server-sent events.
pub struct Events {
    chunks: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: String,
    /// How much of it was looked through for the end of a frame.
    searched: usize,
}

/// One server-sent event, or a comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// `id:`.
    pub id: Option<String>,
    /// `retry:` in milliseconds.
    pub retry: Option<u64>,
    /// `data:` lines, joined.
    pub data: Option<String>,
    /// Whether it has a comment line.
    pub comment: bool,
}

impl Reply {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The HTTP headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.response.version()
    }

    /// The server's certificate, to a client that was told to keep it.
    pub fn certificate(&self) -> &[u8] {
        let info = self.response.extensions().get::<TlsInfo>();
        let certificate = info.and_then(TlsInfo::peer_certificate);
        certificate.expect("came over TLS")
    }

    /// Whether the body is an event stream.
    pub fn is_event_stream(&self) -> bool {
        let media = self.headers().get(CONTENT_TYPE);
        media.is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"))
    }

    /// The body as text.
    pub async fn text(self) -> String {
        let read = tokio::time::timeout(PATIENCE, self.response.text()).await;
        read.expect("is read in time").expect("is readable")
    }

    /// The body as one JSON value.
    pub async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// The body as server-sent events.
    pub fn events(self) -> Events {
        assert!(self.is_event_stream(), "{:?}", self.response);
        Events {
            chunks: self.response.bytes_stream().boxed(),
            buffer: String::new(),
            searched: 0,
        }
    }

    /// Every message of the answer as it was sent.
    pub async fn texts(self) -> Vec<String> {
        if !self.is_event_stream() {
            return vec![self.text().await];
        }
        let mut events = self.events();
        let mut texts = Vec::new();
        while let Some(frame) = events.frame().await {
            texts.extend(frame.data.filter(|data| !data.is_empty()));
        }
        texts
    }

    /// Every message of the answer, whether it is one JSON body or an event stream.
    pub async fn messages(self) -> Vec<Value> {
        if self.is_event_stream() {
            self.events().rest().await
        } else {
            vec![self.json().await]
        }
    }

    /// The last message of the answer: the response.
    pub async fn response(self) -> Value {
        let mut messages = self.messages().await;
        messages.pop().expect("has a response")
    }
}

impl Events {
    /// The next frame, comments included; `None` at the end of the stream.
    pub async fn frame(&mut self) -> Option<Frame> {
        self.frame_within(PATIENCE).await
    }

    /// The next frame, which must come within `limit`.
    pub async fn frame_within(&mut self, limit: Duration) -> Option<Frame> {
        loop {
            if let Some(at) = self.buffer[self.searched..].find("\n\n") {
                let end = self.searched + at;
                let parsed = Frame::parse(&self.buffer[..end]);
                self.buffer.drain(..end + 2);
                self.searched = 0;
                return Some(parsed);
            }
            // The first newline of an end may be there already; in UTF-8 it is never a part of a longer character.
            self.searched = self.buffer.len() - usize::from(self.buffer.ends_with('\n'));
            let chunk = tokio::time::timeout(limit, self.chunks.next()).await;
            let chunk = chunk.expect("the stream goes on in time")?.ok()?;
            self.buffer
                .push_str(std::str::from_utf8(&chunk).expect("frames are whole UTF-8"));
        }
    }

    /// The id of the priming event with which a stream begins that can be resumed.
    pub async fn primed(&mut self) -> String {
        let first = self.frame().await.expect("a frame");
        first.id.expect("a priming event")
    }

    /// The next message with the id of its event; `None` at the end of the stream.
    pub async fn message(&mut self) -> Option<(Option<String>, Value)> {
        loop {
            let frame = self.frame().await?;
            if let Some(data) = frame.data.filter(|data| !data.is_empty()) {
                let value = serde_json::from_str(&data).expect("data is JSON");
                return Some((frame.id, value));
            }
        }
    }

    /// The next message of this method.
    pub async fn expect(&mut self, method: &str) -> Value {
        loop {
            let message = self.message().await;
            let (_, message) = message.unwrap_or_else(|| panic!("no {method} before the end"));
            if message["method"] == method {
                return message;
            }
        }
    }

    /// All messages until the end of the stream.
    pub async fn rest(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some((_, message)) = self.message().await {
            messages.push(message);
        }
        messages
    }
}

impl Frame {
    /// Reads the lines between two empty ones.
    pub fn parse(text: &str) -> Self {
        let mut frame = Self::default();
        for line in text.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => frame.comment = true,
                "id" => frame.id = Some(value.to_owned()),
                "retry" => frame.retry = value.parse().ok(),
                "data" => {
                    let data = frame.data.get_or_insert_default();
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(value);
                }
                other => panic!("an unknown field {other:?} in {text:?}"),
            }
        }
        frame
    }
}
