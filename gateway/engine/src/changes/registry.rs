//! Who waits for what. A change is handed to those whom it concerns and costs nothing for all others, however many
//! there are.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use prynai_bus::{ChangePage, FeedPosition, PositionedChange};

use super::Heard;
use super::recent::Recent;
use super::topic::{Interest, Topic};

/// Changes that wait for one reader. Beyond it the reader takes them from what all share.
const MOST_WAITING: usize = 64;

/// All readers of this gateway, and the newest changes.
pub(super) struct Registry {
    recent: Recent,
    by_topic: HashMap<Topic, BTreeSet<ReaderId>>,
    readers: HashMap<ReaderId, Place>,
    next: ReaderId,
}

/// Names a reader for as long as it reads.
pub(super) type ReaderId = u64;

/// What is kept of one reader.
struct Place {
    interest: Interest,
    /// Of what it heard last. While nothing waits for it, of the newest change.
    position: FeedPosition,
    /// Not yet heard, in order.
    waiting: VecDeque<Arc<PositionedChange>>,
    /// More than what waits concerns it, or may.
    behind: bool,
    /// Changes are gone that may have concerned it.
    lost: bool,
    waker: Option<Waker>,
}

// === impl Registry ===

impl Registry {
    /// Nobody reads yet; the first change is the one after `start`.
    pub(super) fn new(start: FeedPosition) -> Self {
        Self {
            recent: Recent::new(start),
            by_topic: HashMap::new(),
            readers: HashMap::new(),
            next: 0,
        }
    }

    /// The position of the newest change that is known here.
    pub(super) fn newest(&self) -> &FeedPosition {
        self.recent.newest()
    }

    /// One more reader, which hears what comes after `position`, or after now.
    pub(super) fn add(&mut self, position: Option<FeedPosition>, interest: Interest) -> ReaderId {
        let id = self.next;
        self.next += 1;
        let behind = position.is_some();
        let position = position.unwrap_or_else(|| self.newest().clone());
        let place = Place {
            interest: Interest::new(),
            position,
            waiting: VecDeque::new(),
            behind,
            lost: false,
            waker: None,
        };
        self.readers.insert(id, place);
        self.set_interest(id, interest);
        id
    }

    /// From what it heard last on, a reader hears of this instead.
    pub(super) fn set_interest(&mut self, id: ReaderId, interest: Interest) {
        let Some(place) = self.readers.get_mut(&id) else {
            return;
        };
        if place.interest == interest {
            return;
        }
        for topic in place.interest.difference(&interest) {
            forget(&mut self.by_topic, topic, id);
        }
        for topic in interest.difference(&place.interest) {
            let waiting = self.by_topic.entry(topic.clone()).or_default();
            waiting.insert(id);
        }
        place.interest = interest;
        // What has happened since concerns it or does not by what it wants now.
        place.waiting.clear();
        place.behind = true;
    }

    pub(super) fn remove(&mut self, id: ReaderId) {
        let Some(place) = self.readers.remove(&id) else {
            return;
        };
        for topic in &place.interest {
            forget(&mut self.by_topic, topic, id);
        }
    }

    /// The place in the feed up to which a reader has heard.
    pub(super) fn position(&self, id: ReaderId) -> FeedPosition {
        let place = self.readers.get(&id);
        place.map_or_else(|| self.newest().clone(), |place| place.position.clone())
    }

    /// Hands on the next change; whom to wake for it.
    pub(super) fn tell(&mut self, change: PositionedChange) -> Vec<Waker> {
        // The feed was read up to there meanwhile.
        if !change.position.is_after(self.newest()) {
            return Vec::new();
        }
        let topic = Topic::of(&change.change);
        let change = Arc::new(change);
        let concerned = self.by_topic.get(&topic).into_iter().flatten();
        let wake = concerned
            .filter_map(|id| self.readers.get_mut(id)?.offer(&change))
            .collect();
        self.recent.push(topic, change);
        wake
    }

    /// Hands on what follows the newest change in the feed, which was read from there; whom to wake for it.
    pub(super) fn tell_page(&mut self, page: ChangePage) -> Vec<Waker> {
        if !page.lost {
            let told = page.changes.into_iter();
            return told.flat_map(|change| self.tell(change)).collect();
        }
        let mut changes = page.changes.into_iter();
        if let Some(first) = changes.next() {
            self.begin_anew(first.position);
        }
        for change in changes {
            self.recent
                .push(Topic::of(&change.change), Arc::new(change));
        }
        // Whoever assumes that anything changed has heard of these, too.
        let newest = self.newest().clone();
        let told = self.readers.values_mut();
        told.filter_map(|place| place.lose(&newest)).collect()
    }

    /// The feed begins after `start` now.
    pub(super) fn begin_anew(&mut self, start: FeedPosition) {
        self.recent = Recent::new(start);
    }

    /// What a reader hears next.
    pub(super) fn poll_next(&mut self, id: ReaderId, cx: &mut Context<'_>) -> Poll<Heard> {
        let Some(place) = self.readers.get_mut(&id) else {
            return Poll::Pending;
        };
        if place.behind && place.waiting.is_empty() {
            place.catch_up(&self.recent);
        }
        if std::mem::take(&mut place.lost) {
            return Poll::Ready(Heard::AssumeAnything);
        }
        if let Some(change) = place.waiting.pop_front() {
            place.position.clone_from(&change.position);
            return Poll::Ready(Heard::Change(change));
        }
        // Nothing up to there concerned it.
        if self.recent.newest().is_after(&place.position) {
            place.position.clone_from(self.recent.newest());
        }
        match &mut place.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

fn forget(by_topic: &mut HashMap<Topic, BTreeSet<ReaderId>>, topic: &Topic, id: ReaderId) {
    if let Some(waiting) = by_topic.get_mut(topic) {
        waiting.remove(&id);
        if waiting.is_empty() {
            by_topic.remove(topic);
        }
    }
}

// === impl Place ===

impl Place {
    /// Takes a change that concerns it; whom to wake.
    fn offer(&mut self, change: &Arc<PositionedChange>) -> Option<Waker> {
        // One that resumes may have heard it from a gateway that was ahead of this one.
        if self.behind || !change.position.is_after(&self.position) {
            return None;
        }
        if self.waiting.len() >= MOST_WAITING {
            self.behind = true;
            return None;
        }
        self.waiting.push_back(change.clone());
        self.waker.take()
    }

    /// Takes what concerns it after what it heard last, as much as may wait.
    fn catch_up(&mut self, recent: &Recent) {
        match recent.after(&self.position, &self.interest, MOST_WAITING) {
            Some(missed) => {
                self.waiting = missed.changes;
                self.behind = missed.has_more;
            }
            None => drop(self.lose(recent.newest())),
        }
    }

    /// Anything may have changed up to `newest`; whom to wake.
    fn lose(&mut self, newest: &FeedPosition) -> Option<Waker> {
        self.waiting.clear();
        self.behind = false;
        self.lost = true;
        self.position.clone_from(newest);
        self.waker.take()
    }
}

#[cfg(test)]
mod tests;
