//! How long a connection may do nothing, and which one is closed first when there are too many.
//!
//! The timeout of hyper for a request's head begins when the one before was answered, so it cannot tell a client that
//! keeps its connection from one that holds it up.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{future, io};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use hyper_util::server::graceful::GracefulConnection;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::metrics::metrics;
use crate::metrics::open::Open as Counted;

/// The connections of one gateway. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Open(Arc<Registry>);

#[derive(Default)]
struct Registry {
    next: AtomicU64,
    connections: Mutex<HashMap<u64, Arc<Activity>>>,
}

/// How long a connection may wait, by what it waits for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For its first request, and for the rest of a head that has begun.
    pub(crate) head: Duration,
    /// For a request after the one before.
    pub(crate) idle: Duration,
}

/// What one connection does. In the registry until dropped.
pub(crate) struct Activity {
    patience: Patience,
    now: Mutex<Now>,
}

struct Now {
    /// Requests whose answers have not left.
    requests: usize,
    /// Without a request: what it waits for, and since when.
    waits: WaitsFor,
    since: Instant,
    /// Requests share it, so bytes that arrive say nothing of their heads.
    multiplexed: bool,
    /// Its place is wanted for another.
    unwanted: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaitsFor {
    FirstRequest,
    RestOfHead,
    NextRequest,
}

/// What is to be done with a connection that waits.
enum Verdict {
    /// Nothing, until then; without a time, until a request is answered.
    Wait(Option<Instant>),
    /// Close it as HTTP has it: the client may come back.
    Close,
    /// Give it up.
    Abandon,
}

/// A connection's place among the open ones.
pub(crate) struct Registered {
    open: Open,
    number: u64,
    pub(crate) activity: Arc<Activity>,
    _counted: Counted,
}

/// A request under way, until its answer has left.
pub(crate) struct UnderWay(Arc<Activity>);

/// A stream that notes when something arrives.
pub(crate) struct Watched<S> {
    pub(crate) inner: S,
    pub(crate) activity: Arc<Activity>,
}

/// The body of an answer, which is under way until it is dropped.
pub(crate) struct Answer {
    body: Body,
    _under_way: Option<UnderWay>,
}

// === impl Open ===

impl Open {
    /// Notes a connection.
    pub(crate) fn register(&self, patience: Patience) -> Registered {
        let activity = Arc::new(Activity::new(patience));
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, activity.clone());
        Registered {
            open: self.clone(),
            number,
            activity,
            _counted: Counted::new(&metrics().connections),
        }
    }

    /// Closes the connection that has been idle for the longest; `false` when none is.
    pub(crate) fn close_idlest(&self) -> bool {
        let connections = self.lock();
        let idle = connections.values().filter_map(|activity| {
            let since = activity.idle_since()?;
            Some((since, activity))
        });
        match idle.min_by_key(|(since, _)| *since) {
            Some((_, idlest)) => idlest.dismiss(),
            None => false,
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Activity>>> {
        let connections = &self.0.connections;
        connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.open.lock().remove(&self.number);
    }
}

// === impl Activity ===

impl Activity {
    fn new(patience: Patience) -> Self {
        let now = Now {
            requests: 0,
            waits: WaitsFor::FirstRequest,
            since: Instant::now(),
            multiplexed: false,
            unwanted: false,
            waker: None,
        };
        Self {
            patience,
            now: Mutex::new(now),
        }
    }

    /// Notes that a request has begun.
    pub(crate) fn begin(self: &Arc<Self>, multiplexed: bool) -> UnderWay {
        let mut now = self.lock();
        now.requests += 1;
        now.multiplexed = multiplexed;
        drop(now);
        UnderWay(self.clone())
    }

    fn end(&self) {
        let mut now = self.lock();
        now.requests -= 1;
        if now.requests == 0 {
            now.waits = WaitsFor::NextRequest;
            now.since = Instant::now();
        }
    }

    fn received(&self) {
        let mut now = self.lock();
        if now.requests == 0 && now.waits == WaitsFor::NextRequest && !now.multiplexed {
            now.waits = WaitsFor::RestOfHead;
            now.since = Instant::now();
        }
    }

    fn idle_since(&self) -> Option<Instant> {
        let now = self.lock();
        (now.is_idle() && !now.unwanted).then_some(now.since)
    }

    /// Lets it be closed if it is still idle.
    fn dismiss(&self) -> bool {
        let mut now = self.lock();
        if !now.is_idle() {
            return false;
        }
        now.unwanted = true;
        if let Some(waker) = now.waker.take() {
            waker.wake();
        }
        true
    }

    fn verdict(&self, cx: &Context<'_>) -> Verdict {
        let mut now = self.lock();
        if now.requests > 0 {
            return Verdict::Wait(None);
        }
        let is_idle = now.is_idle();
        if is_idle && now.unwanted {
            return Verdict::Close;
        }
        let patience = if is_idle {
            self.patience.idle
        } else {
            self.patience.head
        };
        let due = now.since + patience;
        if Instant::now() >= due {
            return if is_idle {
                Verdict::Close
            } else {
                Verdict::Abandon
            };
        }
        let waker = now.waker.get_or_insert_with(|| cx.waker().clone());
        waker.clone_from(cx.waker());
        Verdict::Wait(Some(due))
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    fn is_idle(&self) -> bool {
        self.requests == 0 && self.waits == WaitsFor::NextRequest
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Serves a connection to its end. It gets no further request after `stopping`, or when it has waited for too long.
pub(crate) async fn serve<C: GracefulConnection>(
    connection: C,
    activity: &Activity,
    stopping: CancellationToken,
) -> Result<(), C::Error> {
    let mut connection = pin!(connection);
    let mut stopping = pin!(stopping.cancelled_owned());
    let mut timer = pin!(sleep_until(Instant::now() + activity.patience.head));
    let mut leaving = false;
    future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            if leaving {
                return Poll::Pending;
            }
            let verdict = match stopping.as_mut().poll(cx) {
                Poll::Ready(()) => Verdict::Close,
                Poll::Pending => activity.verdict(cx),
            };
            match verdict {
                Verdict::Wait(None) => return Poll::Pending,
                Verdict::Wait(Some(due)) => {
                    // The timer is set back only when it must fire earlier, or did too early.
                    if due < timer.deadline() {
                        timer.as_mut().reset(due);
                    }
                    if timer.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    timer.as_mut().reset(due);
                }
                Verdict::Close => {
                    leaving = true;
                    connection.as_mut().graceful_shutdown();
                }
                Verdict::Abandon => {
                    tracing::debug!("closed a connection whose request did not arrive in time");
                    return Poll::Ready(Ok(()));
                }
            }
        }
    })
    .await
}

// === impl Watched, Answer ===

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    writes_to!(inner);
}

impl Answer {
    pub(crate) fn new(body: Body, under_way: Option<UnderWay>) -> Self {
        Self {
            body,
            _under_way: under_way,
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
