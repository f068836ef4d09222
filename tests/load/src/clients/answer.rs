//! What a client hears after a request.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;

use crate::record::Recorder;
use crate::wire::failure::Failure;
use crate::wire::line::{is_event_stream, refusal, whole};
use crate::wire::message::{self, Heard};
use crate::wire::numbering::Numbering;
use crate::wire::sse::Events;

/// How long the end of a stream may come after the response, if the connection is to be used again.
const END: Duration = Duration::from_millis(100);

/// What was heard of one call, on however many connections.
#[derive(Debug, Default)]
pub(crate) struct Received {
    numbering: Numbering,
    /// From where a broken stream can be resumed.
    pub(crate) last_event_id: Option<String>,
    /// When the server wants to be asked for the rest.
    pub(crate) retry: Option<Duration>,
    /// When the response came.
    pub(crate) at: Option<Instant>,
}

/// Reads an answer until the response to this request has come.
///
/// # Errors
///
/// When there is no response, or it is an error.
pub(crate) async fn response_to(
    id: u64,
    answer: Response<Incoming>,
    in_session: bool,
    received: &mut Received,
    recorder: &Recorder,
) -> Result<Bytes, Failure> {
    if !answer.status().is_success() {
        return Err(refusal(answer, in_session).await);
    }
    if is_event_stream(answer.headers()) {
        return streamed(id, Events::of(answer.into_body()), received, recorder).await;
    }
    let bytes = whole(answer.into_body()).await?;
    received.at = Some(Instant::now());
    match message::read(&bytes, id)? {
        Heard::Response(outcome) => outcome.map(|()| bytes),
        Heard::Else => Err(Failure::Unanswered("the answer has no response".into())),
    }
}

async fn streamed(
    id: u64,
    mut events: Events,
    received: &mut Received,
    recorder: &Recorder,
) -> Result<Bytes, Failure> {
    while let Some(event) = events.next().await? {
        received.retry = event.retry.or(received.retry);
        if let Some(id) = event.id {
            recorder.lost_events(received.numbering.missing_before(&id));
            received.last_event_id = Some(id);
        }
        // The first event of a stream only carries an id.
        if event.data.is_empty() {
            continue;
        }
        match message::read(&event.data, id)? {
            Heard::Else => recorder.events(1),
            Heard::Response(outcome) => {
                received.at = Some(Instant::now());
                // A stream that does not end costs its connection.
                let _ = tokio::time::timeout(END, events.next()).await;
                return outcome.map(|()| event.data.into());
            }
        }
    }
    Err(Failure::Unanswered(
        "the stream ended before the response".into(),
    ))
}
