//! Workers, a client and the faults around one stream: what each of them may do next, and what must never happen.

use crate::bus::{Answer, Flaw, Outcome, Slip, Step, Token, Worker};
use crate::seen::Seen;
use crate::stream::{State, Stream};
use crate::worker::Work;

const WORKERS: usize = 2;

/// More than the faults of a plan explain: a call that is delivered so often goes round for ever.
const MOST_DELIVERIES: u8 = 8;

/// How often each fault may happen, and each cancel: what bounds the states.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// `--max-attempts`
    pub(crate) attempts: u8,
    /// Calls that are given up where they are: the worker died, or the bus was away for too long.
    pub(crate) crashes: u8,
    /// Leases that end while their worker is only slow.
    pub(crate) lapses: u8,
    /// Calls that a worker has no room for, or that it gives up because it stops.
    pub(crate) hand_backs: u8,
    pub(crate) cancels: u8,
    /// Steps whose answer is lost, so that they are done again.
    pub(crate) repeats: u8,
    /// Whether calls can become tasks.
    pub(crate) tasks: bool,
    /// How often a task waits for its client.
    pub(crate) rounds: u8,
    pub(crate) flaw: Option<Flaw>,
    pub(crate) slip: Option<Slip>,
}

/// The fleet around one stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fleet {
    stream: Stream,
    workers: [Work; WORKERS],
    /// Wake-ups on their way to a call that they can stop. Any of them may be lost: it is never heard.
    wake_ups: [bool; WORKERS],
    seen: Seen,
    happened: Happened,
    asked: bool,
    /// The gateway does not know whether the request was queued.
    in_doubt: bool,
}

/// How often each of the things that a plan bounds has happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Happened {
    crashes: u8,
    lapses: u8,
    hand_backs: u8,
    cancels: u8,
    repeats: u8,
    rounds: u8,
}

/// Something that happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// By a client, a gateway or time, or a worker that has no call.
    Bus(Step),
    /// The same, and whoever did it hears no answer.
    BusInVain(Step),
    /// The request never arrives at the bus, and its gateway cannot know.
    AskInVain,
    /// A worker takes up what it claimed.
    Begin(Worker),
    /// A worker does its next step.
    Work(Worker),
    /// A worker does its next step, hears no answer, and will do it once more.
    WorkInVain(Worker),
    /// The handler ends; `along`: with an event that was not written before.
    Answer { worker: Worker, along: bool },
    /// The call of a worker is to become a task.
    Promote(Worker),
    /// A task asks its client.
    Ask(Worker),
    /// A wake-up is heard.
    Hear(Worker),
    /// For want of room, or because the worker stops.
    HandBack { worker: Worker, begun: bool },
    /// The worker dies, or gives its call up.
    Crash(Worker),
}

impl Plan {
    pub(crate) fn slipping(self, slip: Slip) -> Self {
        Self {
            slip: Some(slip),
            ..self
        }
    }

    pub(crate) fn with(self, flaw: Flaw) -> Self {
        Self {
            flaw: Some(flaw),
            ..self
        }
    }
}

impl Fleet {
    pub(crate) fn new() -> Self {
        Self {
            stream: Stream::default(),
            workers: [Work::Idle; WORKERS],
            wake_ups: [false; WORKERS],
            seen: Seen::default(),
            happened: Happened::default(),
            asked: false,
            in_doubt: false,
        }
    }

    /// Whether an entry waits to be acknowledged.
    pub(crate) fn owes(&self) -> bool {
        self.stream.is_queued()
    }

    /// Everything that may happen next.
    pub(crate) fn moves(&self, plan: &Plan) -> Vec<Move> {
        let mut moves = Vec::new();
        let may_lose = self.happened.repeats < plan.repeats;
        if !self.asked {
            moves.push(Move::Bus(Step::Enqueue));
            if may_lose {
                moves.extend([Move::BusInVain(Step::Enqueue), Move::AskInVain]);
            }
        }
        if self.in_doubt {
            moves.push(Move::Bus(Step::FindOrWithdraw));
            moves.extend(may_lose.then_some(Move::BusInVain(Step::FindOrWithdraw)));
        }
        if self.happened.cancels < plan.cancels {
            let cancel = |knows_entry| Move::Bus(Step::Cancel { knows_entry });
            moves.push(cancel(false));
            moves.extend(self.asked.then(|| cancel(true)));
            if plan.tasks && self.asked {
                moves.push(Move::Bus(Step::Abandon { knows_entry: true }));
            }
        }
        if self.stream.is_asking() {
            moves.push(Move::Bus(Step::Answer));
            moves.extend(may_lose.then_some(Move::BusInVain(Step::Answer)));
        }
        if self.owes() && self.stream.log().is_none() {
            moves.push(Move::Bus(Step::OpenLog));
        }
        // A gateway that does not know whether it queued the request keeps its log.
        let may_release =
            !self.in_doubt && !self.seen.has_task && (self.seen.has_end || self.seen.has_cancelled);
        if may_release {
            // The end of its retention does the same to the log.
            moves.push(Move::Bus(Step::Release));
        }
        // No gateway is in doubt for so long.
        if !self.in_doubt && self.stream.log().is_some_and(|log| log.is_task()) {
            moves.push(Move::Bus(Step::TaskExpires));
        }
        let may_end = self.is_orphaned() || self.happened.lapses < plan.lapses;
        if may_end && self.stream.lease().is_some() {
            moves.push(Move::Bus(Step::LeaseEnds));
        }
        for worker in 0..WORKERS {
            self.moves_of(worker, plan, &mut moves);
        }
        moves
    }

    fn moves_of(&self, index: usize, plan: &Plan, moves: &mut Vec<Move>) {
        let (worker, work) = (index as Worker, self.workers[index]);
        match work {
            Work::Stopped => return,
            Work::Idle => {
                let may_lose = self.happened.repeats < plan.repeats;
                let mut hand_out = |step| {
                    moves.push(Move::Bus(step));
                    moves.extend(may_lose.then_some(Move::BusInVain(step)));
                };
                hand_out(Step::Reclaim(worker));
                // An entry is claimed once, and until then the workers are alike.
                if worker == 0 {
                    hand_out(Step::Claim(worker));
                }
                return;
            }
            Work::Claimed { .. } => moves.push(Move::Begin(worker)),
            _ if work.is_owed() => {}
            _ => moves.push(Move::Bus(Step::Renew(worker))),
        }
        if work.step().is_some() {
            moves.push(Move::Work(worker));
            let may_repeat = self.happened.repeats < plan.repeats;
            moves.extend(may_repeat.then_some(Move::WorkInVain(worker)));
        }
        if work.can_answer() {
            let answer = |along| Move::Answer { worker, along };
            moves.push(answer(false));
            moves.extend(work.can_send_more().then(|| answer(true)));
        }
        if plan.tasks && work.can_promote() {
            moves.push(Move::Promote(worker));
        }
        if work.can_ask() && self.happened.rounds < plan.rounds {
            moves.push(Move::Ask(worker));
        }
        if self.happened.hand_backs < plan.hand_backs && !work.is_owed() {
            let hand_back = |begun| Move::HandBack { worker, begun };
            moves.push(hand_back(false));
            moves.extend(work.is_begun().then(|| hand_back(true)));
        }
        moves.extend(self.wake_ups[index].then_some(Move::Hear(worker)));
        let may_crash = self.happened.crashes < plan.crashes;
        moves.extend(may_crash.then_some(Move::Crash(worker)));
    }

    /// Whether something happens sooner or later, for as long as it is among the moves: what a liveness promise may
    /// count on. That is neither a fault, nor a cancel or the help of a client, nor a wake-up.
    pub(crate) fn is_certain(&self, step: Move) -> bool {
        match step {
            Move::Begin(_) | Move::Work(_) | Move::Answer { .. } => true,
            Move::Bus(Step::Claim(_) | Step::Reclaim(_) | Step::FindOrWithdraw) => true,
            Move::Bus(Step::LeaseEnds) => self.is_orphaned(),
            _ => false,
        }
    }

    /// Lets it happen.
    ///
    /// # Errors
    ///
    /// The promise that it breaks.
    pub(crate) fn take(&mut self, step: Move, plan: &Plan) -> Result<(), &'static str> {
        match step {
            Move::Bus(step) => self.take_bus(step, plan)?,
            Move::BusInVain(step) => self.take_bus_in_vain(step, plan)?,
            Move::AskInVain => {
                self.happened.repeats += 1;
                self.in_doubt = true;
                self.asked = true;
                self.give_up_what_is_in_doubt(plan);
            }
            Move::Begin(worker) => {
                self.change(worker, Work::begun);
                let runs = matches!(self.workers[usize::from(worker)], Work::Running { .. });
                if runs && self.seen.is_refused {
                    return Err("what was refused is begun");
                }
            }
            Move::Work(worker) => {
                let answer = self.work(worker, plan)?;
                if self.workers[usize::from(worker)].is_owed() {
                    self.change(worker, |_| Work::Idle);
                    return self.note_claim(worker, answer);
                }
                let is_task = self.seen.has_task;
                self.change(worker, |work| work.after(answer, plan.attempts, is_task));
            }
            Move::WorkInVain(worker) => {
                self.happened.repeats += 1;
                self.work(worker, plan)?;
            }
            Move::Answer { worker, along } => self.change(worker, |work| work.answered(along)),
            Move::Promote(worker) => self.change(worker, Work::promoting),
            Move::Ask(worker) => {
                self.happened.rounds += 1;
                self.change(worker, Work::asking);
            }
            Move::Hear(worker) => self.change(worker, Work::cancelled),
            Move::HandBack { worker, begun } => {
                self.happened.hand_backs += 1;
                self.change(worker, |work| match work {
                    Work::Claimed { .. } => Work::Idle,
                    _ => Work::Stopped,
                });
                self.bus(Step::HandBack { worker, begun }, plan)?;
            }
            Move::Crash(worker) => {
                self.happened.crashes += 1;
                self.change(worker, |_| Work::Idle);
            }
        }
        Ok(())
    }

    fn take_bus(&mut self, step: Step, plan: &Plan) -> Result<(), &'static str> {
        match step {
            Step::Enqueue => self.asked = true,
            Step::Cancel { .. } | Step::Abandon { .. } => self.happened.cancels += 1,
            Step::LeaseEnds => self.happened.lapses += u8::from(!self.is_orphaned()),
            _ => {}
        }
        let answer = self.bus(step, plan)?.answer;
        match step {
            Step::FindOrWithdraw => {
                self.in_doubt = false;
                self.seen.is_refused = answer == Answer::Cancelled;
                Ok(())
            }
            Step::Claim(worker) | Step::Reclaim(worker) => self.note_claim(worker, answer),
            _ => Ok(()),
        }
    }

    /// Whoever asked has no answer, and asks what became of it.
    fn take_bus_in_vain(&mut self, step: Step, plan: &Plan) -> Result<(), &'static str> {
        self.happened.repeats += 1;
        if step == Step::Enqueue {
            (self.asked, self.in_doubt) = (true, true);
        }
        let answer = self.bus(step, plan)?.answer;
        if step == Step::Enqueue {
            self.give_up_what_is_in_doubt(plan);
        }
        let given = answer.claim();
        if plan.slip == Some(Slip::LostClaimsAreForgotten) {
            return Ok(());
        }
        match (step, given) {
            (Step::Claim(worker), Some(_)) => {
                let round = self.stream.round();
                self.change(worker, |_| Work::OwedRead { worker, round });
            }
            (Step::Reclaim(worker), Some((delivery, _))) => {
                let by = self.token(worker, delivery);
                self.change(worker, |_| Work::OwedReclaim(by));
            }
            _ => {}
        }
        Ok(())
    }

    /// What a gateway must not do.
    fn give_up_what_is_in_doubt(&mut self, plan: &Plan) {
        if plan.slip == Some(Slip::LostRequestsAreForgotten) {
            self.in_doubt = false;
            self.seen.is_refused = true;
        }
    }

    fn note_claim(&mut self, worker: Worker, answer: Answer) -> Result<(), &'static str> {
        let Some((delivery, cancelled)) = answer.claim() else {
            return Ok(());
        };
        if delivery > MOST_DELIVERIES {
            return Err("an entry goes round for ever");
        }
        let Happened {
            crashes,
            lapses,
            hand_backs,
            ..
        } = self.happened;
        if delivery > 1 + crashes + lapses + hand_backs {
            return Err("a delivery counts that no fault explains");
        }
        let by = self.token(worker, delivery);
        self.change(worker, |_| Work::Claimed { by, cancelled });
        Ok(())
    }

    fn token(&self, worker: Worker, delivery: u8) -> Token {
        Token {
            worker,
            delivery,
            round: self.stream.round(),
        }
    }

    /// The next step of a worker.
    fn work(&mut self, worker: Worker, plan: &Plan) -> Result<Answer, &'static str> {
        match self.workers[usize::from(worker)].step() {
            Some(step) => Ok(self.bus(step, plan)?.answer),
            None => Ok(Answer::Done),
        }
    }

    /// Whether nobody renews the lease of the entry.
    fn is_orphaned(&self) -> bool {
        let lease = self.stream.lease();
        lease.is_some_and(|lease| {
            let has_it = |work: &Work| work.token() == Some(lease.of);
            !self.workers.iter().any(has_it)
        })
    }

    fn change(&mut self, worker: Worker, change: impl FnOnce(Work) -> Work) {
        let index = usize::from(worker);
        self.workers[index] = change(self.workers[index]);
        self.wake_ups[index] &= self.workers[index].can_be_stopped();
    }

    /// A step of the bus, and what it means to the client.
    fn bus(&mut self, step: Step, plan: &Plan) -> Result<Outcome, &'static str> {
        let outcome = self.stream.take(step, plan.flaw);
        if let Some(woken) = outcome.woken {
            let index = usize::from(woken);
            self.wake_ups[index] = self.workers[index].can_be_stopped();
        }
        self.seen.note(step, &outcome)?;
        let is_settled = self.seen.has_end || self.seen.has_cancelled;
        let is_settled = is_settled || self.in_doubt || self.seen.is_refused;
        let is_settled = is_settled || self.stream.is_asking();
        let was_cancelled = self.stream.end_of_task() == Some(State::Cancelled);
        if was_cancelled && !self.seen.has_cancelled {
            return Err("a task ends with its connection");
        }
        if self.asked && !self.owes() && !is_settled {
            return Err("a request goes unanswered");
        }
        Ok(outcome)
    }
}
