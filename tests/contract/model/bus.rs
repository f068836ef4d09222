//! What the bus is asked and what it answers, as the model has it.

use std::fmt;

/// A worker, by number.
pub(crate) type Worker = u8;

/// The fencing token: worker and delivery, and of which entry, since a task that waited for its client has another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token {
    pub(crate) worker: Worker,
    pub(crate) delivery: u8,
    pub(crate) round: u8,
}

/// A step of the bus on one stream, and the script that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// `XADD`
    Enqueue,
    /// `XREADGROUP`
    Claim(Worker),
    /// `reclaim.lua`
    Reclaim(Worker),
    /// `unreceived.lua`: what a read handed out whose answer was lost
    Unreceived(Worker),
    /// `reclaim.lua`, asked again since its answer was lost
    ReclaimAgain(Token),
    /// `find_or_withdraw.lua`
    FindOrWithdraw,
    /// `renew.lua`
    Renew(Worker),
    /// `hand_back.lua`
    HandBack { worker: Worker, begun: bool },
    /// `open_log.lua`
    OpenLog,
    /// `append_events.lua`, with all events from one offset to another
    Append { by: Token, first: u8, last: u8 },
    /// `take_over.lua`
    TakeOver(Token),
    /// `finish.lua`, with the offset of the final event if there is one, and so many events right before it
    Finish {
        by: Token,
        earlier: u8,
        last: Option<u8>,
    },
    /// `dead_letter.lua`
    DeadLetter(Token),
    /// `cancel_call.lua`
    Cancel { knows_entry: bool },
    /// `cancel_call.lua`, for a client that is gone
    Abandon { knows_entry: bool },
    /// `promote.lua`, with the offset of the response that names the task
    Promote { by: Token, offset: u8 },
    /// `park.lua`
    Park(Token),
    /// `answer.lua`, with all that the task waits for
    Answer,
    /// `release.lua`
    Release,
    /// Time passes: nobody renewed the lease.
    LeaseEnds,
    /// Time passes: a log to which nothing will be added came to the end of its retention.
    LogExpires,
    /// Much time passes: nobody can ask for the task any more.
    TaskExpires,
}

/// What the caller is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    NothingToClaim,
    Claimed { delivery: u8, cancelled: bool },
    Taken { newest: u8 },
    Lost,
    Cancelled,
    Finished,
}

/// What is published to the stream's holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) offset: u8,
}

/// What an event means for its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    Final,
    Task,
    Cancelled,
}

/// Everything that a step makes known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    /// To the holder, as the last one.
    pub(crate) news: Option<Event>,
    /// Messages that are published to it right before.
    pub(crate) before: u8,
    /// The worker that is told of a cancel.
    pub(crate) woken: Option<Worker>,
    /// A dead letter was noted.
    pub(crate) dead_letter: bool,
}

/// A mistake planted in the model, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    AppendLetsAnybodyIn,
    FinishLetsAnybodyIn,
    TakeOverWithoutLease,
    AppendOverlooksMarks,
    FinishOverlooksMarks,
    SilentCallsAreForgotten,
    ReleaseForgetsMarks,
    LogsAreMadeTwice,
    LostFinishRemoves,
    SilentFinishLeaves,
    HandedBackIsNotReclaimed,
    FinishedLogsAreReopened,
    RefusedFinishLeaves,
    UnbegunCallsAreCounted,
    DeadLettersAreNotedTwice,
    RepeatedEventsAreToldAgain,
    PromoteLetsAnybodyIn,
    PromoteOverlooksMarks,
    TasksAreAbandoned,
    StragglersWriteToTheNextRound,
    TasksExpireWhileTheyRun,
}

/// A mistake of those who use the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slip {
    /// What a lost answer handed out is left to its lease.
    LostClaimsAreForgotten,
    /// A request whose queueing had no answer is refused, whatever became of it.
    LostRequestsAreForgotten,
}

// === impl Token ===

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            worker,
            delivery,
            round,
        } = self;
        write!(f, "{worker}:{delivery}.{round}")
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn claimed(delivery: u8, cancelled: bool) -> Self {
        Self::Claimed {
            delivery,
            cancelled,
        }
    }

    /// Delivery, and whether the call was cancelled.
    pub(crate) fn claim(self) -> Option<(u8, bool)> {
        match self {
            Self::Claimed {
                delivery,
                cancelled,
            } => Some((delivery, cancelled)),
            _ => None,
        }
    }

    pub(crate) fn taken(newest: u8) -> Self {
        Self::Taken { newest }
    }
}

// === impl Outcome ===

impl From<Answer> for Outcome {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            news: None,
            before: 0,
            woken: None,
            dead_letter: false,
        }
    }
}

impl Outcome {
    /// All events from `first` to `offset`, of which the last one is of this kind.
    pub(crate) fn published(kind: Kind, first: u8, offset: u8) -> Self {
        Self {
            news: Some(Event { kind, offset }),
            before: offset - first,
            ..Self::from(Answer::Done)
        }
    }

    /// Everything that is published, in order.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> {
        let kind = Kind::Message;
        let news = self.news.into_iter();
        let before = self.before;
        news.flat_map(move |last| {
            let earlier = last.offset - before..last.offset;
            let earlier = earlier.map(move |offset| Event { kind, offset });
            earlier.chain([last])
        })
    }
}

// === impl Flaw ===

impl Flaw {
    pub(crate) const ALL: [Self; 21] = [
        Self::AppendLetsAnybodyIn,
        Self::FinishLetsAnybodyIn,
        Self::TakeOverWithoutLease,
        Self::AppendOverlooksMarks,
        Self::FinishOverlooksMarks,
        Self::SilentCallsAreForgotten,
        Self::ReleaseForgetsMarks,
        Self::LogsAreMadeTwice,
        Self::LostFinishRemoves,
        Self::SilentFinishLeaves,
        Self::HandedBackIsNotReclaimed,
        Self::FinishedLogsAreReopened,
        Self::RefusedFinishLeaves,
        Self::UnbegunCallsAreCounted,
        Self::DeadLettersAreNotedTwice,
        Self::RepeatedEventsAreToldAgain,
        Self::PromoteLetsAnybodyIn,
        Self::PromoteOverlooksMarks,
        Self::TasksAreAbandoned,
        Self::StragglersWriteToTheNextRound,
        Self::TasksExpireWhileTheyRun,
    ];
}
