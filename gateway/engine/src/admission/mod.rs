//! How much one caller may have under way at this gateway, so that no caller keeps others out: of its share
//! ([`share`]) as the [`limits`] say. A crowd waits for its [`turns`] at the bus.

pub(crate) mod limits;
pub(crate) mod rates;
mod share;
pub(crate) mod turns;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use prynai_bus::{BusError, RequestQueue};
use prynai_process::outage::Alarm;

use crate::refusal::RequestError;

use limits::LimitSettings;
pub(crate) use share::{Share, network};

/// Admits calls and streams within each caller's share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Admission(Arc<Shares>);

struct Shares {
    queue: Arc<dyn RequestQueue>,
    queue_limit: usize,
    caller_limit: usize,
    caller_streams: usize,
    caller_bytes: usize,
    calls: Arc<Tally>,
    bytes: Arc<Tally>,
    errands: Arc<Tally>,
    resumed: Arc<Tally>,
    streams: Arc<Tally>,
    /// The queue is full: told each time that it fills up.
    full: Alarm,
}

#[derive(Default)]
struct Tally(Mutex<HashMap<Share, usize>>);

/// What a request takes of its caller's share, until it is dropped.
pub(crate) struct Permit {
    _place: Option<Taken>,
    bytes: Vec<Taken>,
}

/// A part of a caller's share.
struct Taken {
    tally: Arc<Tally>,
    share: Share,
    amount: usize,
}

// === impl Admission ===

impl Admission {
    pub(crate) fn new(queue: Arc<dyn RequestQueue>, limits: &LimitSettings) -> Self {
        Self(Arc::new(Shares {
            queue,
            queue_limit: limits.queue_limit.get(),
            caller_limit: limits.caller_limit.get(),
            caller_streams: limits.caller_streams.get(),
            caller_bytes: limits.caller_bytes,
            bytes: Arc::default(),
            calls: Arc::default(),
            errands: Arc::default(),
            resumed: Arc::default(),
            streams: Arc::default(),
            full: Alarm::default(),
        }))
    }

    /// Room for one more call: a caller may have as many as the queue has room left, so the first one
    /// to fill the queue leaves the other half of it to the others (Choudhury and Hahne, "Dynamic
    /// queue length thresholds", 1998).
    ///
    /// Its message, of so many bytes, counts to `bytes_of`: the share of its caller, who may have several sessions.
    pub(crate) async fn call(
        &self,
        calls_of: Share,
        bytes_of: Share,
        bytes: usize,
    ) -> Result<Permit, RequestError> {
        let shares = &self.0;
        let bytes = self.take_bytes(bytes_of, bytes)?;
        let own = shares.calls.count(&calls_of);
        if own >= shares.caller_limit {
            return Err(RequestError::CallerBusy);
        }
        let room = self.room(own + 1).await?;
        let most = shares.caller_limit.min(room);
        let place = Tally::take(&shares.calls, calls_of, 1, most);
        let place = place.ok_or(RequestError::CallerBusy)?;
        Ok(Permit {
            _place: Some(place),
            bytes: vec![bytes],
        })
    }

    /// Room for a message of so many bytes.
    pub(crate) fn bytes(&self, share: Share, bytes: usize) -> Result<Permit, RequestError> {
        Ok(Permit {
            _place: None,
            bytes: vec![self.take_bytes(share, bytes)?],
        })
    }

    /// Room for the result of a task, which was promised: one that is larger than all that its caller may have goes
    /// alone.
    pub(crate) fn result(&self, share: Share, bytes: usize) -> Result<Permit, RequestError> {
        self.bytes(share, bytes.min(self.0.caller_bytes))
    }

    fn take_bytes(&self, share: Share, bytes: usize) -> Result<Taken, RequestError> {
        let most = self.0.caller_bytes;
        let taken = Tally::take(&self.0.bytes, share, bytes, most);
        taken.ok_or(RequestError::CallerBytes { limit: most })
    }

    /// Room for a notification: only in the first half of the queue, as its sender waits for no answer. The second half
    /// is for calls.
    pub(crate) async fn notification(&self) -> Result<(), RequestError> {
        let half = self.0.queue_limit.div_ceil(2);
        match self.room(half).await? {
            room if room >= half => Ok(()),
            _ => Err(self.full()),
        }
    }

    /// Room for one more request that no worker sees but the bus: as many as calls, and apart from these, since it
    /// takes one to cancel a call.
    pub(crate) fn errand(&self, share: Share) -> Result<Permit, RequestError> {
        let most = self.0.caller_limit;
        let place = Tally::take(&self.0.errands, share, 1, most);
        place.map(Permit::of).ok_or(RequestError::CallerBusy)
    }

    /// Room for the rest of the answer to a call: as many as calls, and apart from these and from other streams. The
    /// call was let in before, and when a gateway stops, all that it held come to another one at once.
    pub(crate) fn resumed(&self, share: Share) -> Result<Permit, RequestError> {
        let most = self.0.caller_limit;
        let place = Tally::take(&self.0.resumed, share, 1, most);
        place.map(Permit::of).ok_or(RequestError::CallerBusy)
    }

    /// Room for one more open stream that is not the answer to a call.
    pub(crate) fn stream(&self, share: Share) -> Result<Permit, RequestError> {
        let most = self.0.caller_streams;
        let place = Tally::take(&self.0.streams, share, 1, most);
        place.map(Permit::of).ok_or(RequestError::CallerStreams)
    }

    async fn room(&self, wanted: usize) -> Result<usize, RequestError> {
        let room = self.0.queue.queue_room(wanted).await?;
        if room == 0 {
            if self.0.full.raise() {
                tracing::warn!(
                    limit = self.0.queue_limit,
                    "the request queue is full, so requests are refused: add workers, or raise --queue-limit"
                );
            }
            return Err(self.full());
        }
        if self.0.full.clear() {
            tracing::info!("the request queue has room again");
        }
        Ok(room)
    }

    fn full(&self) -> RequestError {
        let limit = self.0.queue_limit;
        BusError::QueueFull { limit }.into()
    }
}

// === impl Tally ===

impl Tally {
    fn count(&self, share: &Share) -> usize {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(share).copied().unwrap_or(0)
    }

    /// So much more of a share, unless more than `most` of it were then taken.
    fn take(this: &Arc<Self>, share: Share, amount: usize, most: usize) -> Option<Taken> {
        let mut counts = this.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.get(&share).copied().unwrap_or(0);
        let sum = own.saturating_add(amount);
        if sum > most {
            return None;
        }
        counts.insert(share.clone(), sum);
        Some(Taken {
            tally: this.clone(),
            share,
            amount,
        })
    }
}

impl Permit {
    fn of(place: Taken) -> Self {
        Self {
            _place: Some(place),
            bytes: Vec::new(),
        }
    }

    /// Takes more for the same request.
    pub(crate) fn add(&mut self, mut more: Self) {
        self.bytes.append(&mut more.bytes);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut counts = self.tally.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = counts.get_mut(&self.share) {
            *own -= self.amount;
            if *own == 0 {
                counts.remove(&self.share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Share {
        Share::at(address.parse().unwrap())
    }

    #[test]
    fn a_share_is_a_callers_own_and_comes_back() {
        let tally = Arc::default();
        let first = Tally::take(&tally, at("192.0.2.1"), 3, 4);
        assert!(first.is_some());
        assert!(Tally::take(&tally, at("192.0.2.1"), 2, 4).is_none());
        assert!(Tally::take(&tally, at("192.0.2.1"), 1, 4).is_some());
        assert!(Tally::take(&tally, at("192.0.2.2"), 4, 4).is_some());
        drop(first);
        assert!(Tally::take(&tally, at("192.0.2.1"), 4, 4).is_some());
        assert!(tally.0.lock().unwrap().is_empty());
    }

    #[test]
    fn one_network_has_one_share() {
        assert_eq!(at("2001:db8::1"), at("2001:db8::2:3"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.1"), at("192.0.2.1"));
        assert_ne!(at("192.0.2.1"), at("192.0.2.2"));
    }
}
