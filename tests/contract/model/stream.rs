//! What the steps of the bus do to one stream: a function for each script, which `bus::Step` names.
//!
//! Bounds and mailboxes are left out; nothing here depends on them.

use crate::bus::{Answer, Event, Flaw, Kind, Outcome, Step, Token, Worker};

/// One stream: its queue entry and its log. `Default`: nobody has asked for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Stream {
    entry: Entry,
    log: Option<Log>,
    is_noted: bool,
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
                let delivery = 1;
                self.give_again(Token { worker, delivery }).into()
            }
            Step::ReclaimAgain(of) => self.give_again(of).into(),
            Step::FindOrWithdraw => self.find_or_withdraw().into(),
            Step::Renew(worker) => self.renew(worker).into(),
            Step::HandBack { worker, begun } => self.hand_back(worker, begun, flaw).into(),
            Step::OpenLog => self.open_log().into(),
            Step::Append { by, offset } => self.append(by, offset, flaw),
            Step::TakeOver(by) => self.take_over(by, flaw).into(),
            Step::Finish { by, last } => self.finish(by, last, flaw),
            Step::DeadLetter(by) => self.dead_letter(by, flaw),
            Step::Cancel { knows_entry } => self.cancel(knows_entry, flaw),
            Step::Release => self.release(flaw).into(),
            Step::LeaseEnds => self.end_lease().into(),
            Step::LogExpires => self.expire().into(),
        }
    }

    /// Whether the entry is in the queue.
    pub(crate) fn is_queued(&self) -> bool {
        matches!(self.entry, Entry::Waiting | Entry::Pending(_))
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

    fn state(&self) -> Option<State> {
        self.log.map(|log| log.state)
    }

    fn enqueue(&mut self) -> Answer {
        self.entry = Entry::Waiting;
        Answer::Done
    }

    fn claim(&mut self, worker: Worker) -> Answer {
        match self.entry {
            Entry::Waiting => self.deliver(worker, 1),
            _ => Answer::NothingToClaim,
        }
    }

    fn reclaim(&mut self, worker: Worker, flaw: Option<Flaw>) -> Answer {
        let held = if flaw == Some(Flaw::HandedBackIsNotReclaimed) {
            [Hold::Held, Hold::HandedBack].as_slice()
        } else {
            &[Hold::Held]
        };
        match self.lease() {
            Some(lease) if !held.contains(&lease.hold) => {
                self.deliver(worker, lease.of.delivery + 1)
            }
            _ => Answer::NothingToClaim,
        }
    }

    fn deliver(&mut self, worker: Worker, delivery: u8) -> Answer {
        let of = Token { worker, delivery };
        let hold = Hold::Held;
        self.entry = Entry::Pending(Lease { of, hold });
        let cancelled = self.state() == Some(State::Cancelled);
        Answer::claimed(delivery, cancelled)
    }

    /// What a worker was given and has not received, if it is still its own.
    fn give_again(&mut self, of: Token) -> Answer {
        match self.lease() {
            Some(lease) if lease.of == of && lease.hold != Hold::HandedBack => {
                self.deliver(of.worker, of.delivery)
            }
            _ => Answer::NothingToClaim,
        }
    }

    /// A request that was asked for without an answer: it is there, was there, or is never begun.
    fn find_or_withdraw(&mut self) -> Answer {
        match self.state() {
            None if !self.is_queued() => {
                self.log = Some(Log {
                    state: State::Cancelled,
                    has_holder: false,
                    ..Log::open(None, 0)
                });
                Answer::Cancelled
            }
            _ => Answer::Done,
        }
    }

    fn renew(&mut self, worker: Worker) -> Answer {
        self.change_lease(worker, |lease| lease.hold = Hold::Held)
    }

    fn hand_back(&mut self, worker: Worker, begun: bool, flaw: Option<Flaw>) -> Answer {
        self.change_lease(worker, |lease| {
            lease.hold = Hold::HandedBack;
            if !begun && flaw != Some(Flaw::UnbegunCallsAreCounted) {
                lease.of.delivery = lease.of.delivery.saturating_sub(1);
            }
        })
    }

    fn change_lease(&mut self, worker: Worker, change: impl FnOnce(&mut Lease)) -> Answer {
        if let Entry::Pending(lease) = &mut self.entry
            && lease.of.worker == worker
            && lease.hold != Hold::HandedBack
        {
            change(lease);
        }
        Answer::Done
    }

    fn end_lease(&mut self) -> Answer {
        if let Entry::Pending(lease) = &mut self.entry
            && lease.hold == Hold::Held
        {
            lease.hold = Hold::Ended;
        }
        Answer::Done
    }

    fn open_log(&mut self) -> Answer {
        self.log.get_or_insert(Log::open(None, 0));
        Answer::Done
    }

    fn append(&mut self, by: Token, offset: u8, flaw: Option<Flaw>) -> Outcome {
        let Some(log) = &mut self.log else {
            if by.delivery != 1 || offset != 1 || self.lease().is_none() {
                return Answer::Lost.into();
            }
            self.log = Some(Log::open(Some(by), 1));
            return Outcome::published(Kind::Message, 1);
        };
        if log.state == State::Cancelled && flaw != Some(Flaw::AppendOverlooksMarks) {
            return Answer::Cancelled.into();
        }
        if !log.admits(by) && flaw != Some(Flaw::AppendLetsAnybodyIn) {
            return Answer::Lost.into();
        }
        if offset <= log.newest {
            return Answer::Done.into();
        }
        if log.state == State::Finished && flaw != Some(Flaw::FinishedLogsAreReopened) {
            return Answer::Finished.into();
        }
        log.owner = Some(by);
        log.newest = offset;
        Outcome::published(Kind::Message, offset)
    }

    fn take_over(&mut self, by: Token, flaw: Option<Flaw>) -> Answer {
        match self.state() {
            Some(State::Cancelled) => return Answer::Cancelled,
            Some(State::Finished) if flaw != Some(Flaw::FinishedLogsAreReopened) => {
                return Answer::Finished;
            }
            _ => {}
        }
        let holds = self.lease().is_some_and(|lease| lease.of == by);
        if !holds && flaw != Some(Flaw::TakeOverWithoutLease) {
            return Answer::Lost;
        }
        let log = self.log.get_or_insert(Log::open(None, 0));
        log.owner = Some(by);
        Answer::taken(log.newest)
    }

    fn finish(&mut self, by: Token, last: Option<u8>, flaw: Option<Flaw>) -> Outcome {
        let outcome = match last {
            Some(offset) => self.log_final_event(by, offset, flaw),
            None => self.may_remove(by).into(),
        };
        let stays = match outcome.answer {
            Answer::Lost => flaw != Some(Flaw::LostFinishRemoves),
            Answer::Done => last.is_none() && flaw == Some(Flaw::SilentFinishLeaves),
            _ => flaw == Some(Flaw::RefusedFinishLeaves),
        };
        if !stays {
            self.remove_entry();
        }
        outcome
    }

    fn may_remove(&self, by: Token) -> Answer {
        match self.lease() {
            Some(lease) if lease.of != by => Answer::Lost,
            _ => Answer::Done,
        }
    }

    fn log_final_event(&mut self, by: Token, offset: u8, flaw: Option<Flaw>) -> Outcome {
        let is_queued = self.is_queued() || flaw == Some(Flaw::LogsAreMadeTwice);
        let Some(log) = &mut self.log else {
            if by.delivery != 1 || offset != 1 || !is_queued {
                return Answer::Lost.into();
            }
            self.log = Some(Log::open(Some(by), 1).finished());
            return Outcome::published(Kind::Final, 1);
        };
        if log.state == State::Cancelled && flaw != Some(Flaw::FinishOverlooksMarks) {
            return Answer::Cancelled.into();
        }
        if !log.admits(by) && flaw != Some(Flaw::FinishLetsAnybodyIn) {
            return Answer::Lost.into();
        }
        if log.state == State::Finished {
            let repeated = offset == log.newest;
            return if repeated {
                Answer::Done
            } else {
                Answer::Finished
            }
            .into();
        }
        log.owner = Some(by);
        log.newest = offset;
        *log = log.finished();
        Outcome::published(Kind::Final, offset)
    }

    /// The log of a cancelled call was kept for the sake of its entry.
    fn remove_entry(&mut self) {
        self.entry = Entry::Gone;
        if let Some(log) = &mut self.log
            && log.state == State::Cancelled
        {
            log.is_unfinished = false;
        }
    }

    fn dead_letter(&mut self, by: Token, flaw: Option<Flaw>) -> Outcome {
        let is_anothers = |lease: Lease| lease.of.delivery != by.delivery;
        let may = !self.lease().is_some_and(is_anothers);
        if may {
            self.remove_entry();
        }
        let twice = flaw == Some(Flaw::DeadLettersAreNotedTwice);
        let dead_letter = may && (!self.is_noted || twice);
        self.is_noted |= may;
        Outcome {
            dead_letter,
            ..Answer::Done.into()
        }
    }

    fn cancel(&mut self, knows_entry: bool, flaw: Option<Flaw>) -> Outcome {
        let is_queued = self.is_queued();
        let log = self.log.filter(|log| !(knows_entry && log.is_bare_mark()));
        let forgets = flaw == Some(Flaw::SilentCallsAreForgotten);
        let log = match log {
            Some(log) if log.state != State::Open => return Answer::Done.into(),
            None if knows_entry && (!is_queued || forgets) => return Answer::Done.into(),
            Some(log) => log,
            None => Log {
                has_holder: knows_entry,
                ..Log::open(None, 0)
            },
        };
        self.log = Some(Log {
            state: State::Cancelled,
            is_unfinished: !knows_entry || is_queued,
            ..log
        });
        let told = Event {
            kind: Kind::Cancelled,
            offset: log.newest + 1,
        };
        Outcome {
            news: log.has_holder.then_some(told),
            woken: if knows_entry {
                self.leased_to()
            } else {
                log.owner.map(|owner| owner.worker)
            },
            ..Answer::Done.into()
        }
    }

    /// Who runs the call, also when its lease has ended.
    fn leased_to(&self) -> Option<Worker> {
        let lease = self.lease()?;
        (lease.hold != Hold::HandedBack).then_some(lease.of.worker)
    }

    fn release(&mut self, flaw: Option<Flaw>) -> Answer {
        let forgets = flaw == Some(Flaw::ReleaseForgetsMarks);
        let stays = |log: &Log| log.is_unfinished && !(forgets && log.state == State::Cancelled);
        self.log = self.log.filter(stays);
        Answer::Done
    }

    /// One that waits for more is kept for so long that its end is not looked at.
    fn expire(&mut self) -> Answer {
        self.log = self.log.filter(|log| log.is_unfinished);
        Answer::Done
    }
}

// === impl Log ===

impl Log {
    fn open(owner: Option<Token>, newest: u8) -> Self {
        Self {
            state: State::Open,
            newest,
            owner,
            has_holder: true,
            is_unfinished: true,
        }
    }

    fn finished(self) -> Self {
        Self {
            state: State::Finished,
            is_unfinished: false,
            ..self
        }
    }

    /// The owner, and while there is none the first delivery.
    fn admits(&self, by: Token) -> bool {
        self.owner.map_or(by.delivery == 1, |owner| owner == by)
    }

    /// Cancelled before anybody knew the entry: neither holder nor worker has been told.
    fn is_bare_mark(&self) -> bool {
        self.state == State::Cancelled && !self.has_holder
    }
}
