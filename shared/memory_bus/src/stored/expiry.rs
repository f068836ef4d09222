//! Maps whose entries have a lifetime.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::time::Duration;

use tokio::time::Instant;

/// Due entries that one insertion removes. Above 1, so that removal outruns growth.
const SWEEP: usize = 8;

/// A map whose entries end. What has ended is never seen again, and is removed by later insertions.
pub(crate) struct ExpiringMap<K, V> {
    slots: HashMap<K, Slot<V>>,
    /// When to look at an entry: never later than its end, at most once per entry. An end that moves
    /// away leaves the look where it is, so that to prolong costs nothing.
    looks: BTreeMap<Look, K>,
    next_look: u64,
}

struct Slot<V> {
    value: V,
    /// `None`: never ends.
    ends: Option<Instant>,
    look: Option<Look>,
}

/// A time, made unique by a number.
type Look = (Instant, u64);

impl<K, V> Default for ExpiringMap<K, V> {
    fn default() -> Self {
        Self {
            slots: HashMap::new(),
            looks: BTreeMap::new(),
            next_look: 0,
        }
    }
}

impl<K: Clone + Eq + Hash, V> ExpiringMap<K, V> {
    /// The value, while it lives.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        let slot = self.slots.get(key)?;
        slot.lives().then_some(&slot.value)
    }

    /// The value, while it lives.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let slot = self.slots.get_mut(key)?;
        slot.lives().then_some(&mut slot.value)
    }

    /// Puts a value in the place of whatever was there; it lives for `life`, `None` for ever.
    pub(crate) fn insert(&mut self, key: K, value: V, life: Option<Duration>) {
        self.sweep();
        self.remove(&key);
        let slot = Slot {
            value,
            ends: None,
            look: None,
        };
        self.slots.insert(key.clone(), slot);
        self.live_for(&key, life);
    }

    /// Lets a value live for `life` from now; `None` for ever.
    pub(crate) fn live_for(&mut self, key: &K, life: Option<Duration>) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        // A life too long for the clock is a life for ever.
        slot.ends = life.and_then(|life| Instant::now().checked_add(life));
        if let Some(ends) = slot.ends {
            self.plan_look(key, ends);
        }
    }

    /// Lets a value live for `life` from now, unless it ends earlier anyway.
    pub(crate) fn live_at_most(&mut self, key: &K, life: Duration) {
        let ends = self.slots.get(key).and_then(|slot| slot.ends);
        if ends.is_none_or(|ends| ends > Instant::now() + life) {
            self.live_for(key, Some(life));
        }
    }

    fn plan_look(&mut self, key: &K, ends: Instant) {
        let Some(slot) = self.slots.get_mut(key) else {
            return;
        };
        if slot.look.is_some_and(|(planned, _)| planned <= ends) {
            return;
        }
        if let Some(later) = slot.look.take() {
            self.looks.remove(&later);
        }
        self.next_look += 1;
        let look = (ends, self.next_look);
        slot.look = Some(look);
        self.looks.insert(look, key.clone());
    }

    /// Takes a value out, if it lives.
    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let slot = self.slots.remove(key)?;
        if let Some(look) = slot.look {
            self.looks.remove(&look);
        }
        slot.lives().then_some(slot.value)
    }

    /// How much longer a value lives; `None` for ever, or when it does not live.
    pub(crate) fn life_of(&self, key: &K) -> Option<Duration> {
        let ends = self.slots.get(key)?.ends?;
        ends.checked_duration_since(Instant::now())
    }

    /// All that live.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let living = self.slots.iter().filter(|(_, slot)| slot.lives());
        living.map(|(key, slot)| (key, &slot.value))
    }

    /// Those that live and are to be looked at at `begin` or later, each with that time, in its order. A look only
    /// moves towards later times while it lives, so a walk that goes on where it stopped misses nothing that was there
    /// at its begin; it may pass something twice. What never ends is not among them.
    pub(crate) fn looked_at_from(&self, begin: Instant) -> impl Iterator<Item = (Instant, &K, &V)> {
        let looks = self.looks.range((begin, 0)..);
        looks.filter_map(|((at, _), key)| Some((*at, key, self.get(key)?)))
    }

    /// Entries held, those that ended but were not yet removed included.
    pub(crate) fn held(&self) -> usize {
        self.slots.len().max(self.looks.len())
    }

    pub(crate) fn sweep(&mut self) {
        let now = Instant::now();
        for _ in 0..SWEEP {
            let Some(look) = self.looks.first_entry().filter(|look| look.key().0 <= now) else {
                return;
            };
            let key = look.remove();
            let Some(slot) = self.slots.get_mut(&key) else {
                continue;
            };
            slot.look = None;
            match slot.ends {
                Some(ends) if ends <= now => drop(self.slots.remove(&key)),
                Some(ends) => self.plan_look(&key, ends),
                None => {}
            }
        }
    }
}

impl<V> Slot<V> {
    fn lives(&self) -> bool {
        self.ends.is_none_or(|ends| ends > Instant::now())
    }
}
