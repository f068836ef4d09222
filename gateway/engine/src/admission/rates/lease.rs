//! The tokens of one bucket that a gateway took in advance.

use std::time::Duration;

use prynai_bus::{Bucket, Taken};
use tokio::time::Instant;

use super::Asking;

/// For how long a gateway takes tokens in advance, at the rate of the bucket.
const IN_ADVANCE: Duration = Duration::from_millis(500);

/// Which part of a bucket a gateway takes in advance at most.
const PART: u32 = 4;

/// The tokens of one bucket that this gateway has.
#[derive(Default)]
pub(super) struct Lease {
    tokens: u32,
    /// Tokens that were spent before there were any.
    owed: u32,
    /// Until when what is known of the bucket counts: afterwards it is full again, whatever was.
    known_until: Option<Instant>,
    /// There is no token before.
    empty_until: Option<Instant>,
    asking: Option<Asking>,
}

/// What became of the wish for one token.
pub(super) enum Look {
    /// It is spent.
    Taken,
    /// It is spent, and it is time to ask the bus for more.
    TakenLast { wanted: u32 },
    /// There is none here: the bus must be asked first.
    NoneLeft { wanted: u32 },
    /// The bus is being asked.
    Asked(Asking),
    /// There is none in the whole fleet, for so long.
    Empty(Duration),
}

impl Lease {
    /// Spends a token.
    pub(super) fn take(&mut self, bucket: &Bucket, now: Instant) -> Look {
        let batch = batch(bucket);
        let is_known = self.known_until.is_some_and(|until| now < until);
        if !is_known && self.asking.is_none() && bucket.burst >= PART {
            // Nobody was here for so long that the bucket is full: the first one need not wait. One for each gateway
            // may be more than there is, so a small bucket is asked first, and what was not paid is paid later.
            *self = Self {
                owed: self.owed.saturating_add(1).min(bucket.burst),
                ..Self::default()
            };
            return Look::TakenLast {
                wanted: batch.saturating_add(1),
            };
        }
        if !is_known && self.asking.is_none() {
            *self = Self::default();
        }
        if self.tokens > 0 {
            self.tokens -= 1;
            let is_last = self.tokens.saturating_mul(2) <= batch;
            let knows_better = self.empty_until.is_some_and(|until| now < until);
            return match is_last && self.asking.is_none() && !knows_better {
                true => Look::TakenLast { wanted: batch },
                false => Look::Taken,
            };
        }
        if let Some(asking) = &self.asking {
            return Look::Asked(asking.clone());
        }
        match self.empty_until {
            Some(until) if now < until => Look::Empty(until - now),
            _ => Look::NoneLeft { wanted: batch },
        }
    }

    /// The bus is being asked.
    pub(super) fn asks(&mut self, asking: Asking) {
        self.asking = Some(asking);
    }

    /// The bus gave what was taken.
    pub(super) fn got(&mut self, bucket: &Bucket, wanted: u32, taken: Taken, now: Instant) {
        self.asking = None;
        self.tokens = self.tokens.saturating_add(taken.tokens);
        let paid = self.owed.min(self.tokens);
        self.tokens -= paid;
        self.owed -= paid;
        self.known_until = now.checked_add(bucket.refill());
        self.empty_until = match taken.tokens < wanted {
            true => now.checked_add(taken.next),
            false => None,
        };
    }

    /// The bus did not answer.
    pub(super) fn got_nothing(&mut self) {
        self.asking = None;
    }

    /// A token was not needed.
    pub(super) fn put_back(&mut self) {
        self.tokens = self.tokens.saturating_add(1);
    }
}

/// How many tokens a gateway takes at a time.
fn batch(bucket: &Bucket) -> u32 {
    let period = bucket.period.as_micros().max(1);
    let in_advance = u32::try_from(IN_ADVANCE.as_micros() / period).unwrap_or(u32::MAX);
    in_advance.min(bucket.burst / PART).max(1)
}
