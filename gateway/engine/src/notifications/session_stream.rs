//! The GET stream of a legacy session: the change feed, filtered by what the session wants.
//!
//! An event's id is its place in the feed, so the stream resumes on any gateway. What is heard from there
//! is what the session itself wants, so a place that another session was told of is of no use.

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use prynai_bus::FeedPosition;
use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::session::Session;
use tokio::time::Instant;

use super::notifier::{Filter, Notifier};
use crate::admission::Permit;
use crate::admission::turns::Turn;
use crate::changes::{FeedReader, Heard, Interest, Topic};
use crate::message::request_head::Caller;
use crate::metrics::metrics;
use crate::metrics::open::Open;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::event_id::EventId;
use crate::streams::event_stream::{EventSource, RETRY_MS, Step, Wait, event_stream};
use crate::streams::lifetime::{Closing, soon_after};
use crate::streams::session_use::touch_every;
use crate::streams::sse;
use crate::versions;

/// How long the client of a stream waits that a newer one of its session has replaced, in milliseconds.
const REPLACED_RETRY_MS: u64 = 30_000;

struct SessionStream {
    state: AppState,
    session: SessionId,
    reader: FeedReader,
    notifier: Notifier,
    /// When the session is touched again.
    touch_at: Instant,
    id: StreamId,
    /// Its own opening was heard: an opening heard later is newer.
    opened: bool,
    /// The client has an event id to resume from.
    resumable: bool,
    /// The client knows events without data, which only say where it is.
    primes: bool,
    _open: Open,
    _permit: Permit,
}

/// Opens the stream from after `position`, or from now.
pub(crate) async fn open(
    state: &AppState,
    caller: &Caller,
    session: SessionId,
    position: Option<FeedPosition>,
    permit: Permit,
) -> Result<Response, RequestError> {
    let turn = state.turns.take().await?;
    let lifetime = state.lifetime(caller);
    let interest = Interest::from([Topic::Session(session.clone())]);
    let mut stream = SessionStream {
        reader: state.changes.reader(position.clone(), interest),
        notifier: Notifier {
            filter: Filter::default(),
            subscription: None,
            policy: state.policy.watch(),
            principal: caller.principal.clone(),
        },
        touch_at: Instant::now(),
        id: StreamId::generate(),
        opened: false,
        resumable: position.is_some(),
        primes: false,
        _open: Open::new(&metrics().session_streams),
        _permit: permit,
        state: state.clone(),
        session,
    };
    // Only now that it hears of changes: what changes later is heard.
    let session = stream.read_session(&turn).await?;
    let session = session.ok_or(RequestError::SessionUnknown)?;
    // What is announced decides what is told.
    state.catalog.required().await?;
    if let Some(position) = &position
        && state.changes.is_to_come(position).await?
    {
        // Whoever began there would hear nothing.
        return Err(RequestError::NotResumable("the event has not happened yet"));
    }
    stream.take_over(&turn).await?;
    drop(turn);
    if position.is_some() {
        metrics().resumed_feed.inc();
    }
    stream.primes = versions::understands_priming(&session.protocol_version);
    let first = match stream.primes {
        true => stream.frame("", Some(retry_ms())),
        false => sse::KEEP_ALIVE,
    };
    Ok(event_stream(stream, lifetime, vec![first]))
}

/// What an open stream of a session hears.
enum News {
    Feed(Heard),
    /// Other lists are shown from now on.
    OtherPolicy,
}

impl EventSource for SessionStream {
    type News = News;

    async fn prepare(&mut self, keep_alive: Duration) -> Option<Wait> {
        if self.touch_at <= Instant::now() && self.has_ended().await {
            return None;
        }
        Some(Wait {
            quiet_until: soon_after(self.touch_every().min(keep_alive)),
            closing: Closing {
                by_age: self.resumable,
                by_expiry: true,
                by_stop: true,
            },
        })
    }

    async fn next(&mut self) -> News {
        tokio::select! {
            heard = self.reader.next() => News::Feed(heard),
            () = self.notifier.policy.changed() => News::OtherPolicy,
        }
    }

    async fn tell(&mut self, news: News) -> Step {
        match news {
            News::OtherPolicy => self.assume_anything(),
            News::Feed(Heard::Change(change)) => self.changed(&change.change).await,
            News::Feed(Heard::AssumeAnything) => match self.refresh().await {
                Ok(true) => self.assume_anything(),
                Ok(false) => Step::End,
                Err(error) => close_until_known(&error),
            },
        }
    }

    /// The client comes back; it is told up to where it has heard everything, or a quiet stream would go back to its
    /// beginning each time, until that is gone from the feed.
    fn farewell(&mut self) -> Bytes {
        match self.primes {
            true => self.frame("", Some(retry_ms())),
            false => sse::retry(retry_ms()),
        }
    }
}

impl SessionStream {
    async fn changed(&mut self, change: &Change) -> Step {
        match change {
            // All that is heard of sessions is of this one.
            Change::SessionEnded { .. } => return Step::End,
            Change::SessionListening { listener, .. } => {
                let is_own = *listener == self.id;
                let replaced = self.opened && !is_own;
                self.opened |= is_own;
                return match replaced {
                    // Coming back at once it would close the newer one, whose client would come back as well.
                    true => Step::Last(sse::retry(REPLACED_RETRY_MS)),
                    false => Step::Frames(Vec::new()),
                };
            }
            Change::SessionChanged { .. } => {
                return match self.refresh().await {
                    Ok(true) => Step::Frames(Vec::new()),
                    Ok(false) => Step::End,
                    Err(error) => close_until_known(&error),
                };
            }
            _ => {}
        }
        self.follow_catalog();
        let text = self.notifier.notification(change);
        Step::Frames(text.iter().map(|text| self.frame(text, None)).collect())
    }

    /// Tells of everything that may have changed.
    fn assume_anything(&mut self) -> Step {
        self.follow_catalog();
        let all = self.notifier.everything();
        Step::Frames(all.iter().map(|text| self.frame(text, None)).collect())
    }

    /// Only what is announced now is told of.
    fn follow_catalog(&mut self) {
        let announced = self.state.catalog.announced();
        self.notifier.filter.set_lists(announced);
    }

    /// Closes older streams of the session, on whichever gateway they are.
    async fn take_over(&self, turn: &Turn) -> Result<(), RequestError> {
        let opening = Change::SessionListening {
            session: self.session.clone(),
            listener: self.id,
        };
        let bus = &self.state.bus;
        turn.step(|| bus.publish_change(&opening)).await?;
        Ok(())
    }

    /// Restarts the session's idle time.
    async fn has_ended(&mut self) -> bool {
        match self.refresh().await {
            Ok(lives) => !lives,
            Err(error) => {
                tracing::debug!(%error, "cannot keep a session from falling idle while its stream is open; trying again later");
                self.touch_at = soon_after(self.touch_every());
                false
            }
        }
    }

    fn touch_every(&self) -> Duration {
        touch_every(self.state.settings.limits.session_idle)
    }

    /// Reads the session again; `false` when it has ended.
    async fn refresh(&mut self) -> Result<bool, RequestError> {
        let turn = self.state.turns.take().await?;
        let (bus, principal) = (&self.state.bus, &self.notifier.principal);
        let keep = || bus.keep_session(&self.session, principal);
        Ok(turn.step(keep).await? && self.read_subscriptions(&turn).await?)
    }

    async fn read_session(&mut self, turn: &Turn) -> Result<Option<Session>, RequestError> {
        let (bus, principal) = (&self.state.bus, &self.notifier.principal);
        let touch = || bus.touch_session(&self.session, principal);
        let session = turn.step(touch).await?;
        let lives = session.is_some() && self.read_subscriptions(turn).await?;
        Ok(session.filter(|_| lives))
    }

    /// What the session has subscribed to, which decides what is heard; `false` when the session has ended.
    async fn read_subscriptions(&mut self, turn: &Turn) -> Result<bool, RequestError> {
        let bus = &self.state.bus;
        let subscribed = turn.step(|| bus.subscriptions(&self.session)).await?;
        let Some(uris) = subscribed else {
            return Ok(false);
        };
        self.touch_at = soon_after(self.touch_every());
        self.notifier.filter.uris = uris.into_iter().map(Into::into).collect();
        self.reader.wait_for(self.interest());
        Ok(true)
    }

    /// Every list, since what is announced may change; and what the session itself wants.
    fn interest(&self) -> Interest {
        let lists = [Topic::Tools, Topic::Prompts, Topic::Resources];
        let mut interest = self.notifier.filter.interest();
        interest.extend(lists);
        interest.insert(Topic::Session(self.session.clone()));
        interest
    }

    fn frame(&mut self, text: &str, retry_ms: Option<u64>) -> Bytes {
        self.resumable = true;
        let id = EventId::Feed(self.reader.position());
        sse::event(Some(&id.to_string()), retry_ms, text)
    }
}

/// How long a client waits before it comes back, in milliseconds: not as long as all others do whose streams end with
/// this one.
fn retry_ms() -> u64 {
    rand::random_range(RETRY_MS..4 * RETRY_MS)
}

#[cfg(test)]
#[test]
fn streams_that_end_together_do_not_come_back_together() {
    let waits: std::collections::HashSet<u64> = (0..100).map(|_| retry_ms()).collect();
    assert!(waits.len() > 50, "{waits:?}");
}

/// What the session wants is unknown now; the client comes back and misses nothing.
fn close_until_known(error: &RequestError) -> Step {
    tracing::debug!(%error, "cannot read the subscriptions of a session; closing its stream, which its client opens again");
    Step::Last(sse::retry(retry_ms()))
}
