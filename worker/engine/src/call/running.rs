//! The table of calls that run in this process.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use prynai_bus::Claim;
use prynai_bus::ids::{EntryId, GatewayId, StreamId};
use prynai_bus::wire::request::{CallRef, Era};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics::metrics;

/// Cancels remembered for claims that are on their way: the wake-up may overtake the claim.
const EARLY_CANCELS: usize = 1024;

/// Calls that wait for their client's answer without a permit; any more keep theirs.
const PARKING_PLACES: usize = 1024;

/// The calls that run in this process, by stream.
#[derive(Debug)]
pub(crate) struct Running {
    table: Mutex<Table>,
    emptied: Notify,
    parking: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Table {
    calls: HashMap<StreamId, Call>,
    early_cancels: VecDeque<StreamId>,
    closed: bool,
}

#[derive(Debug)]
struct Call {
    entry: EntryId,
    delivery: u32,
    /// The gateway whose connection the call lives by; modern only.
    modern_holder: Option<GatewayId>,
    begun: bool,
    controls: Controls,
}

/// Why a call must end before its handler has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The client does not want the response any more.
    Cancelled,
    /// Another worker owns it, or the bus was away for too long: write nothing more.
    Lost,
    /// It is a task that waits for its client, and costs no worker anything until then.
    Asking,
    /// This process ends; other workers shall have the call.
    HandedBack,
}

/// Reaches into a running call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Controls {
    stopped: CancellationToken,
    reason: Arc<OnceLock<Stop>>,
    mail: Arc<Notify>,
}

/// A place in the table and a permit to run; given up when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    running: Arc<Running>,
    stream: StreamId,
    delivery: u32,
    keeps_place: bool,
    pub(crate) controls: Controls,
    seat: Mutex<Seat>,
    /// When its handler began, and when there was a response.
    began: OnceLock<Instant>,
    responded: OnceLock<Instant>,
    /// When it became a task, Unix milliseconds by the clock of the bus.
    task_since: OnceLock<u64>,
}

/// What a call holds of this worker.
#[derive(Debug)]
enum Seat {
    /// It runs.
    Permit(OwnedSemaphorePermit),
    /// It waits for its client, who may be a person and take minutes: others run meanwhile.
    Parked {
        _place: OwnedSemaphorePermit,
        permits: Arc<Semaphore>,
    },
}

/// Entries that this process holds at its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unfinished {
    /// Their handler was begun.
    pub(crate) begun: Vec<EntryId>,
    /// Their handler was not begun.
    pub(crate) waiting: Vec<EntryId>,
}

// === impl Running ===

impl Default for Running {
    fn default() -> Self {
        Self {
            table: Mutex::default(),
            emptied: Notify::default(),
            parking: Arc::new(Semaphore::new(PARKING_PLACES)),
        }
    }
}

impl Running {
    /// Takes up a claim; `None` for a copy of a request that runs here.
    pub(crate) fn register(
        self: &Arc<Self>,
        claim: &Claim,
        permit: OwnedSemaphorePermit,
    ) -> Option<Slot> {
        let request = &claim.request;
        let stream = request.stream;
        let controls = Controls::default();
        let mut table = self.lock();
        let other = |running: &Call| running.entry != claim.entry;
        if table.calls.get(&stream).is_some_and(other) {
            return None;
        }
        if let Some(at) = table.early_cancels.iter().position(|s| *s == stream) {
            table.early_cancels.remove(at);
            controls.stop(Stop::Cancelled);
        }
        if table.closed {
            controls.stop(Stop::HandedBack);
        }
        let call = Call {
            entry: claim.entry.clone(),
            delivery: claim.delivery,
            modern_holder: (request.era == Era::Modern).then(|| request.holder.clone()),
            begun: false,
            controls: controls.clone(),
        };
        if let Some(older) = table.calls.insert(stream, call) {
            // This worker was silent for longer than its lease and took its own call over.
            older.controls.stop(Stop::Lost);
        }
        table.tell();
        Some(Slot {
            running: Arc::clone(self),
            stream,
            delivery: claim.delivery,
            keeps_place: false,
            controls,
            seat: Mutex::new(Seat::Permit(permit)),
            began: OnceLock::new(),
            responded: OnceLock::new(),
            task_since: OnceLock::new(),
        })
    }

    /// Cancels a call, now or as soon as its claim arrives.
    pub(crate) fn cancel(&self, stream: &StreamId) {
        let mut table = self.lock();
        if let Some(call) = table.calls.get(stream) {
            call.controls.stop(Stop::Cancelled);
            return;
        }
        if table.early_cancels.len() == EARLY_CANCELS {
            table.early_cancels.pop_front();
        }
        table.early_cancels.push_back(*stream);
    }

    /// Tells a call to look into its mailbox.
    pub(crate) fn wake_for_mail(&self, stream: &StreamId) {
        if let Some(call) = self.lock().calls.get(stream) {
            call.controls.mail.notify_one();
        }
    }

    /// The streams of all calls.
    pub(crate) fn streams(&self) -> Vec<StreamId> {
        self.lock().calls.keys().copied().collect()
    }

    /// The entries of all calls.
    pub(crate) fn entries(&self) -> Vec<EntryId> {
        self.lock()
            .calls
            .values()
            .map(|c| c.entry.clone())
            .collect()
    }

    /// The gateways by whose connections modern calls live.
    pub(crate) fn modern_holders(&self) -> HashSet<GatewayId> {
        let table = self.lock();
        let holders = table.calls.values().filter_map(|c| c.modern_holder.clone());
        holders.collect()
    }

    /// The modern calls of one gateway.
    pub(crate) fn modern_calls_of(&self, gateway: &GatewayId) -> Vec<CallRef> {
        let table = self.lock();
        let calls = table.calls.iter();
        calls
            .filter(|(_, call)| call.modern_holder.as_ref() == Some(gateway))
            .map(|(stream, call)| CallRef {
                stream: *stream,
                entry: call.entry.clone(),
            })
            .collect()
    }

    /// Stops all calls, also those that are still to be registered; they keep their places, so that
    /// [`Running::unfinished`] finds them.
    pub(crate) fn stop_all(&self) {
        let mut table = self.lock();
        table.closed = true;
        for call in table.calls.values() {
            call.controls.stop(Stop::HandedBack);
        }
    }

    /// What has not been finished.
    pub(crate) fn unfinished(&self) -> Unfinished {
        let mut unfinished = Unfinished::default();
        for call in self.lock().calls.values() {
            let list = if call.begun {
                &mut unfinished.begun
            } else {
                &mut unfinished.waiting
            };
            list.push(call.entry.clone());
        }
        unfinished
    }

    /// Waits until no call runs.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().calls.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn remove(&self, stream: &StreamId, delivery: u32) {
        let mut table = self.lock();
        if table
            .calls
            .get(stream)
            .is_some_and(|c| c.delivery == delivery)
        {
            table.calls.remove(stream);
        }
        table.tell();
        if table.calls.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Nothing panics while it holds the lock, and a table is never half changed.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Table ===

impl Table {
    /// Lets operators see how many calls there are.
    fn tell(&self) {
        let calls = i64::try_from(self.calls.len()).unwrap_or(i64::MAX);
        metrics().running.set(calls);
    }
}

// === impl Controls ===

impl Controls {
    /// Stops the call; the first reason counts.
    pub(crate) fn stop(&self, reason: Stop) {
        let _ = self.reason.set(reason);
        self.stopped.cancel();
    }

    /// Fires when the call must end.
    pub(crate) fn token(&self) -> &CancellationToken {
        &self.stopped
    }

    /// Waits until the call must end.
    pub(crate) async fn stopped(&self) -> Stop {
        self.stopped.cancelled().await;
        self.reason.get().copied().unwrap_or(Stop::Lost)
    }

    /// Why the call must end, if it must.
    pub(crate) fn reason(&self) -> Option<Stop> {
        self.reason.get().copied()
    }

    /// Waits until there may be mail.
    pub(crate) async fn mail(&self) {
        self.mail.notified().await;
    }
}

// === impl Slot ===

impl Slot {
    /// Notes that the handler begins.
    pub(crate) fn begin(&self) {
        // It begins once.
        let _ = self.began.set(Instant::now());
        if let Some(call) = self.running.lock().calls.get_mut(&self.stream) {
            call.begun = true;
        }
    }

    /// The call became a task at this moment, in Unix milliseconds by the clock of the bus: it lives by no connection.
    pub(crate) fn becomes_task(&self, since_ms: u64) {
        // It becomes one once.
        let _ = self.task_since.set(since_ms);
        if let Some(call) = self.running.lock().calls.get_mut(&self.stream) {
            call.modern_holder = None;
        }
    }

    /// Since when the call is a task, if it is one.
    pub(crate) fn task_since(&self) -> Option<u64> {
        self.task_since.get().copied()
    }

    /// Notes that there is a response, which the bus does not have yet.
    pub(crate) fn has_responded(&self) {
        if let Some(began) = self.began.get() {
            metrics().ran(began.elapsed());
            // It responds once.
            let _ = self.responded.set(Instant::now());
        }
    }

    /// Lets others run until [`Slot::resume`], if there is a parking place.
    pub(crate) fn park(&self) {
        let mut seat = self.seat();
        let Seat::Permit(permit) = &*seat else {
            return;
        };
        if let Ok(place) = Arc::clone(&self.running.parking).try_acquire_owned() {
            let permits = Arc::clone(permit.semaphore());
            *seat = Seat::Parked {
                _place: place,
                permits,
            };
        }
    }

    /// Waits for a permit, unless the call has one.
    pub(crate) async fn resume(&self) {
        let permits = match &*self.seat() {
            Seat::Permit(_) => return,
            Seat::Parked { permits, .. } => Arc::clone(permits),
        };
        // The semaphore is never closed.
        if let Ok(permit) = permits.acquire_owned().await {
            *self.seat() = Seat::Permit(permit);
        }
    }

    fn seat(&self) -> MutexGuard<'_, Seat> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the permit up but leaves the entry to be handed back.
    pub(crate) fn keep_place(mut self) {
        self.keeps_place = true;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if !self.keeps_place {
            if let Some(responded) = self.responded.get() {
                metrics().delivered(responded.elapsed());
            }
            self.running.remove(&self.stream, self.delivery);
        }
    }
}
