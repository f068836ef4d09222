//! The GET stream of a legacy session: the change feed, filtered by what the session wants.
//!
//! An event's id is its place in the feed, so the stream resumes on any gateway. What is heard from there
//! is what the session itself wants, so a place that another session was told of is of no use.

use axum::response::Response;
use bytes::Bytes;
use prynai_shared::bus::FeedPosition;
use prynai_shared::ids::StreamId;
use prynai_shared::wire::change::Change;
use prynai_shared::wire::session::Session;
use tokio::time::Instant;

use crate::admission::Permit;
use crate::catalog::Announced;
use crate::changes::{Heed, Listener};
use crate::edge;
use crate::error::RequestError;
use crate::event_id::EventId;
use crate::head::Sender;
use crate::lifetime::Lifetime;
use crate::listening::{Filter, Notifier};
use crate::respond::{KEEP_ALIVE, RETRY_MS, sse_response, touch_every};
use crate::sse;
use crate::state::AppState;
use crate::versions;

struct SessionStream {
    state: AppState,
    session: Session,
    announced: Announced,
    listener: Listener,
    notifier: Notifier,
    lifetime: Lifetime,
    touched: Instant,
    id: StreamId,
    /// Its own opening was heard: an opening heard later is newer.
    opened: bool,
    /// The client has an event id to resume from.
    resumable: bool,
    _permit: Permit,
}

/// Opens the stream from after `position`, or from now.
pub(crate) async fn open(
    state: &AppState,
    sender: &Sender,
    session: Session,
    position: Option<FeedPosition>,
    permit: Permit,
) -> Result<Response, RequestError> {
    if let Some(position) = &position
        && position.is_after(&state.bus.newest_change().await?)
    {
        // Nobody was ever there, and whoever began there would hear nothing.
        return Err(RequestError::NotResumable("the event has not happened yet"));
    }
    let position_is_known = position.is_some();
    let listener = state.changes.listen(position).await?;
    let announced = Announced::of(edge::catalog(state).await?.as_ref());
    let mut stream = SessionStream {
        announced,
        listener,
        notifier: Notifier {
            filter: Filter::default(),
            subscription: None,
            policy: state.policy.watch(),
            principal: sender.principal.clone(),
        },
        lifetime: state.lifetime(sender),
        touched: Instant::now(),
        id: StreamId::generate(),
        opened: false,
        resumable: position_is_known,
        _permit: permit,
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
        let touch_every = touch_every(&self.state);
        if self.touched.elapsed() >= touch_every && self.has_ended().await {
            return Step::End;
        }
        let heed = tokio::select! {
            heed = self.listener.next() => heed,
            // Other lists are shown from now on.
            () = self.notifier.policy.changed() => Some(Heed::AssumeAnything),
            () = tokio::time::sleep(touch_every.min(KEEP_ALIVE)) => {
                return Step::Frames(vec![sse::KEEP_ALIVE]);
            }
            () = self.lifetime.stopping() => return Step::Last(sse::retry(RETRY_MS)),
            () = self.lifetime.expired() => return Step::Last(sse::retry(RETRY_MS)),
            () = self.lifetime.aged(), if self.resumable => {
                return Step::Last(sse::retry(RETRY_MS));
            }
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

    /// Restarts the session's idle time.
    async fn has_ended(&mut self) -> bool {
        match self.refresh().await {
            Ok(lives) => !lives,
            Err(error) => {
                tracing::debug!(%error, "an open stream's session cannot be read now");
                self.touched = Instant::now();
                false
            }
        }
    }

    /// Reads the session and the catalog again; `false` when the session has ended.
    async fn refresh(&mut self) -> Result<bool, RequestError> {
        let Session { id, principal, .. } = &self.session;
        let bus = &self.state.bus;
        if !bus.keep_session(id, principal).await? {
            return Ok(false);
        }
        let Some(uris) = bus.subscriptions(id).await? else {
            return Ok(false);
        };
        if let Some(catalog) = self.state.catalog.get().await? {
            self.announced = Announced::of(&catalog);
        }
        self.touched = Instant::now();
        self.notifier.filter = Filter::legacy(self.announced, uris);
        Ok(true)
    }

    /// What the session wants is unknown now; the client comes back and misses nothing.
    fn close_for_now(&self, error: &RequestError) -> Step {
        tracing::debug!(%error, "a change stream is closed until the bus is back");
        Step::Last(sse::retry(RETRY_MS))
    }

    fn frame(&mut self, text: &str, retry_ms: Option<u64>) -> Bytes {
        self.resumable = true;
        let id = EventId::Feed(self.listener.position().clone());
        sse::event(Some(&id.to_string()), retry_ms, text)
    }
}

enum Step {
    Frames(Vec<Bytes>),
    Last(Bytes),
    End,
}
