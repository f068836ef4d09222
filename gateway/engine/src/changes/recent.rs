//! The newest changes of the feed, as far as it keeps them itself.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use prynai_bus::{FeedPosition, PositionedChange};

use super::topic::{Interest, Topic};

/// Most changes kept: as many as the feed keeps, so that nobody who lags has to read it again.
const MOST_CHANGES: usize = 10_000;

/// Most bytes of them, for handlers whose URIs are long. Who would need more is told that anything may have changed.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// What one change takes besides its URI, roughly.
const CHANGE_BYTES: usize = 300;

/// The newest changes, in order and without holes.
pub(super) struct Recent {
    kept: VecDeque<Kept>,
    /// Number of the oldest one kept; the others follow on it.
    oldest: u64,
    /// The numbers of the changes about each topic, so that a look passes over all others.
    by_topic: HashMap<Topic, VecDeque<u64>>,
    bytes: usize,
    /// No change after this one is missing.
    since: FeedPosition,
    newest: FeedPosition,
}

struct Kept {
    topic: Topic,
    change: Arc<PositionedChange>,
}

/// What a reader has missed.
pub(super) struct Missed {
    /// The oldest changes that concern it.
    pub(super) changes: VecDeque<Arc<PositionedChange>>,
    /// There are more.
    pub(super) has_more: bool,
}

impl Recent {
    /// Nothing yet: the first change to be kept is the one after `start`.
    pub(super) fn new(start: FeedPosition) -> Self {
        Self {
            kept: VecDeque::new(),
            oldest: 0,
            by_topic: HashMap::new(),
            bytes: 0,
            since: start.clone(),
            newest: start,
        }
    }

    /// The position of the newest change.
    pub(super) fn newest(&self) -> &FeedPosition {
        &self.newest
    }

    pub(super) fn push(&mut self, topic: Topic, change: Arc<PositionedChange>) {
        self.newest.clone_from(&change.position);
        self.bytes += bytes(&topic);
        let number = self.oldest + self.kept.len() as u64;
        let numbers = self.by_topic.entry(topic.clone()).or_default();
        numbers.push_back(number);
        self.kept.push_back(Kept { topic, change });
        while self.kept.len() > MOST_CHANGES || self.bytes > MOST_BYTES {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(Kept { topic, change }) = self.kept.pop_front() else {
            return;
        };
        self.oldest += 1;
        self.bytes -= bytes(&topic);
        self.since.clone_from(&change.position);
        if let Some(numbers) = self.by_topic.get_mut(&topic) {
            numbers.pop_front();
            if numbers.is_empty() {
                self.by_topic.remove(&topic);
            }
        }
    }

    /// The oldest `most` changes after a position that are of interest; `None` when any after it are gone.
    pub(super) fn after(
        &self,
        position: &FeedPosition,
        interest: &Interest,
        most: usize,
    ) -> Option<Missed> {
        if position.epoch != self.newest.epoch || self.since.is_after(position) {
            return None;
        }
        let heard = |kept: &Kept| !kept.change.position.is_after(position);
        let first = self.oldest + self.kept.partition_point(heard) as u64;
        let mut numbers: Vec<u64> = interest
            .iter()
            .filter_map(|topic| self.by_topic.get(topic))
            .flat_map(|numbers| {
                let from = numbers.partition_point(|number| *number < first);
                numbers.range(from..).take(most + 1)
            })
            .copied()
            .collect();
        numbers.sort_unstable();
        let has_more = numbers.len() > most;
        numbers.truncate(most);
        let kept = numbers
            .iter()
            .filter_map(|number| self.kept.get((number - self.oldest) as usize));
        Some(Missed {
            changes: kept.map(|kept| kept.change.clone()).collect(),
            has_more,
        })
    }
}

/// What a change takes, roughly.
fn bytes(topic: &Topic) -> usize {
    let uri = match topic {
        // In the change and in its topic.
        Topic::Resource(uri) => 2 * uri.len(),
        _ => 0,
    };
    CHANGE_BYTES + uri
}

#[cfg(test)]
mod tests {
    use prynai_bus::wire::change::Change;

    use super::*;

    fn position(major: u64) -> FeedPosition {
        FeedPosition {
            epoch: "e".into(),
            major,
            minor: 0,
        }
    }

    fn push(recent: &mut Recent, major: u64, uri: &str) {
        let change = Change::ResourceUpdated {
            uri: uri.to_owned(),
        };
        let topic = Topic::of(&change);
        let position = position(major);
        recent.push(topic, Arc::new(PositionedChange { position, change }));
    }

    fn after(recent: &Recent, major: u64, uris: &[&str]) -> Option<Vec<u64>> {
        let interest = uris.iter().map(|uri| Topic::Resource((*uri).into()));
        let missed = recent.after(&position(major), &interest.collect(), usize::MAX - 1)?;
        let majors = missed.changes.iter().map(|change| change.position.major);
        Some(majors.collect())
    }

    #[test]
    fn what_is_gone_is_not_passed_over() {
        let mut recent = Recent::new(position(0));
        let most = MOST_CHANGES as u64;
        for major in 1..=most {
            push(&mut recent, major, "a://1");
        }
        let of_a = |recent: &Recent, major| after(recent, major, &["a://1"]);
        assert_eq!(of_a(&recent, 0).unwrap().len(), MOST_CHANGES);
        push(&mut recent, most + 1, "a://1");
        assert_eq!(of_a(&recent, 0), None);
        assert_eq!(of_a(&recent, 1).unwrap().len(), MOST_CHANGES);
        assert_eq!(of_a(&recent, most), Some(vec![most + 1]));
        assert_eq!(of_a(&recent, most + 5), Some(vec![]));
        let elsewhere = FeedPosition {
            epoch: "f".into(),
            ..position(most)
        };
        assert!(recent.after(&elsewhere, &Interest::new(), 1).is_none());
    }

    #[test]
    fn what_was_missed_comes_in_order_and_as_much_as_may() {
        let mut recent = Recent::new(position(0));
        for major in 1..=9 {
            let uri = ["a://1", "b://1", "c://1"][major as usize % 3];
            push(&mut recent, major, uri);
        }
        let both = ["a://1", "c://1", "d://1"];
        assert_eq!(after(&recent, 3, &both), Some(vec![5, 6, 8, 9]));
        let interest: Interest = both.map(|uri| Topic::Resource(uri.into())).into();
        let missed = recent.after(&position(3), &interest, 2).unwrap();
        assert!(missed.has_more);
        let majors: Vec<_> = missed.changes.iter().map(|c| c.position.major).collect();
        assert_eq!(majors, [5, 6]);
        let missed = recent.after(&position(6), &interest, 2).unwrap();
        assert!(!missed.has_more);
    }

    #[test]
    fn long_names_are_kept_for_less_long() {
        let mut recent = Recent::new(position(0));
        let long = "x".repeat(MOST_BYTES / 8);
        for major in 1..=10 {
            push(&mut recent, major, &long);
        }
        assert_eq!(after(&recent, 6, &[&long]), None);
        assert_eq!(after(&recent, 7, &[&long]), Some(vec![8, 9, 10]));
        assert!(recent.bytes <= MOST_BYTES);
        assert_eq!(recent.by_topic.len(), 1);
    }
}
