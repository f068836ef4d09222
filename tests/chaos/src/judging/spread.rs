//! How durations spread.

use std::fmt;
use std::time::Duration;

/// Sorted durations.
pub struct Spread(Vec<Duration>);

impl Spread {
    /// Sorts them.
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The duration that this many per thousand do not exceed.
    pub fn per_mille(&self, part: usize) -> Duration {
        let rank = (self.0.len() * part).div_ceil(1000).saturating_sub(1);
        self.0.get(rank).copied().unwrap_or_default()
    }

    /// The longest.
    pub fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99) = (self.per_mille(500), self.per_mille(990));
        let longest = self.longest();
        write!(
            f,
            "{} times, median {median:.1?}, p99 {p99:.1?}, longest {longest:.1?}",
            self.0.len()
        )
    }
}
