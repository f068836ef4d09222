//! A fleet whose worker processes the autoscaler starts and ends.

use std::time::Duration;

use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::PATIENCE;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::autoscaler::{Autoscaler, Scale};
use super::scaler::{Metric, Rule, ScalerError, Stream};
use super::timeline::{Look, Timeline};

/// Requests that one worker runs at the same time.
pub(super) const CONCURRENCY: i64 = 4;

/// How often the queue is looked at. Azure Container Apps does so every five seconds: all is 25 times as fast here.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// As the template has it, but for the time.
const SCALE: Scale = Scale {
    most: 6,
    cooldown: Duration::from_secs(2),
    stabilisation: Duration::from_secs(2),
};

/// What a running request is given when its worker is to end: longer than all but the long call take.
const GRACE: &str = "5s";

/// Looks for which a request may wait while no worker is wanted.
const MOST_IDLE_LOOKS: usize = 10;

/// The rules do not do what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A request waits, and no worker is wanted.
    NobodyIsWoken,
    /// The last worker was told to end while there were requests.
    ScaledAway { waiting: Option<i64>, running: i64 },
    /// Redis does not know the lag, and no other rule sees a request.
    NothingIsKnown,
}

/// Gateways, Redis, and the workers that there are at the moment.
pub(super) struct Fleet {
    pub(super) cluster: Cluster,
    pub(super) timeline: Timeline,
    rules: Vec<Rule>,
    autoscaler: Autoscaler,
    /// The oldest first.
    workers: Vec<Process>,
    leaving: Vec<Process>,
    begun: Instant,
    looks: Interval,
    idle_looks: usize,
}

impl Fleet {
    /// Without any worker; nobody has ever read from its queue.
    pub(super) async fn start(rules: &[Rule]) -> Self {
        let concurrency = CONCURRENCY.to_string();
        let args = ["--concurrency", &concurrency, "--drain-timeout", GRACE];
        let cluster = Cluster::new().workers(0).worker_args(&args).start().await;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            cluster,
            timeline: Timeline::default(),
            rules: rules.to_vec(),
            autoscaler: Autoscaler::new(SCALE),
            workers: Vec::new(),
            leaving: Vec::new(),
            begun: Instant::now(),
            looks,
            idle_looks: 0,
        }
    }

    /// Lets the autoscaler work until something is done, or it makes a mistake.
    pub(super) async fn during<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Fault> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                _ = self.looks.tick() => self.look().await?,
            };
        }
    }

    /// Lets the autoscaler work until a look shows something.
    pub(super) async fn until(
        &mut self,
        what: &str,
        shows: impl Fn(&Look) -> bool,
    ) -> Result<(), Fault> {
        let begun = Instant::now();
        loop {
            self.looks.tick().await;
            if shows(&self.look().await?) {
                return Ok(());
            }
            let timeline = &self.timeline;
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{timeline}");
        }
    }

    /// Lets the autoscaler work for some looks, of which each must show something.
    pub(super) async fn stays(
        &mut self,
        looks: usize,
        shows: impl Fn(&Look) -> bool,
    ) -> Result<(), Fault> {
        for _ in 0..looks {
            self.looks.tick().await;
            let look = self.look().await?;
            assert!(shows(&look), "{look:?}\n{}", self.timeline);
        }
        Ok(())
    }

    /// Says in the timeline that something begins.
    pub(super) fn begins(&mut self, what: &'static str) {
        self.timeline.begins(self.begun.elapsed(), what);
    }

    /// How many looks the last worker has to be idle for.
    pub(super) fn cooldown_looks() -> usize {
        (SCALE.cooldown.as_millis() / LOOK_EVERY.as_millis()) as usize
    }

    async fn look(&mut self) -> Result<Look, Fault> {
        let stream = Stream::look(&self.cluster.redis).await;
        let now = self.begun.elapsed();
        let metrics: Vec<Result<Metric, ScalerError>> =
            self.rules.iter().map(|rule| rule.metric(stream)).collect();
        let before = self.workers.len();
        let wanted = self.autoscaler.look(now, &metrics);
        self.leaving.retain_mut(|worker| !worker.has_ended());
        let look = Look {
            at: now,
            waiting: stream.waiting(),
            running: stream.running(),
            wanted,
            leaving: self.leaving.len(),
        };
        self.timeline.looks.push(look);
        self.judge(&look, before)?;
        while self.workers.len() < wanted {
            self.workers.push(self.cluster.further_worker().await);
        }
        // Kubernetes ends those first that it started last.
        for worker in self.workers.drain(wanted..) {
            worker.signal("-TERM");
            self.leaving.push(worker);
        }
        Ok(look)
    }

    fn judge(&mut self, look: &Look, before: usize) -> Result<(), Fault> {
        let (waiting, running) = (look.waiting, look.running);
        if waiting.is_none() && running == 0 {
            return Err(Fault::NothingIsKnown);
        }
        let has_work = running > 0 || waiting.is_some_and(|waiting| waiting > 0);
        if look.wanted > 0 || !has_work {
            self.idle_looks = 0;
            return Ok(());
        }
        if before > 0 {
            return Err(Fault::ScaledAway { waiting, running });
        }
        self.idle_looks += 1;
        match self.idle_looks > MOST_IDLE_LOOKS {
            true => Err(Fault::NobodyIsWoken),
            false => Ok(()),
        }
    }
}
