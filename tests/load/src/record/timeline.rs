//! What happened, second by second.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Most parts that a run is cut into.
const MOST: u32 = 1_200;

/// Counters for each part of the run.
pub(crate) struct Timeline {
    began: Instant,
    /// How many parts the run itself has.
    parts: usize,
    /// The length of a part: whole seconds.
    pub(crate) bucket: Duration,
    pub(crate) buckets: Vec<Bucket>,
}

/// One part.
#[derive(Default)]
pub(crate) struct Bucket {
    pub(crate) answered: u64,
    pub(crate) errors: u64,
    pub(crate) events: u64,
    pub(crate) lost: u64,
    /// In microseconds, exact to a hundredth; `None` if nothing was answered.
    pub(crate) latency: Option<Histogram<u32>>,
}

/// How long a part of a run of this length is.
fn bucket(run: Duration) -> Duration {
    let seconds = run.as_secs_f64() / f64::from(MOST);
    Duration::from_secs(seconds.ceil().max(1.0) as u64)
}

impl Timeline {
    pub(crate) fn new(began: Instant, run: Duration) -> Self {
        let bucket = bucket(run);
        Self {
            began,
            parts: (run.as_secs_f64() / bucket.as_secs_f64()).ceil() as usize,
            bucket,
            buckets: Vec::new(),
        }
    }

    pub(crate) fn answered(&mut self, now: Instant, took: Duration) {
        let bucket = self.at(now);
        bucket.answered += 1;
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let latency = bucket.latency.get_or_insert_with(histogram);
        // It grows, so every value has its place.
        let _ = latency.record(microseconds);
    }

    pub(crate) fn error(&mut self, now: Instant) {
        self.at(now).errors += 1;
    }

    pub(crate) fn events(&mut self, now: Instant, count: u64) {
        self.at(now).events += count;
    }

    pub(crate) fn lost(&mut self, now: Instant, count: u64) {
        if count > 0 {
            self.at(now).lost += count;
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets
                .resize_with(other.buckets.len(), Bucket::default);
        }
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            ours.merge(theirs);
        }
    }

    fn at(&mut self, now: Instant) -> &mut Bucket {
        let since = now.saturating_duration_since(self.began);
        let index = since.as_secs_f64() / self.bucket.as_secs_f64();
        // The last answers come a moment after the end. If they come much later, that should be seen.
        let is_late = index > self.parts as f64 + 0.5;
        let most = if is_late {
            2 * MOST as usize
        } else {
            self.parts.max(1) - 1
        };
        let index = (index as usize).min(most);
        if self.buckets.len() <= index {
            self.buckets.resize_with(index + 1, Bucket::default);
        }
        &mut self.buckets[index]
    }
}

impl Bucket {
    pub(crate) fn merge(&mut self, other: &Self) {
        self.answered += other.answered;
        self.errors += other.errors;
        self.events += other.events;
        self.lost += other.lost;
        if let Some(theirs) = &other.latency {
            // It grows, so every value has its place.
            let _ = self.latency.get_or_insert_with(histogram).add(theirs);
        }
    }

    /// A quantile of the latency, such as 0.95, in milliseconds.
    pub(crate) fn milliseconds(&self, quantile: f64) -> Option<f64> {
        let latency = self.latency.as_ref()?;
        Some(latency.value_at_quantile(quantile) as f64 / 1e3)
    }
}

fn histogram() -> Histogram<u32> {
    Histogram::new(2).unwrap_or_else(|_| unreachable!("two digits are allowed"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_long_parts() {
        assert_eq!(bucket(Duration::from_secs(10)), Duration::from_secs(1));
        assert_eq!(bucket(Duration::from_secs(1_201)), Duration::from_secs(2));
    }

    #[test]
    fn what_threads_saw_at_the_same_time_belongs_together() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let run = Duration::from_secs(3);
        let mut one = Timeline::new(began, run);
        one.answered(at(0), Duration::from_millis(1));
        let mut other = Timeline::new(began, run);
        other.answered(at(0), Duration::from_millis(3));
        other.error(at(2));
        other.error(at(3));
        one.merge(&other);
        let counts = one.buckets.iter().map(|b| (b.answered, b.errors));
        assert_eq!(counts.collect::<Vec<_>>(), [(2, 0), (0, 0), (0, 2)]);
        assert_eq!(one.buckets[0].latency.as_ref().map(Histogram::len), Some(2));
    }
}
