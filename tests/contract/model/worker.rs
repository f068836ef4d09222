//! What a worker does with the call it has (`processor`, `reclaimer`, `call`, `event_writer`, `finisher`).

use crate::bus::{Answer, Step, Token, Worker};

/// Events of a call before its final one, at most.
const MOST_EVENTS: u8 = 1;

/// Where a worker is with its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Work {
    /// It has none.
    Idle,
    /// A read, or a reclaim, handed something out, and its answer was lost: it is asked for.
    OwedRead {
        worker: Worker,
        round: u8,
    },
    OwedReclaim(Token),
    /// Begun next, or turned away for want of room.
    Claimed {
        by: Token,
        cancelled: bool,
    },
    /// A redelivered call is taken over first.
    TakingOver(Token),
    /// The handler runs; the next event has this offset.
    Running {
        by: Token,
        next: u8,
    },
    /// It makes a task of its call.
    Promoting {
        by: Token,
        next: u8,
    },
    /// Its call is a task, which says nothing but its end, or that it waits for its client.
    RunningTask {
        by: Token,
        next: u8,
    },
    Parking(Token),
    /// The end is on its way: with its final event and so many that were not written before, or without a word when
    /// the call was cancelled.
    Finishing {
        by: Token,
        earlier: u8,
        last: Option<u8>,
    },
    /// A call that had its attempts is answered, becomes a dead letter, and is answered once more.
    GivingUp {
        by: Token,
        last: u8,
    },
    DeadLettering {
        by: Token,
        last: u8,
    },
    /// It handed everything back and ends.
    Stopped,
}

impl Work {
    /// The token under which it has a call.
    pub(crate) fn token(self) -> Option<Token> {
        match self {
            Self::Idle | Self::Stopped => None,
            Self::OwedRead { worker, round } => Some(Token {
                worker,
                delivery: 1,
                round,
            }),
            Self::OwedReclaim(by)
            | Self::Claimed { by, .. }
            | Self::TakingOver(by)
            | Self::Running { by, .. }
            | Self::Promoting { by, .. }
            | Self::RunningTask { by, .. }
            | Self::Parking(by)
            | Self::Finishing { by, .. }
            | Self::GivingUp { by, .. }
            | Self::DeadLettering { by, .. } => Some(by),
        }
    }

    /// Whether its handler may have been begun.
    pub(crate) fn is_begun(self) -> bool {
        !matches!(self, Self::Claimed { .. } | Self::TakingOver(_)) && !self.is_owed()
    }

    /// Whether it was given what it does not know of.
    pub(crate) fn is_owed(self) -> bool {
        matches!(self, Self::OwedRead { .. } | Self::OwedReclaim(_))
    }

    /// Whether a cancel can stop it: what is on its way to its end goes on.
    pub(crate) fn can_be_stopped(self) -> bool {
        matches!(
            self,
            Self::Claimed { .. }
                | Self::TakingOver(_)
                | Self::Running { .. }
                | Self::Promoting { .. }
                | Self::RunningTask { .. }
                | Self::Parking(_)
        )
    }

    /// Whether it can end with an answer.
    pub(crate) fn can_answer(self) -> bool {
        matches!(self, Self::Running { .. } | Self::RunningTask { .. })
    }

    /// Whether its call can become a task.
    pub(crate) fn can_promote(self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// Whether it can ask its client and leave its worker.
    pub(crate) fn can_ask(self) -> bool {
        matches!(self, Self::RunningTask { .. })
    }

    /// Whether an event can go along with the answer.
    pub(crate) fn can_send_more(self) -> bool {
        matches!(self, Self::Running { next, .. } if next <= MOST_EVENTS)
    }

    /// The step of the bus that it does next; `None`: there is nothing to do, or it waits for the handler.
    pub(crate) fn step(self) -> Option<Step> {
        match self {
            Self::Idle | Self::Stopped | Self::Claimed { .. } | Self::RunningTask { .. } => None,
            Self::Promoting { by, next } => Some(Step::Promote { by, offset: next }),
            Self::Parking(by) => Some(Step::Park(by)),
            Self::OwedRead { worker, .. } => Some(Step::Unreceived(worker)),
            Self::OwedReclaim(by) => Some(Step::ReclaimAgain(by)),
            Self::TakingOver(by) => Some(Step::TakeOver(by)),
            Self::Running { next, .. } if next > MOST_EVENTS => None,
            Self::Running { by, next } => Some(Step::Append {
                by,
                first: next,
                last: next,
            }),
            Self::Finishing { by, earlier, last } => Some(Step::Finish { by, earlier, last }),
            Self::GivingUp { by, last } => Some(Step::Finish {
                by,
                earlier: 0,
                last: Some(last),
            }),
            Self::DeadLettering { by, .. } => Some(Step::DeadLetter(by)),
        }
    }

    /// A claim is taken up.
    pub(crate) fn begun(self) -> Self {
        match self {
            Self::Claimed {
                by,
                cancelled: true,
            } => Self::cancelling(by),
            Self::Claimed { by, .. } if by.delivery > 1 || by.round > 0 => Self::TakingOver(by),
            Self::Claimed { by, .. } => Self::Running { by, next: 1 },
            other => other,
        }
    }

    /// The handler answers; `along`: an event that it sent before goes with the answer.
    pub(crate) fn answered(self, along: bool) -> Self {
        match self {
            Self::Running { by, next } | Self::RunningTask { by, next } => Self::Finishing {
                by,
                earlier: along.into(),
                last: Some(next + u8::from(along)),
            },
            other => other,
        }
    }

    /// Its time as a plain call is over.
    pub(crate) fn promoting(self) -> Self {
        match self {
            Self::Running { by, next } => Self::Promoting { by, next },
            other => other,
        }
    }

    /// The handler asks its client.
    pub(crate) fn asking(self) -> Self {
        match self {
            Self::RunningTask { by, .. } => Self::Parking(by),
            other => other,
        }
    }

    fn cancelling(by: Token) -> Self {
        Self::Finishing {
            by,
            earlier: 0,
            last: None,
        }
    }

    /// A wake-up says that the call was cancelled.
    pub(crate) fn cancelled(self) -> Self {
        match self.token() {
            Some(by) if self.can_be_stopped() => Self::cancelling(by),
            _ => self,
        }
    }

    /// After the answer to [`Work::step`].
    pub(crate) fn after(self, answer: Answer, attempts: u8, is_task: bool) -> Self {
        match (self, answer) {
            (Self::TakingOver(by), Answer::Taken { newest }) => {
                let next = newest + 1;
                if by.delivery > attempts {
                    Self::GivingUp { by, last: next }
                } else if is_task {
                    Self::RunningTask { by, next }
                } else {
                    Self::Running { by, next }
                }
            }
            (Self::TakingOver(by), Answer::Cancelled | Answer::Finished)
            | (
                Self::Running { by, .. } | Self::Promoting { by, .. } | Self::Parking(by),
                Answer::Cancelled,
            ) => Self::cancelling(by),
            (Self::Promoting { by, next }, Answer::Done) => {
                Self::RunningTask { by, next: next + 1 }
            }
            (Self::Running { by, next }, Answer::Done) => Self::Running { by, next: next + 1 },
            (Self::GivingUp { by, last }, Answer::Done | Answer::Cancelled | Answer::Finished) => {
                Self::DeadLettering { by, last }
            }
            (Self::DeadLettering { by, last }, _) => Self::Finishing {
                by,
                earlier: 0,
                last: Some(last),
            },
            _ => Self::Idle,
        }
    }
}
