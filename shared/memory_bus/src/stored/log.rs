//! The log of a stream: what its owner may write, and what its readers find.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prynai_bus::ids::{EntryId, GatewayId, SessionId, WorkerId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::Promotion;
use prynai_bus::{BusLimits, LogPage, LogState, Mail, Ownership, Refusal};

use crate::stored::task::Task;

/// The log of one stream, with the mailbox of its call.
pub(crate) struct Log {
    /// Unknown of a call that was cancelled before it came.
    pub(crate) holder: Option<GatewayId>,
    session: Option<SessionId>,
    /// Whose stream it is, once that is known.
    pub(crate) entry: Option<EntryId>,
    owner: Option<Token>,
    state: LogState,
    counted: Counted,
    /// By ascending offset.
    events: Vec<StreamEvent>,
    /// Of all events.
    bytes: usize,
    newest: u64,
    /// Nobody will look at the mark of this cancelled call any more.
    mark_is_seen: bool,
    /// The call has become a task.
    pub(crate) task: Option<Task>,
    /// The task has left its worker: nobody writes until somebody takes it over.
    pub(crate) is_locked: bool,
    pub(crate) mailbox: VecDeque<RawJson>,
    /// Messages that the owner received.
    mail_removed: u64,
}

/// How many logs there are of those that operators ask for.
#[derive(Clone, Default)]
pub(crate) struct LogCounts {
    /// Those without an end.
    pub(crate) open: Count,
    /// Marks of cancelled calls that are still to be seen.
    pub(crate) cancelled: Count,
}

/// A number of logs.
#[derive(Clone, Default)]
pub(crate) struct Count(Arc<AtomicU64>);

/// Where a log counts, until it is dropped.
#[derive(Default)]
struct Counted(Option<Count>);

/// The fencing token.
#[derive(PartialEq, Eq)]
struct Token {
    worker: WorkerId,
    delivery: u32,
}

impl Log {
    pub(crate) fn new(
        holder: Option<GatewayId>,
        session: Option<SessionId>,
        counts: &LogCounts,
    ) -> Self {
        Self {
            counted: Counted::at(&counts.open),
            holder,
            session,
            entry: None,
            owner: None,
            state: LogState::Open,
            events: Vec::new(),
            bytes: 0,
            newest: 0,
            mark_is_seen: false,
            task: None,
            is_locked: false,
            mailbox: VecDeque::new(),
            mail_removed: 0,
        }
    }

    pub(crate) fn belongs_to(&self, session: Option<&SessionId>) -> bool {
        self.session.as_ref() == session
    }

    pub(crate) fn state(&self) -> LogState {
        self.state
    }

    pub(crate) fn is_releasable(&self) -> bool {
        self.state == LogState::Finished || self.mark_is_seen || self.is_asking()
    }

    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    pub(crate) fn owner(&self) -> Option<&WorkerId> {
        let owner = self.owner.as_ref().filter(|_| !self.is_locked);
        owner.map(|owner| &owner.worker)
    }

    /// The worker that has begun to write, while more is to come.
    pub(crate) fn writer(&self) -> Option<&WorkerId> {
        let writes = self.newest > 0 && self.state == LogState::Open;
        self.owner().filter(|_| writes)
    }

    pub(crate) fn read(&self, after: u64, limits: &BusLimits) -> LogPage {
        let unseen = self.events_after(after);
        let mut page = Vec::new();
        let mut bytes = 0;
        for event in unseen {
            bytes += size(event);
            let fits = page.is_empty() || bytes <= limits.page_bytes;
            if page.len() == limits.page_events || !fits {
                break;
            }
            page.push(event.clone());
        }
        LogPage {
            has_more: unseen.len() > page.len(),
            events: page,
            newest: self.newest,
            state: self.state,
            holder: self.holder.clone(),
        }
    }

    /// Whether it is not this entry's stream, though the entry says so.
    pub(crate) fn is_not_of(&self, entry: &EntryId) -> bool {
        self.entry.as_ref().is_some_and(|own| own != entry)
    }

    /// Lets the owner in; the first delivery becomes the owner of a log that has none.
    pub(crate) fn admit(&mut self, owner: &Ownership) -> Result<(), Refusal> {
        match &self.owner {
            _ if self.is_not_of(&owner.entry) => Err(Refusal::Finished),
            _ if self.state == LogState::Cancelled => Err(Refusal::Cancelled),
            _ if self.is_locked => Err(Refusal::LostOwnership),
            Some(token) if *token == Token::of(owner) => Ok(()),
            None if owner.delivery == 1 => {
                self.own(owner);
                Ok(())
            }
            _ => Err(Refusal::LostOwnership),
        }
    }

    /// Lets the owner of a task in.
    pub(crate) fn admit_to_task(&mut self, owner: &Ownership) -> Result<&mut Task, Refusal> {
        if self.is_not_of(&owner.entry) {
            return Err(Refusal::Finished);
        }
        if self.state == LogState::Cancelled {
            return Err(Refusal::Cancelled);
        }
        if !self.is_owned_by(owner) || self.task.is_none() {
            return Err(Refusal::LostOwnership);
        }
        if self.state == LogState::Finished {
            return Err(Refusal::Finished);
        }
        self.task.as_mut().ok_or(Refusal::LostOwnership)
    }

    /// Cancelled before anybody knew its entry: neither holder nor worker has been told.
    pub(crate) fn is_bare_mark(&self) -> bool {
        self.state() == LogState::Cancelled && self.holder.is_none() && self.task.is_none()
    }

    pub(crate) fn is_owned_by(&self, owner: &Ownership) -> bool {
        !self.is_locked && self.owner.as_ref() == Some(&Token::of(owner))
    }

    /// Makes `owner` the only one that may write.
    pub(crate) fn own(&mut self, owner: &Ownership) {
        self.owner = Some(Token::of(owner));
        self.entry = Some(owner.entry.clone());
        self.is_locked = false;
    }

    /// Logs events, and gives those whose offsets were not logged before.
    pub(crate) fn append<'a>(
        &mut self,
        events: &'a [StreamEvent],
        limits: &BusLimits,
    ) -> Result<&'a [StreamEvent], Refusal> {
        let new = self.new_among(events);
        if new.is_empty() {
            return Ok(new);
        }
        if self.state == LogState::Finished {
            return Err(Refusal::Finished);
        }
        let added: usize = new.iter().map(size).sum();
        let count = self.events.len() + new.len();
        if count > limits.log_events || self.bytes.saturating_add(added) > limits.log_bytes {
            return Err(Refusal::LogFull);
        }
        new.iter().for_each(|event| self.push(event));
        Ok(new)
    }

    /// Logs the final event and those right before it, and gives those of these whose offsets were not logged before;
    /// `None` when the final event was.
    pub(crate) fn finish<'a>(
        &mut self,
        earlier: &'a [StreamEvent],
        event: &StreamEvent,
    ) -> Result<Option<&'a [StreamEvent]>, Refusal> {
        if self.state == LogState::Finished {
            let repeated = event.offset == self.newest;
            return repeated.then_some(None).ok_or(Refusal::Finished);
        }
        let earlier = self.new_among(earlier);
        earlier.iter().for_each(|event| self.push(event));
        self.push(event);
        self.finished();
        Ok(Some(earlier))
    }

    /// Logs the response that names the call as a task.
    pub(crate) fn name_task(&mut self, promotion: &Promotion) {
        self.push(&promotion.event);
        self.task = Some(Task::new(promotion));
    }

    /// Whether it is a task that waits for its client.
    pub(crate) fn is_asking(&self) -> bool {
        self.task
            .as_ref()
            .is_some_and(|task| task.waiting.is_some())
    }

    /// Whether this owner has let it wait.
    pub(crate) fn is_parked_by(&self, owner: &Ownership) -> bool {
        self.task
            .as_ref()
            .is_some_and(|task| task.is_parked_by(owner))
    }

    /// Its request is queued again, as this entry: whoever claims it takes it over.
    pub(crate) fn queued_again(&mut self, entry: EntryId) {
        self.entry = Some(entry);
    }

    /// The message of the newest event.
    pub(crate) fn response(&self) -> Option<&RawJson> {
        self.events.last()?.message.as_ref()
    }

    fn new_among<'a>(&self, events: &'a [StreamEvent]) -> &'a [StreamEvent] {
        let known = events.partition_point(|event| event.offset <= self.newest);
        &events[known..]
    }

    fn finished(&mut self) {
        self.state = LogState::Finished;
        self.mailbox = VecDeque::new();
        self.counted = Counted::default();
    }

    /// Marks the call as cancelled. `mark_is_seen`: nobody will look at the mark any more.
    pub(crate) fn cancel(&mut self, mark_is_seen: bool, counts: &LogCounts) {
        self.state = LogState::Cancelled;
        self.mailbox = VecDeque::new();
        self.counted = Counted::at(&counts.cancelled);
        if mark_is_seen {
            self.see_mark();
        }
    }

    /// Nobody will look at the mark of this cancelled call any more.
    pub(crate) fn see_mark(&mut self) {
        self.mark_is_seen = true;
        self.counted = Counted::default();
    }

    /// The worker that may write, and under which delivery.
    pub(crate) fn token(&self) -> Option<(&WorkerId, u32)> {
        let token = self.owner.as_ref().filter(|_| !self.is_locked)?;
        Some((&token.worker, token.delivery))
    }

    pub(crate) fn session(&self) -> Option<&SessionId> {
        self.session.as_ref()
    }

    /// Bytes of all events, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The events after an offset.
    pub(crate) fn events_after(&self, after: u64) -> &[StreamEvent] {
        let seen = self.events.partition_point(|event| event.offset <= after);
        &self.events[seen..]
    }

    /// What lies in the mailbox after the messages that were received.
    pub(crate) fn take_mail(&mut self, received: u64) -> Mail {
        while self.mail_removed < received && self.mailbox.pop_front().is_some() {
            self.mail_removed += 1;
        }
        self.mail_removed = self.mail_removed.max(received);
        Mail {
            messages: self.mailbox.iter().cloned().collect(),
            received: self.mail_removed + self.mailbox.len() as u64,
        }
    }

    fn push(&mut self, event: &StreamEvent) {
        self.events.push(event.clone());
        self.bytes = self.bytes.saturating_add(size(event));
        self.newest = self.newest.max(event.offset);
    }
}

/// About what an event takes.
fn size(event: &StreamEvent) -> usize {
    event
        .message
        .as_ref()
        .map_or(0, |message| message.as_str().len())
}

impl Count {
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counted {
    fn at(count: &Count) -> Self {
        count.0.fetch_add(1, Ordering::Relaxed);
        Self(Some(count.clone()))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some(count) = &self.0 {
            count.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Token {
    fn of(owner: &Ownership) -> Self {
        Self {
            worker: owner.worker.clone(),
            delivery: owner.delivery,
        }
    }
}
