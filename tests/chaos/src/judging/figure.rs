//! Figures that a scenario is to reach. They are for runs on a machine of one's own: a busy one misses them without a
//! fault.

use std::fmt;
use std::time::Duration;

use crate::judging::outcome::Outcome;
use crate::judging::spread::Spread;

/// How far recovery may lag behind the lease.
const AFTER_LEASE: Duration = Duration::from_secs(1);

/// One of them.
#[derive(Debug, Clone, Copy)]
pub enum Figure {
    /// So many calls were in flight at a time.
    InFlight(usize),
    /// So many faults were injected.
    Faults(usize),
    /// So many clients were told of a task, and fetched its end.
    Tasks(usize),
    /// Each call that lost its worker ran again, or its client was told, a lease and a second later at most.
    Recovery,
    /// 99 of 100 results came so much later than their tools were done, at most.
    Delay(Duration),
}

/// A figure, and what was reached.
pub struct Reached {
    figure: Figure,
    seen: String,
    /// Whether that is enough.
    pub is_enough: bool,
}

impl Figure {
    /// Compares it with what came out.
    pub fn compare(self, outcome: &Outcome, lease: Duration) -> Reached {
        let (seen, is_enough) = match self {
            Self::InFlight(calls) => (outcome.in_flight.to_string(), outcome.in_flight >= calls),
            Self::Faults(faults) => {
                let injected = outcome.injected.len();
                (injected.to_string(), injected >= faults)
            }
            Self::Tasks(tasks) => {
                let fetched = outcome.tasks_fetched();
                (fetched.to_string(), fetched >= tasks)
            }
            Self::Recovery => {
                let recovery = &outcome.recovery;
                let [again, told] =
                    [&recovery.ran_again, &recovery.told].map(|times| longest(times));
                let some = !recovery.ran_again.is_empty() && !recovery.told.is_empty();
                let is_enough = some && again.max(told) <= lease + AFTER_LEASE;
                (format!("{again:.2?}, {told:.2?}"), is_enough)
            }
            Self::Delay(most) => {
                let delays = outcome.delays(false);
                let p99 = delays.per_mille(990);
                let some = delays.longest() > Duration::ZERO;
                (format!("{p99:.2?}"), some && p99 <= most)
            }
        };
        Reached {
            figure: self,
            seen,
            is_enough,
        }
    }
}

fn longest(times: &[Duration]) -> Duration {
    Spread::of(times.to_vec()).longest()
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFlight(calls) => write!(f, "{calls} calls in flight"),
            Self::Faults(faults) => write!(f, "{faults} faults"),
            Self::Tasks(tasks) => write!(f, "{tasks} tasks whose end was fetched"),
            Self::Recovery => write!(f, "ran again, or told, a lease and a second after its loss"),
            Self::Delay(most) => write!(f, "p99 of the delay at most {most:?}"),
        }
    }
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = match self.is_enough {
            true => "reached",
            false => "MISSED",
        };
        write!(f, "{said}: {} ({})", self.figure, self.seen)
    }
}
