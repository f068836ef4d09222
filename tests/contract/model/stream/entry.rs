//! The steps that workers take with the queue entry.

use super::{Entry, Hold, Lease, Log, State, Stream};
use crate::bus::{Answer, Flaw, Outcome, Token, Worker};

impl Stream {
    pub(super) fn enqueue(&mut self) -> Answer {
        self.entry = Entry::Waiting;
        Answer::Done
    }

    pub(super) fn claim(&mut self, worker: Worker) -> Answer {
        match self.entry {
            Entry::Waiting => self.deliver(worker, 1),
            _ => Answer::NothingToClaim,
        }
    }

    pub(super) fn reclaim(&mut self, worker: Worker, flaw: Option<Flaw>) -> Answer {
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
        let of = Token {
            worker,
            delivery,
            round: self.round,
        };
        let hold = Hold::Held;
        self.entry = Entry::Pending(Lease { of, hold });
        let cancelled = self.state() == Some(State::Cancelled);
        Answer::claimed(delivery, cancelled)
    }

    /// What a worker was given and has not received, if it is still its own.
    pub(super) fn give_again(&mut self, of: Token) -> Answer {
        match self.lease() {
            Some(lease) if lease.of == of && lease.hold != Hold::HandedBack => {
                self.deliver(of.worker, of.delivery)
            }
            _ => Answer::NothingToClaim,
        }
    }

    /// A request that was asked for without an answer: it is there, was there, or is never begun.
    pub(super) fn find_or_withdraw(&mut self) -> Answer {
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

    pub(super) fn renew(&mut self, worker: Worker) -> Answer {
        self.change_lease(worker, |lease| lease.hold = Hold::Held)
    }

    pub(super) fn hand_back(&mut self, worker: Worker, begun: bool, flaw: Option<Flaw>) -> Answer {
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

    pub(super) fn end_lease(&mut self) -> Answer {
        if let Entry::Pending(lease) = &mut self.entry
            && lease.hold == Hold::Held
        {
            lease.hold = Hold::Ended;
        }
        Answer::Done
    }

    pub(super) fn finish(
        &mut self,
        by: Token,
        earlier: u8,
        last: Option<u8>,
        flaw: Option<Flaw>,
    ) -> Outcome {
        let outcome = match last {
            Some(offset) => self.log_final_event(by, earlier, offset, flaw),
            None => self.may_remove(by).into(),
        };
        let stays = match outcome.answer {
            Answer::Lost => flaw != Some(Flaw::LostFinishRemoves),
            Answer::Done => last.is_none() && flaw == Some(Flaw::SilentFinishLeaves),
            _ => flaw == Some(Flaw::RefusedFinishLeaves),
        };
        if !stays && by.round == self.round {
            self.remove_entry();
        }
        outcome
    }

    /// A task waits for its client; its log stays.
    pub(super) fn leave_queue(&mut self) {
        self.entry = Entry::Gone;
    }

    fn may_remove(&self, by: Token) -> Answer {
        match self.lease() {
            _ if by.round != self.round => Answer::Finished,
            Some(lease) if lease.of != by => Answer::Lost,
            _ => Answer::Done,
        }
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

    pub(super) fn dead_letter(&mut self, by: Token, flaw: Option<Flaw>) -> Outcome {
        let is_present = by.round == self.round;
        let is_anothers = |lease: Lease| is_present && lease.of.delivery != by.delivery;
        let may = !self.lease().is_some_and(is_anothers);
        if may && is_present {
            self.remove_entry();
        }
        let twice = flaw == Some(Flaw::DeadLettersAreNotedTwice);
        let is_noted = self.noted.contains(&by.round);
        let dead_letter = may && (!is_noted || twice);
        self.noted.extend((may && !is_noted).then_some(by.round));
        Outcome {
            dead_letter,
            ..Answer::Done.into()
        }
    }

    /// Who runs the call, also when its lease has ended.
    pub(super) fn leased_to(&self) -> Option<Worker> {
        let lease = self.lease()?;
        (lease.hold != Hold::HandedBack).then_some(lease.of.worker)
    }
}
