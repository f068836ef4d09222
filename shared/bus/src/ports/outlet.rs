//! The sending end of subscriptions, for implementations of the bus: bounded, and never losing anything unnoticed.

use std::collections::HashMap;
use std::hash::Hash;

use tokio::sync::mpsc;

use super::{News, NewsReceiver};

/// The sending end of one subscription.
pub struct Outlet<T> {
    sender: mpsc::Sender<News<T>>,
    /// Whether the newest message sent is [`News::Gap`].
    gap_is_newest: bool,
}

/// The subscriptions of readers who follow several things each. Those whose receivers are gone are forgotten when
/// another reader comes, at the latest.
pub struct Watchers<K, T> {
    newest: u64,
    readers: HashMap<u64, Outlet<T>>,
    /// Who follows each.
    of: HashMap<K, Vec<u64>>,
}

/// What a reader of [`Watchers`] may leave unread before it is sent back to the stored state.
const CAPACITY: usize = 64;

// === impl Outlet ===

impl<T> Outlet<T> {
    /// A subscription whose reader may leave `capacity` messages unread, two at least: beyond that it is sent back to
    /// the stored state. Its first message is [`News::Gap`].
    pub fn open(capacity: usize) -> (Self, NewsReceiver<T>) {
        let (sender, receiver) = mpsc::channel(capacity);
        let mut outlet = Self {
            sender,
            gap_is_newest: false,
        };
        outlet.push(News::Gap);
        (outlet, receiver)
    }

    /// Whether nobody hears it any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends an item, or a gap in its place. The last free place is kept for a gap; whatever is left
    /// out while that gap is unread was stored before, so the look that the gap calls for finds it.
    pub fn send(&mut self, item: T) {
        if self.sender.capacity() > 1 {
            self.push(News::Item(item));
        } else {
            self.gap();
        }
    }

    /// Sends its reader back to the stored state.
    pub fn gap(&mut self) {
        let is_unread = self.sender.capacity() < self.sender.max_capacity();
        if !(self.gap_is_newest && is_unread) {
            self.push(News::Gap);
        }
    }

    fn push(&mut self, news: News<T>) {
        self.gap_is_newest = matches!(news, News::Gap);
        // It fails only when the subscriber is gone: this is the one sender, and there was room.
        let _ = self.sender.try_send(news);
    }
}

// === impl Watchers ===

impl<K, T> Default for Watchers<K, T> {
    fn default() -> Self {
        Self {
            newest: 0,
            readers: HashMap::new(),
            of: HashMap::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, T: Clone> Watchers<K, T> {
    /// One more reader, of these.
    pub fn add(&mut self, followed: &[K]) -> NewsReceiver<T> {
        self.forget_closed();
        let (outlet, receiver) = Outlet::open(CAPACITY);
        self.newest += 1;
        self.readers.insert(self.newest, outlet);
        for key in followed {
            self.of.entry(*key).or_default().push(self.newest);
        }
        receiver
    }

    /// Forgets the readers that are gone, and says whether there were any.
    pub fn forget_closed(&mut self) -> bool {
        let before = self.readers.len();
        self.readers.retain(|_, outlet| !outlet.is_closed());
        if self.readers.len() == before {
            return false;
        }
        let readers = &self.readers;
        self.of.retain(|_, of| {
            of.retain(|reader| readers.contains_key(reader));
            !of.is_empty()
        });
        true
    }

    /// Hands an item to all who follow this. Call it under the lock that guards what the item is about, after the
    /// change.
    pub fn tell(&mut self, followed: &K, item: &T) {
        for reader in self.of.get(followed).into_iter().flatten() {
            if let Some(outlet) = self.readers.get_mut(reader) {
                outlet.send(item.clone());
            }
        }
    }

    /// Sends all readers back to the stored state.
    pub fn gap(&mut self) {
        self.readers.values_mut().for_each(Outlet::gap);
    }

    /// Whether anybody follows this.
    pub fn follows(&self, followed: &K) -> bool {
        self.of.contains_key(followed)
    }

    /// What is followed.
    pub fn followed(&self) -> impl Iterator<Item = &K> {
        self.of.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_lags_is_sent_back_once() {
        let (mut outlet, mut receiver) = Outlet::open(4);
        (1..=9).for_each(|number| outlet.send(number));
        outlet.gap();
        let expected = [News::Gap, News::Item(1), News::Item(2), News::Gap];
        assert_eq!(expected.map(Ok), [(); 4].map(|()| receiver.try_recv()));
        assert!(receiver.try_recv().is_err());
        outlet.gap();
        assert_eq!(receiver.try_recv(), Ok(News::Gap), "that one was read");
    }

    #[test]
    fn each_reader_hears_of_what_it_follows_until_it_is_gone() {
        let mut watchers = Watchers::default();
        let mut first = watchers.add(&['a', 'b']);
        let mut second = watchers.add(&['b']);
        watchers.tell(&'a', &1);
        watchers.tell(&'b', &2);
        watchers.tell(&'c', &3);
        for (receiver, expected) in [(&mut first, vec![1, 2]), (&mut second, vec![2])] {
            assert_eq!(receiver.try_recv(), Ok(News::Gap));
            for number in expected {
                assert_eq!(receiver.try_recv(), Ok(News::Item(number)));
            }
            assert!(receiver.try_recv().is_err());
        }
        drop(first);
        assert!(watchers.forget_closed());
        assert!(!watchers.follows(&'a') && watchers.follows(&'b'));
        assert!(!watchers.forget_closed());
    }
}
