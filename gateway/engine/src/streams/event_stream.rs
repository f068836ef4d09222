//! The one loop that feeds a client: what its stream has to tell, a comment when that is nothing, and an end in time.

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use tokio::time::{Instant, sleep_until};

use crate::streams::lifetime::{Closing, Lifetime};
use crate::streams::respond::sse_response;
use crate::streams::sse;

/// How long a client waits before it resumes a stream that we closed, in milliseconds.
pub(crate) const RETRY_MS: u64 = 500;

/// What an event stream has to tell.
pub(crate) trait EventSource: Send + 'static {
    /// What is waited for.
    type News: Send;

    /// Called before each wait: how to wait, and in silence no longer than `keep_alive`. `None` ends the stream.
    fn prepare(&mut self, keep_alive: Duration) -> impl Future<Output = Option<Wait>> + Send;

    /// What comes next. May be dropped and called again without loss.
    fn next(&mut self) -> impl Future<Output = Self::News> + Send;

    /// What the client is told of it.
    fn tell(&mut self, news: Self::News) -> impl Future<Output = Step> + Send;

    /// The last frame when the stream is closed although there may be more to tell.
    fn farewell(&mut self) -> Bytes;
}

/// How the next news are waited for.
pub(crate) struct Wait {
    /// When the client gets a comment if nothing has come.
    pub(crate) quiet_until: Instant,
    pub(crate) closing: Closing,
}

/// What a client gets next.
pub(crate) enum Step {
    Frame(Bytes),
    /// Also none.
    Frames(Vec<Bytes>),
    /// The last one.
    Last(Bytes),
    /// The stream ends without one.
    End,
}

/// A stream that is being fed.
struct Feeding<S> {
    source: S,
    lifetime: Lifetime,
    ready: std::vec::IntoIter<Bytes>,
    ended: bool,
}

/// The source as server-sent events, after the frames in `first`.
pub(crate) fn event_stream<S: EventSource>(
    source: S,
    lifetime: Lifetime,
    first: Vec<Bytes>,
) -> Response {
    frames_of(source, lifetime, first, false)
}

/// The frames in `last`, which end the stream of a source.
pub(crate) fn last_of_stream<S: EventSource>(
    source: S,
    lifetime: Lifetime,
    last: Vec<Bytes>,
) -> Response {
    frames_of(source, lifetime, last, true)
}

fn frames_of<S: EventSource>(
    source: S,
    lifetime: Lifetime,
    first: Vec<Bytes>,
    ended: bool,
) -> Response {
    let feeding = Feeding {
        source,
        lifetime,
        ready: first.into_iter(),
        ended,
    };
    sse_response(futures::stream::unfold(feeding, |mut feeding| async move {
        let frame = feeding.next_frame().await?;
        Some((frame, feeding))
    }))
}

impl<S: EventSource> Feeding<S> {
    async fn next_frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.next() {
                return Some(frame);
            }
            // Only now, so that what the source holds is held until the client has taken the last frame.
            if self.ended {
                return None;
            }
            match self.step().await {
                Step::Frame(frame) => return Some(frame),
                Step::Frames(frames) => self.ready = frames.into_iter(),
                Step::Last(frame) => {
                    self.ended = true;
                    return Some(frame);
                }
                Step::End => return None,
            }
        }
    }

    async fn step(&mut self) -> Step {
        let Self {
            source, lifetime, ..
        } = self;
        let Some(Wait {
            quiet_until,
            closing,
        }) = source.prepare(lifetime.keep_alive()).await
        else {
            return Step::End;
        };
        let over = lifetime.over(closing);
        let wake = over.map_or(quiet_until, |over| over.min(quiet_until));
        let news = tokio::select! {
            news = source.next() => news,
            () = sleep_until(wake) => {
                return match over.is_some_and(|over| over <= Instant::now()) {
                    true => Step::Last(source.farewell()),
                    false => Step::Frame(sse::KEEP_ALIVE),
                };
            }
            () = lifetime.stopped(closing) => {
                return match closing.by_stop {
                    true => Step::Last(source.farewell()),
                    false => Step::End,
                };
            }
        };
        source.tell(news).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use axum::body::BodyDataStream;
    use futures::StreamExt;
    use prynai_process::lifecycle::Shutdown;

    use super::*;

    const AGE: Duration = Duration::from_secs(3600);
    const KEEP_ALIVE: Duration = Duration::from_secs(15);

    /// Has these things to tell, and then nothing.
    struct Script {
        steps: VecDeque<Step>,
        closing: Closing,
    }

    impl EventSource for Script {
        type News = Step;

        async fn prepare(&mut self, keep_alive: Duration) -> Option<Wait> {
            Some(Wait {
                quiet_until: Instant::now() + keep_alive,
                closing: self.closing,
            })
        }

        async fn next(&mut self) -> Step {
            match self.steps.pop_front() {
                Some(step) => step,
                None => std::future::pending().await,
            }
        }

        async fn tell(&mut self, step: Step) -> Step {
            step
        }

        fn farewell(&mut self) -> Bytes {
            Bytes::from_static(b"farewell")
        }
    }

    fn stream(shutdown: &Shutdown, steps: Vec<Step>, closes: bool) -> BodyDataStream {
        let source = Script {
            steps: steps.into(),
            closing: Closing {
                by_age: closes,
                by_expiry: closes,
                by_stop: closes,
            },
        };
        let lifetime = Lifetime::begin(shutdown.clone(), AGE, KEEP_ALIVE, None);
        let first = vec![Bytes::from_static(b"first")];
        let response = event_stream(source, lifetime, first);
        response.into_body().into_data_stream()
    }

    async fn all(stream: BodyDataStream) -> Vec<String> {
        let text = |frame: Result<Bytes, _>| String::from_utf8(frame.unwrap().to_vec()).unwrap();
        stream.map(text).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn everything_is_told_in_order_and_nothing_after_the_last_frame() {
        let frame = Bytes::from_static;
        let steps = vec![
            Step::Frame(frame(b"1")),
            Step::Frames(vec![]),
            Step::Frames(vec![frame(b"2"), frame(b"3")]),
            Step::Last(frame(b"4")),
            Step::Frame(frame(b"5")),
        ];
        let told = all(stream(&Shutdown::new(), steps, true)).await;
        assert_eq!(told, ["first", "1", "2", "3", "4"]);
        let told = all(stream(&Shutdown::new(), vec![Step::End], true)).await;
        assert_eq!(told, ["first"]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_comments_until_the_stream_is_old() {
        let begun = Instant::now();
        let told = all(stream(&Shutdown::new(), vec![], true)).await;
        assert!(begun.elapsed() <= AGE && begun.elapsed() > AGE / 2);
        let (last, comments) = told[1..].split_last().unwrap();
        assert_eq!(last, "farewell");
        assert!(comments.len() > 100 && comments.iter().all(|comment| comment == ":\n\n"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_closes_what_can_come_back_and_an_abort_all() {
        let shutdown = Shutdown::new();
        let closes = stream(&shutdown, vec![], true);
        let mut goes_on = stream(&shutdown, vec![], false);
        shutdown.begin();
        assert_eq!(all(closes).await, ["first", "farewell"]);
        for expected in ["first", ":\n\n"] {
            assert_eq!(goes_on.next().await.unwrap().unwrap(), expected);
        }
        shutdown.abort();
        assert_eq!(all(goes_on).await, [""; 0]);
    }
}
