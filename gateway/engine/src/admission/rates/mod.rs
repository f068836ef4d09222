//! How often a caller may do something. The tokens of a bucket are on the bus, for all gateways; each gateway takes
//! some at a time and spends them here ([`lease`]), so that a call waits for none of it.

mod lease;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use prynai_bus::{Bucket, BusError, RateLimiter};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::lease::{Lease, Look};
use crate::refusal::RequestError;

/// Buckets in one generation; there are two.
const GENERATION: usize = 5_000;

/// What the bus says, for all who wait for it.
type Asking = Shared<BoxFuture<'static, Result<(), Arc<str>>>>;

/// A limit that a request counts against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The name of the limit in the policy.
    pub(crate) rule: Arc<str>,
    /// The rate as the policy has it, such as `10/s`.
    pub(crate) rate: Arc<str>,
    pub(crate) bucket: Bucket,
}

/// The limits of this gateway. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Rates(Arc<Inner>);

struct Inner {
    limiter: Arc<dyn RateLimiter>,
    leases: Mutex<Generations>,
}

/// Whatever is used moves to the young; what was not used while a whole generation came is forgotten.
#[derive(Default)]
struct Generations {
    young: HashMap<String, Lease>,
    old: HashMap<String, Lease>,
}

impl Rates {
    /// Limits whose tokens come from the bus.
    pub(crate) fn new(limiter: Arc<dyn RateLimiter>) -> Self {
        let leases = Mutex::default();
        Self(Arc::new(Inner { limiter, leases }))
    }

    /// Counts a request against all of these limits, or against none.
    ///
    /// # Errors
    ///
    /// [`RequestError::RateLimited`] by the first one of which there is no token, and when the bus had to be asked and
    /// is away.
    pub(crate) async fn take(&self, counted: &[Counted]) -> Result<(), RequestError> {
        for (index, one) in counted.iter().enumerate() {
            if let Err(error) = self.take_one(one).await {
                let mut leases = self.0.lock();
                for taken in &counted[..index] {
                    leases.of(&taken.bucket).put_back();
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn take_one(&self, counted: &Counted) -> Result<(), RequestError> {
        loop {
            let asking = match self.step(&counted.bucket) {
                Step::Taken => return Ok(()),
                Step::Empty(wait) => return Err(refusal(counted, wait)),
                Step::Wait(asking) => asking,
            };
            let told = asking.await;
            told.map_err(|reason| BusError::Unavailable(reason.to_string()))?;
        }
    }

    /// Looks into the lease of a bucket, and asks the bus where that is due.
    fn step(&self, bucket: &Bucket) -> Step {
        let mut leases = self.0.lock();
        let lease = leases.of(bucket);
        match lease.take(bucket, Instant::now()) {
            Look::Taken => Step::Taken,
            Look::TakenLast { wanted } => {
                // It goes on by itself.
                drop(self.ask(lease, bucket, wanted));
                Step::Taken
            }
            Look::NoneLeft { wanted } => Step::Wait(self.ask(lease, bucket, wanted)),
            Look::Asked(asking) => Step::Wait(asking),
            Look::Empty(wait) => Step::Empty(wait),
        }
    }

    /// Asks for tokens, in a task of its own: the request that began it may go away.
    fn ask(&self, lease: &mut Lease, bucket: &Bucket, wanted: u32) -> Asking {
        let (tell, told) = oneshot::channel();
        let told = told.map(|told| told.unwrap_or_else(|_| Err("nobody asks the bus".into())));
        let asking = told.boxed().shared();
        lease.asks(asking.clone());
        let (inner, bucket) = (Arc::clone(&self.0), bucket.clone());
        tokio::spawn(async move {
            let taken = inner.limiter.take(&bucket, wanted).await;
            let mut leases = inner.lock();
            let lease = leases.of(&bucket);
            let told = match taken {
                Ok(taken) => {
                    lease.got(&bucket, wanted, taken, Instant::now());
                    Ok(())
                }
                Err(error) => {
                    lease.got_nothing();
                    Err(error.to_string().into())
                }
            };
            drop(leases);
            // Perhaps nobody waits for it.
            let _ = tell.send(told);
        });
        asking
    }
}

/// What becomes of one request at one bucket.
enum Step {
    Taken,
    Empty(Duration),
    Wait(Asking),
}

fn refusal(counted: &Counted, wait: Duration) -> RequestError {
    RequestError::RateLimited {
        rule: Arc::clone(&counted.rule),
        rate: Arc::clone(&counted.rate),
        wait,
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn of(&mut self, bucket: &Bucket) -> &mut Lease {
        let name = &bucket.name;
        if !self.young.contains_key(name) {
            let lease = self.old.remove(name).unwrap_or_default();
            if self.young.len() >= GENERATION {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(name.clone(), lease);
        }
        self.young.entry(name.clone()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use prynai_bus::{BusLimits, Taken};
    use prynai_memory_bus::MemoryBus;

    use super::*;

    fn counted(name: &str, burst: u32) -> Counted {
        Counted {
            rule: "few".into(),
            rate: "10/s".into(),
            bucket: Bucket {
                name: name.to_owned(),
                period: Duration::from_millis(100),
                burst,
            },
        }
    }

    fn gateways(count: usize) -> Vec<Rates> {
        let bus = MemoryBus::new(BusLimits::default());
        (0..count).map(|_| Rates::new(bus.clone())).collect()
    }

    async fn is_taken(rates: &Rates, counted: &Counted) -> bool {
        match rates.take(std::slice::from_ref(counted)).await {
            Ok(()) => true,
            Err(RequestError::RateLimited { wait, .. }) => {
                assert!(wait <= Duration::from_millis(100), "{wait:?}");
                false
            }
            Err(other) => panic!("{other}"),
        }
    }

    async fn taken(rates: &[Rates], counted: &Counted, attempts: usize) -> usize {
        let mut taken = 0;
        for attempt in 0..attempts {
            taken += usize::from(is_taken(&rates[attempt % rates.len()], counted).await);
        }
        taken
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_through_and_then_the_rate_over_all_gateways() {
        let (rates, limit) = (gateways(3), counted("all", 20));
        let first = taken(&rates, &limit, 200).await;
        // One more for each gateway that had not asked yet.
        assert!((20..=23).contains(&first), "{first}");
        let mut later = 0;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            later += taken(&rates, &limit, 30).await;
        }
        assert!((90..=101).contains(&later), "{later} in ten seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_burst_is_one_for_all_gateways() {
        let (rates, limit) = (gateways(4), counted("one", 1));
        let mut through = 0;
        for _ in 0..50 {
            through += taken(&rates, &limit, 8).await;
            tokio::time::sleep(Duration::from_millis(101)).await;
        }
        assert!((45..=51).contains(&through), "{through} in five seconds");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_stays_below_the_rate_is_never_refused() {
        let (rates, limit) = (gateways(2), counted("slow", 5));
        for second in 0..200 {
            assert!(is_taken(&rates[second % 2], &limit).await, "{second}");
            tokio::time::sleep(Duration::from_millis(110)).await;
        }
    }

    /// Counts how often it is asked.
    struct Asked(Arc<MemoryBus>, AtomicUsize);

    #[async_trait]
    impl RateLimiter for Asked {
        async fn take(&self, bucket: &Bucket, wanted: u32) -> Result<Taken, BusError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.take(bucket, wanted).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_bus_is_rarely_asked() {
        let bus = MemoryBus::new(BusLimits::default());
        let asked = Arc::new(Asked(bus, AtomicUsize::new(0)));
        let rates = Rates::new(asked.clone());
        let limit = counted("wide", 1000);
        for _ in 0..500 {
            assert!(is_taken(&rates, &limit).await);
            tokio::time::sleep(Duration::from_millis(101)).await;
        }
        let count = asked.1.load(Ordering::Relaxed);
        assert!(count <= 500 / 2, "{count} times for 500 requests");
        // Of an empty bucket it is known for how long it is empty.
        taken(std::slice::from_ref(&rates), &limit, 2000).await;
        let before = asked.1.load(Ordering::Relaxed);
        assert_eq!(taken(std::slice::from_ref(&rates), &limit, 10_000).await, 0);
        assert_eq!(asked.1.load(Ordering::Relaxed), before);
    }

    /// Of which no answer comes.
    struct Away;

    #[async_trait]
    impl RateLimiter for Away {
        async fn take(&self, _: &Bucket, _: u32) -> Result<Taken, BusError> {
            Err(BusError::Unavailable("away".to_owned()))
        }
    }

    #[tokio::test]
    async fn a_bus_that_is_away_is_told_and_asked_again() {
        let rates = Rates::new(Arc::new(Away));
        let limit = [counted("any", 10)];
        // The first one does not wait for the bus; whether it is there the queue finds out.
        assert!(rates.take(&limit).await.is_ok());
        let second = rates.take(&limit).await;
        assert!(
            matches!(second, Err(RequestError::Bus(BusError::Unavailable(_)))),
            "{second:?}"
        );
        assert!(rates.take(&limit).await.is_ok(), "asked anew");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_counts_against_all_limits_or_none() {
        let rates = &gateways(1)[0];
        let (wide, narrow) = (counted("wide", 10), counted("narrow", 1));
        let both = [wide.clone(), narrow];
        assert!(rates.take(&both).await.is_ok());
        for _ in 0..50 {
            assert!(rates.take(&both).await.is_err());
        }
        assert_eq!(taken(std::slice::from_ref(rates), &wide, 50).await, 9);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_known_of_buckets_has_a_bound() {
        let rates = &gateways(1)[0];
        for number in 0..3 * GENERATION {
            assert!(is_taken(rates, &counted(&number.to_string(), 1)).await);
        }
        let leases = rates.0.lock();
        assert!(leases.young.len() + leases.old.len() <= 2 * GENERATION);
    }
}
