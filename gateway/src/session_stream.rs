//! The GET stream of a legacy session: the change feed, filtered by what the session wants.
//!
//! An event's id is its place in the feed, so the stream resumes on any gateway.

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use prynai_shared::bus::FeedPosition;
use prynai_shared::ids::StreamId;
use prynai_shared::lifecycle::Shutdown;
use prynai_shared::wire::change::Change;
use prynai_shared::wire::session::Session;
use tokio::time::Instant;

use crate::catalog::Announced;
use crate::changes::{Heed, Listener};
use crate::edge;
use crate::error::RequestError;
use crate::event_id::EventId;
use crate::listening::{Filter, Notifier};
use crate::respond::{KEEP_ALIVE, RETRY_MS, sse_response};
use crate::sse;
use crate::state::AppState;
use crate::versions;

/// An open stream is use of its session: how often the session's idle time is restarted.
const TOUCH: Duration = Duration::from_secs(60);

struct SessionStream {
    state: AppState,
    session: Session,
    announced: Announced,
    listener: Listener,
    notifier: Notifier,
    shutdown: Shutdown,
    touched: Instant,
    id: StreamId,
    /// Its own opening was heard: an opening heard later is newer.
    opened: bool,
}

/// Opens the stream from after `position`, or from now.
pub(crate) async fn open(
    state: &AppState,
    session: Session,
    position: Option<FeedPosition>,
) -> Result<Response, RequestError> {
    if let Some(position) = &position
        && position.is_after(&state.bus.newest_change().await?)
    {
        // Nobody was ever there, and whoever began there would hear nothing.
        return Err(RequestError::NotResumable("the event has not happened yet"));
    }
    let listener = state.changes.listen(position).await?;
    let announced = Announced::of(edge::catalog(state).await?.as_ref());
    let mut stream = SessionStream {
        announced,
        listener,
        notifier: Notifier {
            filter: Filter::default(),
            subscription: None,
        },
        shutdown: state.shutdown.clone(),
        touched: Instant::now(),
        id: StreamId::generate(),
        opened: false,
        state: state.clone(),
        session,
    };
    // Read again now that listening has begun: what changes later is heard.
    if !stream.refresh().await? {
        return Err(RequestError::SessionUnknown);
    }
    stream.take_over().await?;
    let first = if versions::understands_priming(&stream.session.protocol_version) {
        stream.frame("", Some(RETRY_MS))
    } else {
        sse::KEEP_ALIVE
    };
    Ok(sse_response(stream.frames(first)))
}

impl SessionStream {
    fn frames(self, first: Bytes) -> impl futures::Stream<Item = Bytes> + Send + 'static {
        futures::stream::unfold(
            (Some(self), vec![first]),
            |(mut stream, mut ready)| async move {
                while ready.is_empty() {
                    match stream.as_mut()?.step().await {
                        Step::Frames(frames) => {
                            ready = frames;
                            ready.reverse();
                        }
                        Step::Last(frame) => {
                            ready.push(frame);
                            stream = None;
                        }
                        Step::End => return None,
                    }
                }
                Some((ready.pop()?, (stream, ready)))
            },
        )
    }

    async fn step(&mut self) -> Step {
        let heed = tokio::select! {
            heed = self.listener.next() => heed,
            () = tokio::time::sleep(KEEP_ALIVE) => return self.keep_alive().await,
            () = self.shutdown.soft().cancelled() => return Step::Last(sse::retry(RETRY_MS)),
        };
        match heed {
            Some(Heed::Change(change)) => self.changed(&change.change).await,
            Some(Heed::AssumeAnything) => match self.refresh().await {
                Ok(true) => {
                    let all = self.notifier.everything();
                    Step::Frames(all.iter().map(|text| self.frame(text, None)).collect())
                }
                Ok(false) => Step::End,
                Err(error) => self.close_for_now(&error),
            },
            None => Step::Last(sse::retry(RETRY_MS)),
        }
    }

    async fn changed(&mut self, change: &Change) -> Step {
        if let Change::SessionListening { session, listener } = change
            && *session == self.session.id
        {
            let replaced = self.opened && *listener != self.id;
            self.opened |= *listener == self.id;
            return if replaced {
                Step::End
            } else {
                Step::Frames(Vec::new())
            };
        }
        let concerned = match change {
            Change::SessionEnded { session } if *session == self.session.id => return Step::End,
            Change::SessionChanged { session } => *session == self.session.id,
            Change::CatalogChanged => true,
            _ => false,
        };
        if concerned {
            return match self.refresh().await {
                Ok(true) => Step::Frames(Vec::new()),
                Ok(false) => Step::End,
                Err(error) => self.close_for_now(&error),
            };
        }
        let text = self.notifier.notification(change);
        Step::Frames(text.iter().map(|text| self.frame(text, None)).collect())
    }

    /// Closes older streams of the session, on whichever gateway they are.
    async fn take_over(&self) -> Result<(), RequestError> {
        let opening = Change::SessionListening {
            session: self.session.id.clone(),
            listener: self.id,
        };
        self.state.bus.publish_change(&opening).await?;
        Ok(())
    }

    async fn keep_alive(&mut self) -> Step {
        if self.touched.elapsed() >= TOUCH {
            match self.refresh().await {
                Ok(false) => return Step::End,
                Ok(true) => {}
                Err(error) => {
                    tracing::debug!(%error, "an open stream's session cannot be read now")
                }
            }
        }
        Step::Frames(vec![sse::KEEP_ALIVE])
    }

    /// Reads the session and the catalog again; `false` when the session has ended.
    async fn refresh(&mut self) -> Result<bool, RequestError> {
        let Some(touched) = self.state.bus.touch_session(&self.session.id, None).await? else {
            return Ok(false);
        };
        if let Some(catalog) = self.state.catalog.get().await? {
            self.announced = Announced::of(&catalog);
        }
        self.touched = Instant::now();
        self.session = touched.session;
        let uris = self.session.subscriptions.clone();
        self.notifier.filter = Filter::legacy(self.announced, uris);
        Ok(true)
    }

    /// What the session wants is unknown now; the client comes back and misses nothing.
    fn close_for_now(&self, error: &RequestError) -> Step {
        tracing::debug!(%error, "a change stream is closed until the bus is back");
        Step::Last(sse::retry(RETRY_MS))
    }

    fn frame(&self, text: &str, retry_ms: Option<u64>) -> Bytes {
        let id = EventId::Feed(self.listener.position().clone());
        sse::event(Some(&id.to_string()), retry_ms, text)
    }
}

enum Step {
    Frames(Vec<Bytes>),
    Last(Bytes),
    End,
}
