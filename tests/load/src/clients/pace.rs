//! When a client calls: after its last answer and a pause, or when a call is due.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::wire::failure::Failure;

/// Pause after an error in a closed loop: a client in a program does not come back at once either.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// Longest pause that a server's Retry-After gets.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The pace of a client.
#[derive(Clone)]
pub(crate) struct Pace {
    end: Instant,
    /// Ends before `end` when somebody interrupts.
    stop: CancellationToken,
    rhythm: Rhythm,
}

#[derive(Clone)]
enum Rhythm {
    Closed { think: Duration },
    Open(Arc<OpenLoop>),
}

/// A moment to call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    /// From when on its latency counts.
    pub(crate) from: Instant,
    /// How late the tool is by itself, if it knows when the call was due.
    pub(crate) late: Option<Duration>,
}

/// Calls become due at a rate, whatever becomes of those before. A free client takes the next one.
///
/// If all clients were busy when it became due, its latency counts from then on. If a client waited for it, the latency
/// counts from when the client was woken: that a timer is late is no fault of the server.
pub(crate) struct OpenLoop {
    plan: Plan,
    next: Mutex<Next>,
}

struct Next {
    number: u64,
    /// To the thread that wakes the clients. In the order in which they are due, since it goes on under the lock.
    waiting: SyncSender<Waiting>,
}

/// When which call is due: ever more often during the ramp, then steadily.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) began: Instant,
    pub(crate) ramp: Duration,
    pub(crate) end: Instant,
    /// Calls per second.
    pub(crate) rate: f64,
}

struct Waiting {
    due: Instant,
    wake: oneshot::Sender<()>,
}

impl Pace {
    pub(crate) fn closed(end: Instant, stop: CancellationToken, think: Duration) -> Self {
        Self {
            end,
            stop,
            rhythm: Rhythm::Closed { think },
        }
    }

    pub(crate) fn open(stop: CancellationToken, schedule: Arc<OpenLoop>) -> Self {
        Self {
            end: schedule.plan.end,
            stop,
            rhythm: Rhythm::Open(schedule),
        }
    }

    /// Waits until a moment, or until it is over; tells whether there is anything left to do.
    pub(crate) async fn until(&self, moment: Instant) -> bool {
        if moment > Instant::now() {
            let moment = moment.min(self.end);
            tokio::select! {
                () = tokio::time::sleep_until(moment.into()) => {}
                () = self.stop.cancelled() => return false,
            }
        }
        !self.stop.is_cancelled() && Instant::now() < self.end
    }

    /// The first turn, or the next one after this outcome; `None` when it is over.
    pub(crate) async fn turn(&self, last: Option<&Result<(), Failure>>) -> Option<Turn> {
        match &self.rhythm {
            Rhythm::Open(schedule) => {
                let goes_on = !self.stop.is_cancelled() && Instant::now() < self.end;
                let turn = if goes_on { schedule.turn() } else { None };
                tokio::select! {
                    turn = turn? => Some(turn),
                    () = self.stop.cancelled() => None,
                }
            }
            Rhythm::Closed { think } => {
                let pause = match last {
                    // Clients that begin together do not go on in step.
                    None => think.mul_f64(rand::random_range(0.0..1.0)),
                    Some(outcome) => {
                        let think = think.mul_f64(rand::random_range(0.5..1.5));
                        think.max(after(outcome))
                    }
                };
                let now = Instant::now();
                let goes_on = self.until(now + pause).await;
                goes_on.then(|| Turn {
                    from: if pause.is_zero() { now } else { Instant::now() },
                    late: None,
                })
            }
        }
    }
}

fn after(outcome: &Result<(), Failure>) -> Duration {
    match outcome {
        Err(failure) if failure.is_passing() => {
            let wanted = failure.retry_after().unwrap_or(AFTER_ERROR);
            wanted.clamp(AFTER_ERROR, LONGEST_PAUSE)
        }
        _ => Duration::ZERO,
    }
}

impl OpenLoop {
    /// Begins. Its thread ends with it.
    pub(crate) fn start(plan: Plan, clients: usize) -> Arc<Self> {
        // Each client waits for one call at a time.
        let (waiting, queue) = sync_channel(clients);
        std::thread::spawn(move || wake(&queue));
        let next = Mutex::new(Next { number: 0, waiting });
        Arc::new(Self { plan, next })
    }

    /// Takes the next call; `None` when no further one is due before the end.
    fn turn(&self) -> Option<impl Future<Output = Turn> + use<>> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = self.plan.due(next.number);
        if due >= self.plan.end {
            return None;
        }
        next.number += 1;
        let woken = (due > Instant::now()).then(|| {
            let (wake, woken) = oneshot::channel();
            // There is room for each client.
            let _ = next.waiting.send(Waiting { due, wake });
            woken
        });
        Some(async move {
            match woken {
                None => Turn {
                    from: due,
                    late: None,
                },
                Some(woken) => {
                    // It goes away only when all is over.
                    let _ = woken.await;
                    let now = Instant::now();
                    Turn {
                        from: now,
                        late: Some(now.saturating_duration_since(due)),
                    }
                }
            }
        })
    }

    /// How many calls were due until a moment, and were not taken by any client.
    pub(crate) fn left(&self, until: Instant) -> u64 {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.plan.due_before(until).saturating_sub(next.number)
    }
}

impl Plan {
    /// When the call with this number is due.
    fn due(&self, number: u64) -> Instant {
        let number = number as f64;
        let ramp = self.ramp.as_secs_f64();
        // Within the ramp, the rate rises from nothing: rate * t² / (2 * ramp) calls until t.
        let within = self.rate * ramp / 2.0;
        let seconds = match number < within {
            true => (2.0 * ramp * number / self.rate).sqrt(),
            false => ramp + (number - within) / self.rate,
        };
        self.began + Duration::from_secs_f64(seconds)
    }

    /// How many calls are due before a moment.
    fn due_before(&self, moment: Instant) -> u64 {
        let (mut low, mut high) = (0, 1);
        while self.due(high) < moment {
            high *= 2;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            match self.due(middle) < moment {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }
}

/// Sleeps in a thread of its own: the timers of the runtime are exact to a millisecond only, and would send the calls
/// of a millisecond together.
fn wake(queue: &Receiver<Waiting>) {
    for Waiting { due, wake } in queue {
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left);
        }
        // Whoever has gone away need not be woken.
        let _ = wake.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_due_steadily_and_during_the_ramp_ever_more_often() {
        let began = Instant::now();
        let seconds = |seconds| Duration::from_secs_f64(seconds);
        let plan = Plan {
            began,
            ramp: Duration::ZERO,
            end: began + seconds(10.0),
            rate: 4.0,
        };
        assert_eq!(plan.due(0), began);
        assert_eq!(plan.due(4), began + seconds(1.0));
        assert_eq!(plan.due_before(began + seconds(10.0)), 40);
        let plan = Plan {
            ramp: seconds(2.0),
            ..plan
        };
        assert_eq!(plan.due(1), began + seconds(1.0));
        assert_eq!(plan.due(4), began + seconds(2.0));
        assert_eq!(plan.due(8), began + seconds(3.0));
        assert_eq!(plan.due_before(began + seconds(3.0)), 8);
    }
}
