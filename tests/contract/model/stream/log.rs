//! The steps that write to the log, mark it or remove it.

use super::{Log, State, Stream};
use crate::bus::{Answer, Event, Flaw, Kind, Outcome, Token};

// === impl Stream ===

impl Stream {
    pub(super) fn open_log(&mut self) -> Answer {
        self.log.get_or_insert(Log::open(None, 0));
        Answer::Done
    }

    pub(super) fn append(&mut self, by: Token, first: u8, last: u8, flaw: Option<Flaw>) -> Outcome {
        let Some(log) = &mut self.log else {
            if by.delivery != 1 || first != 1 || self.lease().is_none() {
                return Answer::Lost.into();
            }
            self.log = Some(Log::open(Some(by), last));
            return Outcome::published(Kind::Message, 1, last);
        };
        if log.is_of_another(by, flaw) {
            return Answer::Finished.into();
        }
        if log.state == State::Cancelled && flaw != Some(Flaw::AppendOverlooksMarks) {
            return Answer::Cancelled.into();
        }
        if !log.admits(by) && flaw != Some(Flaw::AppendLetsAnybodyIn) {
            return Answer::Lost.into();
        }
        if last <= log.newest {
            return Answer::Done.into();
        }
        if log.state == State::Finished && flaw != Some(Flaw::FinishedLogsAreReopened) {
            return Answer::Finished.into();
        }
        let first = log.first_new(first, flaw);
        log.owner = Some(by);
        log.newest = last;
        log.tell(Outcome::published(Kind::Message, first, last))
    }

    pub(super) fn take_over(&mut self, by: Token, flaw: Option<Flaw>) -> Answer {
        if self.log.is_some_and(|log| log.is_of_another(by, flaw)) {
            return Answer::Finished;
        }
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
        log.is_locked = false;
        Answer::taken(log.newest)
    }

    pub(super) fn log_final_event(
        &mut self,
        by: Token,
        earlier: u8,
        offset: u8,
        flaw: Option<Flaw>,
    ) -> Outcome {
        let first = offset - earlier;
        let is_queued = self.is_queued() || flaw == Some(Flaw::LogsAreMadeTwice);
        let Some(log) = &mut self.log else {
            if by.delivery != 1 || first != 1 || !is_queued {
                return Answer::Lost.into();
            }
            self.log = Some(Log::open(Some(by), offset).finished());
            return Outcome::published(Kind::Final, 1, offset);
        };
        if log.is_of_another(by, flaw) {
            return Answer::Finished.into();
        }
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
        let first = log.first_new(first, flaw).min(offset);
        log.owner = Some(by);
        log.newest = offset;
        *log = log.finished();
        log.tell(Outcome::published(Kind::Final, first, offset))
    }

    pub(super) fn cancel(&mut self, knows_entry: bool, flaw: Option<Flaw>) -> Outcome {
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
            is_asking: false,
            is_unfinished: log.is_unfinished && (!knows_entry || is_queued),
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
                log.owner
                    .filter(|_| !log.is_locked)
                    .map(|owner| owner.worker)
            },
            ..Answer::Done.into()
        }
    }

    pub(super) fn abandon(&mut self, knows_entry: bool, flaw: Option<Flaw>) -> Outcome {
        let is_task = self.log.is_some_and(|log| log.is_task);
        match is_task && flaw != Some(Flaw::TasksAreAbandoned) {
            true => Answer::Done.into(),
            false => self.cancel(knows_entry, flaw),
        }
    }

    pub(super) fn promote(&mut self, by: Token, offset: u8, flaw: Option<Flaw>) -> Outcome {
        let is_leased = self.lease().is_some();
        let log = match &mut self.log {
            Some(log) => log,
            None if by.delivery != 1 || offset != 1 || !is_leased => return Answer::Lost.into(),
            none => none.insert(Log::open(Some(by), 0)),
        };
        if log.is_of_another(by, flaw) {
            return Answer::Finished.into();
        }
        if log.state == State::Cancelled && flaw != Some(Flaw::PromoteOverlooksMarks) {
            return Answer::Cancelled.into();
        }
        if !log.admits(by) && flaw != Some(Flaw::PromoteLetsAnybodyIn) {
            return Answer::Lost.into();
        }
        if log.is_task {
            return Answer::Done.into();
        }
        if log.state == State::Finished {
            return Answer::Finished.into();
        }
        let named = log.tell(Outcome::published(Kind::Task, offset, offset));
        *log = Log {
            owner: Some(by),
            newest: offset,
            has_holder: false,
            is_task: true,
            ..*log
        };
        named
    }

    pub(super) fn park(&mut self, by: Token) -> Answer {
        let is_queued = self.is_queued();
        let Some(log) = &mut self.log else {
            return Answer::Lost;
        };
        if log.parked_by == Some(by) {
            return Answer::Done;
        }
        if log.round != by.round {
            return Answer::Finished;
        }
        match log.state {
            State::Cancelled => return Answer::Cancelled,
            _ if !log.is_task || log.is_locked || log.owner != Some(by) => return Answer::Lost,
            State::Finished => return Answer::Finished,
            State::Open if !is_queued => return Answer::Lost,
            State::Open => {}
        }
        *log = Log {
            is_asking: true,
            is_unfinished: false,
            is_locked: true,
            parked_by: Some(by),
            ..*log
        };
        self.leave_queue();
        Answer::Done
    }

    pub(super) fn answer(&mut self) -> Answer {
        if let Some(log) = self.log.as_mut().filter(|log| log.is_asking) {
            self.round += 1;
            (log.round, log.is_asking, log.is_unfinished) = (self.round, false, true);
            self.enqueue();
        }
        Answer::Done
    }

    pub(super) fn release(&mut self, flaw: Option<Flaw>) -> Answer {
        let forgets = flaw == Some(Flaw::ReleaseForgetsMarks);
        let stays = |log: &Log| log.is_unfinished && !(forgets && log.state == State::Cancelled);
        self.log = self.log.filter(stays);
        Answer::Done
    }

    /// One that waits for more is kept for so long that its end is not looked at.
    pub(super) fn expire(&mut self, flaw: Option<Flaw>) -> Answer {
        if flaw == Some(Flaw::TasksExpireWhileTheyRun) {
            self.expire_task(flaw);
        }
        // A task is kept for as long as its client was told, which is longer than any retention.
        self.log = self.log.filter(|log| log.is_unfinished || log.is_task);
        Answer::Done
    }

    /// A task that has not ended is kept for as long as its request may begin: whoever has it then refuses it, or it
    /// is ended because it waited for too long.
    pub(super) fn expire_task(&mut self, flaw: Option<Flaw>) -> Answer {
        let forgets = flaw == Some(Flaw::TasksExpireWhileTheyRun);
        let stays = |log: &Log| !log.is_task || (log.has_to_end() && !forgets);
        self.log = self.log.filter(stays);
        Answer::Done
    }
}

// === impl Log ===

impl Log {
    pub(super) fn open(owner: Option<Token>, newest: u8) -> Self {
        Self {
            state: State::Open,
            newest,
            owner,
            has_holder: true,
            is_unfinished: true,
            is_task: false,
            is_asking: false,
            round: owner.map_or(0, |owner| owner.round),
            parked_by: None,
            is_locked: false,
        }
    }

    fn finished(self) -> Self {
        Self {
            state: State::Finished,
            is_unfinished: false,
            ..self
        }
    }

    /// Of events that begin with this offset, the first one that is not in the log.
    fn first_new(&self, first: u8, flaw: Option<Flaw>) -> u8 {
        match flaw {
            Some(Flaw::RepeatedEventsAreToldAgain) => first,
            _ => first.max(self.newest + 1),
        }
    }

    /// The owner, and while there is none the first delivery.
    fn admits(&self, by: Token) -> bool {
        !self.is_locked && self.owner.map_or(by.delivery == 1, |owner| owner == by)
    }

    /// Whether it is another entry's.
    fn is_of_another(&self, by: Token, flaw: Option<Flaw>) -> bool {
        self.round != by.round && flaw != Some(Flaw::StragglersWriteToTheNextRound)
    }

    /// Nobody waits for what a task says.
    fn tell(&self, said: Outcome) -> Outcome {
        match self.has_holder {
            true => said,
            false => said.answer.into(),
        }
    }

    pub(crate) fn is_task(&self) -> bool {
        self.is_task
    }

    /// Whether something is to happen to it yet.
    fn has_to_end(&self) -> bool {
        self.is_unfinished || self.is_asking
    }

    /// Cancelled before anybody knew the entry: neither holder nor worker has been told.
    fn is_bare_mark(&self) -> bool {
        self.state == State::Cancelled && !self.has_holder && !self.is_task
    }
}
