//! Turns at the bus: a crowd waits here rather than there, where every command has a deadline.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::BusError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::refusal::RequestError;

/// Requests that talk to the bus at a time. Enough to keep Redis busy; few enough for each to have its answer far
/// before its deadline.
const AT_A_TIME: usize = 128;

/// While more turns than this are taken, the next one begins only when the process is calm.
const BUSY: usize = 32;

/// A process is calm when it comes round to everything that it has to do within this time. An answer of Redis has to be
/// read before its deadline, and that takes a few rounds: a crowd that comes at once must be let in before anybody asks
/// Redis.
const CALM: Duration = Duration::from_millis(50);

/// How long a turn is held for want of calm, at most.
const LONGEST_HASTE: Duration = Duration::from_secs(5);

/// Requests that wait for their turn; more are refused.
const MOST_WAITING: usize = 20_000;

/// How long one waits, at most: below what clients wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often a step at the bus is begun in a crowd before its request is refused.
const ATTEMPTS: usize = 4;

/// Lets requests at the bus in the order in which they came. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Turns(Arc<Line>);

struct Line {
    at_bus: Arc<Semaphore>,
    at_a_time: usize,
    waiting: Semaphore,
    most_waiting: usize,
    patience: Duration,
}

/// A request's turn, until it is dropped. Whoever has one must not take another.
pub(crate) struct Turn {
    line: Arc<Line>,
    /// It came in a crowd.
    has_waited: bool,
    _permit: OwnedSemaphorePermit,
}

// === impl Turns ===

impl Turns {
    pub(crate) fn new() -> Self {
        Self::of(AT_A_TIME, MOST_WAITING, PATIENCE)
    }

    fn of(at_a_time: usize, most_waiting: usize, patience: Duration) -> Self {
        Self(Arc::new(Line {
            at_bus: Arc::new(Semaphore::new(at_a_time)),
            at_a_time,
            waiting: Semaphore::new(most_waiting),
            most_waiting,
            patience,
        }))
    }

    /// Waits for a turn.
    ///
    /// # Errors
    ///
    /// [`RequestError::Crowded`] when too many wait, or it has taken too long.
    pub(crate) async fn take(&self) -> Result<Turn, RequestError> {
        let line = &self.0;
        let turn = |permit, has_waited| Turn {
            line: line.clone(),
            has_waited,
            _permit: permit,
        };
        if let Ok(permit) = line.at_bus.clone().try_acquire_owned() {
            line.calm().await;
            return Ok(turn(permit, false));
        }
        let crowded = |_| RequestError::Crowded;
        let _waiting = line.waiting.try_acquire().map_err(crowded)?;
        let permit = line.at_bus.clone().acquire_owned();
        match tokio::time::timeout(line.patience, permit).await {
            Ok(Ok(permit)) => {
                line.calm().await;
                Ok(turn(permit, true))
            }
            // Nobody closes the semaphore, so it was the time.
            Ok(Err(_)) | Err(_) => Err(RequestError::Crowded),
        }
    }
}

// === impl Line ===

impl Line {
    /// Returns when this process is calm, or at once when there is nothing to fear.
    async fn calm(&self) {
        let begun = Instant::now();
        while self.at_a_time - self.at_bus.available_permits() > BUSY {
            let round = Instant::now();
            tokio::task::yield_now().await;
            if round.elapsed() < CALM || begun.elapsed() > LONGEST_HASTE {
                return;
            }
        }
    }
}

// === impl Turn ===

impl Turn {
    /// Takes a step at the bus that may be taken twice. In a crowd it is taken again when it had no answer in time:
    /// this process may have been too busy to read one. A bus that is away says so at once by then.
    ///
    /// # Errors
    ///
    /// As the step.
    pub(crate) async fn step<T, F>(&self, step: impl Fn() -> F) -> Result<T, BusError>
    where
        F: Future<Output = Result<T, BusError>>,
    {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            match step().await {
                Err(error) if error.is_passing() && left > 0 && self.is_in_crowd() => {}
                decided => return decided,
            }
        }
    }

    fn is_in_crowd(&self) -> bool {
        let line = &self.line;
        self.has_waited || line.waiting.available_permits() < line.most_waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_crowd_is_served_in_its_order() {
        let turns = Turns::of(1, 2, PATIENCE);
        let first = turns.take().await.ok().unwrap();
        let served = async |name| (turns.take().await.ok().unwrap(), name).1;
        let then = async {
            let mut order = Vec::new();
            let (a, b) = (served("a"), served("b"));
            tokio::pin!(a, b);
            // Both wait before the first one goes.
            assert!(futures::poll!(&mut a).is_pending());
            assert!(futures::poll!(&mut b).is_pending());
            assert!(turns.take().await.is_err(), "nobody else may wait");
            drop(first);
            assert!(futures::poll!(&mut b).is_pending());
            order.push(a.await);
            order.push(b.await);
            order
        };
        assert_eq!(then.await, ["a", "b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever_or_keeps_a_place_behind() {
        let turns = Turns::of(1, 1, PATIENCE);
        let first = turns.take().await.ok().unwrap();
        assert!(matches!(turns.take().await, Err(RequestError::Crowded)));
        let given_up = turns.take();
        assert!(futures::FutureExt::now_or_never(given_up).is_none());
        drop(first);
        assert!(turns.take().await.is_ok());
        assert_eq!(turns.0.waiting.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn only_in_a_crowd_a_step_is_taken_again() {
        let turns = Turns::of(1, 1, PATIENCE);
        let taken = std::cell::Cell::new(0);
        let away = || {
            taken.set(taken.get() + 1);
            std::future::ready(Err::<(), _>(BusError::Unavailable("no answer".to_owned())))
        };
        let alone = turns.take().await.ok().unwrap();
        assert!(alone.step(away).await.is_err());
        assert_eq!(taken.take(), 1);
        let waits = turns.take();
        tokio::pin!(waits);
        assert!(futures::poll!(&mut waits).is_pending());
        assert!(alone.step(away).await.is_err());
        assert_eq!(taken.take(), ATTEMPTS);
        drop(alone);
        let waited = waits.await.ok().unwrap();
        assert!(waited.step(away).await.is_err());
        assert_eq!(taken.take(), ATTEMPTS);
        let ended = || std::future::ready(Err::<(), _>(BusError::SessionEnded));
        assert!(waited.step(ended).await.is_err());
        assert!(waited.step(|| std::future::ready(Ok(()))).await.is_ok());
    }
}
