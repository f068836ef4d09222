//! Bounded subscriptions that never lose anything unnoticed.

use std::collections::HashMap;
use std::hash::Hash;

use prynai_bus::{NewsReceiver, Outlet};

/// What a subscriber may leave unread before it is sent back to the stored state.
const CAPACITY: usize = 4096;

/// The subscriptions to each of many topics.
pub(crate) struct Topics<K, T>(HashMap<K, Outlets<T>>);

/// The subscriptions to one topic.
pub(crate) struct Outlets<T>(Vec<Outlet<T>>);

// === impl Topics ===

impl<K, T> Default for Topics<K, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Clone + Eq + Hash, T: Clone> Topics<K, T> {
    pub(crate) fn subscribe(&mut self, topic: &K) -> NewsReceiver<T> {
        self.0.retain(|_, outlets| {
            outlets.forget_closed();
            !outlets.0.is_empty()
        });
        self.0.entry(topic.clone()).or_default().subscribe()
    }

    /// Hands an item to every subscriber of a topic. Call it under the lock that guards what the
    /// item is about, after the change: the order of news is the order of changes, and a subscriber
    /// that is sent back finds the change there.
    pub(crate) fn publish(&mut self, topic: &K, item: T) {
        if let Some(outlets) = self.0.get_mut(topic) {
            outlets.publish(item);
        }
    }
}

impl<K: Eq + Hash, T> Topics<K, T> {
    /// Whether anybody hears what is published there.
    pub(crate) fn is_heard(&self, topic: &K) -> bool {
        let outlets = self.0.get(topic).map(|outlets| outlets.0.as_slice());
        let outlets = outlets.unwrap_or_default();
        outlets.iter().any(|outlet| !outlet.is_closed())
    }
}

// === impl Outlets ===

impl<T> Default for Outlets<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Outlets<T> {
    pub(crate) fn subscribe(&mut self) -> NewsReceiver<T> {
        self.forget_closed();
        let (outlet, receiver) = Outlet::open(CAPACITY);
        self.0.push(outlet);
        receiver
    }

    /// As [`Topics::publish`].
    pub(crate) fn publish(&mut self, item: T) {
        if let [only] = self.0.as_mut_slice() {
            only.send(item);
        } else {
            for outlet in &mut self.0 {
                outlet.send(item.clone());
            }
        }
    }

    fn forget_closed(&mut self) {
        self.0.retain(|outlet| !outlet.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::News;

    use super::*;

    #[test]
    fn a_slow_subscriber_hears_of_the_gap_without_further_news() {
        let mut outlets = Outlets::default();
        let mut receiver = outlets.subscribe();
        for number in 0..2 * CAPACITY {
            outlets.publish(number);
        }
        assert_eq!(receiver.try_recv(), Ok(News::Gap));
        for number in 0..CAPACITY - 2 {
            assert_eq!(receiver.try_recv(), Ok(News::Item(number)));
        }
        assert_eq!(receiver.try_recv(), Ok(News::Gap));
        assert!(receiver.try_recv().is_err());

        outlets.publish(7);
        assert_eq!(receiver.try_recv(), Ok(News::Item(7)));
    }

    #[test]
    fn a_subscription_ends_with_its_receiver() {
        let mut topics: Topics<&str, u8> = Topics::default();
        drop(topics.subscribe(&"old"));
        let _receiver = topics.subscribe(&"new");
        assert_eq!(topics.0.keys().collect::<Vec<_>>(), [&"new"]);
    }
}
