//! What the steps of the bus do to one stream: a function for each script, which `bus::Step` names.
//!
//! Bounds and mailboxes are left out; nothing here depends on them.

mod entry;
mod log;

use crate::bus::{Flaw, Outcome, Step, Token};

/// One stream: its queue entry and its log. `Default`: nobody has asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stream {
    entry: Entry,
    /// Which entry it is: a task that waited for its client has another one.
    round: u8,
    log: Option<Log>,
    /// The rounds whose entries were noted as dead.
    noted: Vec<u8>,
}

/// The queue entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
enum Entry {
    #[default]
    Absent,
    Waiting,
    Pending(Lease),
    Gone,
}

/// Whose the entry is, as `XPENDING` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Lease {
    pub(crate) of: Token,
    hold: Hold,
}

/// How firmly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Hold {
    Held,
    Ended,
    HandedBack,
}

/// The log of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    pub(crate) state: State,
    pub(crate) newest: u8,
    owner: Option<Token>,
    /// A mark made before anybody knew the entry names no holder.
    has_holder: bool,
    /// It is among the unfinished streams: `release.lua` leaves it alone, and it is kept for long.
    is_unfinished: bool,
    is_task: bool,
    /// The task waits for its client.
    is_asking: bool,
    /// Which entry's it is.
    round: u8,
    /// Who let the task wait last.
    parked_by: Option<Token>,
    /// Nobody writes until somebody takes it over.
    is_locked: bool,
}

/// Whether more is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum State {
    Open,
    Finished,
    Cancelled,
}

// === impl Stream ===

impl Stream {
    /// Takes one step.
    pub(crate) fn take(&mut self, step: Step, flaw: Option<Flaw>) -> Outcome {
        match step {
            Step::Enqueue => self.enqueue().into(),
            Step::Claim(worker) => self.claim(worker).into(),
            Step::Reclaim(worker) => self.reclaim(worker, flaw).into(),
            Step::Unreceived(worker) => {
                let (delivery, round) = (1, self.round);
                let of = Token {
                    worker,
                    delivery,
                    round,
                };
                self.give_again(of).into()
            }
            Step::ReclaimAgain(of) => self.give_again(of).into(),
            Step::FindOrWithdraw => self.find_or_withdraw().into(),
            Step::Renew(worker) => self.renew(worker).into(),
            Step::HandBack { worker, begun } => self.hand_back(worker, begun, flaw).into(),
            Step::OpenLog => self.open_log().into(),
            Step::Append { by, first, last } => self.append(by, first, last, flaw),
            Step::TakeOver(by) => self.take_over(by, flaw).into(),
            Step::Finish { by, earlier, last } => self.finish(by, earlier, last, flaw),
            Step::DeadLetter(by) => self.dead_letter(by, flaw),
            Step::Cancel { knows_entry } => self.cancel(knows_entry, flaw),
            Step::Abandon { knows_entry } => self.abandon(knows_entry, flaw),
            Step::Promote { by, offset } => self.promote(by, offset, flaw),
            Step::Park(by) => self.park(by).into(),
            Step::Answer => self.answer().into(),
            Step::Release => self.release(flaw).into(),
            Step::LeaseEnds => self.end_lease().into(),
            Step::LogExpires => self.expire(flaw).into(),
            Step::TaskExpires => self.expire_task(flaw).into(),
        }
    }

    /// Whether the entry is in the queue.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(self.entry, Entry::Waiting | Entry::Pending(_))
    }

    /// Which entry it has.
    pub(crate) fn round(&self) -> u8 {
        self.round
    }

    /// Whose the entry is.
    pub(crate) fn lease(&self) -> Option<Lease> {
        match self.entry {
            Entry::Pending(lease) => Some(lease),
            _ => None,
        }
    }

    /// The log, if there is one.
    pub(crate) fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// Whether it is a task that waits for its client.
    pub(crate) fn is_asking(&self) -> bool {
        self.log.is_some_and(|log| log.is_asking)
    }

    /// Whether it is a task that has ended, and how.
    pub(crate) fn end_of_task(&self) -> Option<State> {
        let log = self.log.filter(|log| log.is_task)?;
        Some(log.state).filter(|state| *state != State::Open)
    }

    fn state(&self) -> Option<State> {
        self.log.map(|log| log.state)
    }
}
