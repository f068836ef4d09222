//! What happened: counters and latencies of one thread ([`Recorder`]), by time ([`timeline`]).

pub(crate) mod timeline;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::wire::failure::Failure;
use timeline::Timeline;

/// Most kinds of errors that are told apart.
const MOST_KINDS: usize = 50;

/// A latency above this counts as this: the histogram must end somewhere.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A part of what a client does, beside the call itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Initialize,
    Initialized,
    Call,
    Delete,
}

/// Shared by the clients of one thread; the main thread looks in now and then.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<Mutex<Record>>);

/// Everything that is counted.
pub(crate) struct Record {
    /// From here on latencies count.
    measured_from: Instant,
    /// Calls that were answered with a result, in nanoseconds.
    pub(crate) latency: Histogram<u64>,
    /// How late the tool itself sent what was due, in nanoseconds.
    pub(crate) lateness: Histogram<u64>,
    pub(crate) steps: BTreeMap<Step, Histogram<u64>>,
    pub(crate) timeline: Timeline,
    pub(crate) errors: BTreeMap<Cow<'static, str>, u64>,
    pub(crate) counts: Counts,
    /// When the last call that counts ended.
    pub(crate) last: Option<Instant>,
}

/// Plain counters.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Calls that were answered with a result, those of the ramp included.
    pub(crate) answered: u64,
    /// The part of them that counts for latencies and rates.
    pub(crate) measured: u64,
    /// Calls that were not.
    pub(crate) failed: u64,
    /// Everything that went wrong, the steps around calls included.
    pub(crate) errors: u64,
    pub(crate) events: u64,
    pub(crate) sessions: u64,
    pub(crate) sessions_lost: u64,
    pub(crate) calls_lost: u64,
    pub(crate) events_lost: u64,
    /// Streams of calls that broke, and went on elsewhere.
    pub(crate) calls_resumed: u64,
    /// Session streams that ended, and went on elsewhere.
    pub(crate) streams_resumed: u64,
}

impl Recorder {
    /// `began` is when the clients begin, `measured_from` when the ramp is over; `run` is how long it lasts.
    pub(crate) fn new(began: Instant, measured_from: Instant, run: Duration) -> Self {
        Self(Arc::new(Mutex::new(Record {
            measured_from,
            latency: histogram(),
            lateness: histogram(),
            steps: BTreeMap::new(),
            timeline: Timeline::new(began, run),
            errors: BTreeMap::new(),
            counts: Counts::default(),
            last: None,
        })))
    }

    /// For a thread at a time; nobody panics while holding it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call that was due, or began, at `from`, and was over at `now`.
    pub(crate) fn call(&self, from: Instant, now: Instant, outcome: &Result<(), Failure>) {
        let took = now.saturating_duration_since(from);
        let mut record = self.lock();
        match outcome {
            Ok(()) => {
                record.counts.answered += 1;
                record.timeline.answered(now, took);
                // By its beginning: what waited during the ramp belongs to the ramp.
                if from >= record.measured_from {
                    record.counts.measured += 1;
                    add(&mut record.latency, took);
                    record.last = Some(now);
                }
            }
            Err(failure) => {
                record.counts.failed += 1;
                let lost = failure.loses_call();
                record.counts.calls_lost += u64::from(lost);
                record.timeline.lost(now, u64::from(lost));
                record.error(now, failure.kind());
            }
        }
    }

    /// A step that succeeded.
    pub(crate) fn step(&self, step: Step, began: Instant) {
        let mut record = self.lock();
        let steps = record.steps.entry(step).or_insert_with(histogram);
        add(steps, began.elapsed());
    }

    /// Something beside a call that failed.
    pub(crate) fn failed_step(&self, what: &str, failure: &Failure) {
        let kind = format!("{what}: {}", failure.kind());
        self.lock().error(Instant::now(), kind.into());
    }

    /// What was due and never sent.
    pub(crate) fn unsent(&self, count: u64) {
        if count > 0 {
            let mut record = self.lock();
            record.counts.errors += count;
            let kind = "due and never sent: the server fell behind".into();
            *record.errors.entry(kind).or_default() += count;
        }
    }

    /// How late the tool was by itself.
    pub(crate) fn late(&self, by: Duration) {
        add(&mut self.lock().lateness, by);
    }

    pub(crate) fn events(&self, count: u64) {
        if count > 0 {
            let mut record = self.lock();
            record.counts.events += count;
            record.timeline.events(Instant::now(), count);
        }
    }

    pub(crate) fn opened_session(&self) {
        self.lock().counts.sessions += 1;
    }

    pub(crate) fn lost_session(&self) {
        let mut record = self.lock();
        record.counts.sessions_lost += 1;
        record.timeline.lost(Instant::now(), 1);
    }

    pub(crate) fn lost_events(&self, count: u64) {
        if count > 0 {
            let mut record = self.lock();
            record.counts.events_lost += count;
            record.timeline.lost(Instant::now(), count);
        }
    }

    pub(crate) fn resumed_call(&self) {
        self.lock().counts.calls_resumed += 1;
    }

    pub(crate) fn resumed_stream(&self) {
        self.lock().counts.streams_resumed += 1;
    }
}

impl Record {
    fn error(&mut self, now: Instant, kind: Cow<'static, str>) {
        self.counts.errors += 1;
        self.timeline.error(now);
        let known = self.errors.contains_key(&kind) || self.errors.len() < MOST_KINDS;
        let kind = if known { kind } else { "others".into() };
        *self.errors.entry(kind).or_default() += 1;
    }

    /// The kinds of errors, with how often each came.
    pub(crate) fn errors_by_kind(&self) -> BTreeMap<String, u64> {
        let errors = self.errors.iter();
        errors
            .map(|(kind, count)| (kind.to_string(), *count))
            .collect()
    }

    /// Together with what another thread recorded.
    pub(crate) fn merge(&mut self, other: &Self) {
        sum(&mut self.latency, &other.latency);
        sum(&mut self.lateness, &other.lateness);
        for (step, times) in &other.steps {
            sum(self.steps.entry(*step).or_insert_with(histogram), times);
        }
        self.timeline.merge(&other.timeline);
        for (kind, count) in &other.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        self.counts.add(&other.counts);
        self.last = self.last.max(other.last);
    }
}

impl Counts {
    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            answered,
            measured,
            failed,
            errors,
            events,
            sessions,
            sessions_lost,
            calls_lost,
            events_lost,
            calls_resumed,
            streams_resumed,
        } = other;
        self.answered += answered;
        self.measured += measured;
        self.failed += failed;
        self.errors += errors;
        self.events += events;
        self.sessions += sessions;
        self.sessions_lost += sessions_lost;
        self.calls_lost += calls_lost;
        self.events_lost += events_lost;
        self.calls_resumed += calls_resumed;
        self.streams_resumed += streams_resumed;
    }

    /// Sessions, calls and events together.
    pub(crate) fn lost(&self) -> u64 {
        self.sessions_lost + self.calls_lost + self.events_lost
    }
}

/// Nanoseconds, exact to a thousandth; grows as it has to.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).unwrap_or_else(|_| unreachable!("three digits are allowed"))
}

fn add(histogram: &mut Histogram<u64>, time: Duration) {
    let nanoseconds = u64::try_from(time.min(LONGEST).as_nanos()).unwrap_or(u64::MAX);
    // It grows, so every value has its place.
    let _ = histogram.record(nanoseconds);
}

fn sum(into: &mut Histogram<u64>, other: &Histogram<u64>) {
    // It grows, so every value has its place.
    let _ = into.add(other);
}
