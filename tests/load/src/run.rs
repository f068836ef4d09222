//! A run: one call as a trial, then all clients until the time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clients::client::{live, try_once};
use crate::clients::pace::{OpenLoop, Pace, Plan};
use crate::clients::surroundings::Surroundings;
use crate::clients::token::Tokens;
use crate::clients::wording::Wording;
use crate::open_files;
use crate::record::timeline::Bucket;
use crate::record::{Counts, Recorder};
use crate::report::Report;
use crate::settings::Settings;
use crate::wire::connect::Connector;

/// How often whoever watches is told.
const TICK: Duration = Duration::from_millis(200);

/// Why nothing was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable(pub String);

/// How far a run is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since its beginning.
    pub elapsed: Duration,
    /// How long it lasts; the last answers may come later.
    pub total: Duration,
    /// Calls that were answered.
    pub answered: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Notifications that came.
    pub events: u64,
    /// What went wrong.
    pub errors: u64,
    /// Sessions, calls and events that were lost.
    pub lost: u64,
    /// 95th percentile of the latest part of the run, in milliseconds.
    pub p95_ms: Option<f64>,
}

/// Runs the load; `watch` hears several times a second how far it is. Ends early when `stop` is cancelled, with what
/// was measured until then.
///
/// # Errors
///
/// When the settings cannot be used, or the one call before the load fails.
pub async fn run(
    settings: &Settings,
    stop: &CancellationToken,
    mut watch: impl FnMut(Progress),
) -> Result<Report, Unusable> {
    let (load, url) = (&settings.load, &settings.url);
    let clients = load.clients.get();
    open_files::check(clients, load.mode).map_err(Unusable)?;
    let connector = Connector::new(url.clone(), settings.identity.ca.as_deref());
    let connector = Arc::new(connector.map_err(Unusable)?);
    let tokens = Arc::new(Tokens::read(&settings.identity).map_err(Unusable)?);
    let wording = Arc::new(Wording::new(url.clone(), &settings.request));
    let around = |recorder| Surroundings {
        connector: connector.clone(),
        wording: wording.clone(),
        tokens: tokens.clone(),
        recorder,
        timeout: load.timeout,
        stream: !load.no_stream,
    };
    let total = load.ramp + load.duration;
    let now = Instant::now();
    try_once(load.mode, &around(Recorder::new(now, now, total)))
        .await
        .map_err(|failure| Unusable(format!("the first call at {url}: {}", failure.kind())))?;

    let began = Instant::now();
    let (measured_from, end) = (began + load.ramp, began + total);
    let schedule = load.rate.map(|rate| {
        let ramp = load.ramp;
        let plan = Plan {
            began,
            ramp,
            end,
            rate,
        };
        OpenLoop::start(plan, clients)
    });
    let pace = match &schedule {
        Some(schedule) => Pace::open(stop.clone(), schedule.clone()),
        None => Pace::closed(end, stop.clone(), load.think),
    };
    let threads = load.threads.get().min(clients);
    let recorders: Vec<_> = (0..threads)
        .map(|_| Recorder::new(began, measured_from, total))
        .collect();
    let mut running = JoinSet::new();
    for (thread, recorder) in recorders.iter().enumerate() {
        let (around, pace, mode, ramp) =
            (around(recorder.clone()), pace.clone(), load.mode, load.ramp);
        running.spawn_blocking(move || {
            let runtime = Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else {
                return;
            };
            runtime.block_on(async {
                let mut living = JoinSet::new();
                for number in (thread..clients).step_by(threads) {
                    let after = ramp.mul_f64(number as f64 / clients as f64);
                    let (around, pace) = (around.clone(), pace.clone());
                    living.spawn(live(mode, number, around, pace, began, after));
                }
                while living.join_next().await.is_some() {}
            });
        });
    }
    let mut ticks = tokio::time::interval(TICK);
    loop {
        tokio::select! {
            ended = running.join_next() => if ended.is_none() { break },
            _ = ticks.tick() => watch(progress(&recorders, began, total)),
        }
    }
    let over = Instant::now().min(end);
    if let Some(schedule) = &schedule {
        recorders[0].unsent(schedule.left(over));
    }
    let merged = Recorder::new(began, measured_from, total);
    {
        let mut merged = merged.lock();
        for recorder in &recorders {
            merged.merge(&recorder.lock());
        }
    }
    let merged = merged.lock();
    Ok(Report::new(settings, &merged, measured_from, over))
}

fn progress(recorders: &[Recorder], began: Instant, total: Duration) -> Progress {
    let mut counts = Counts::default();
    let mut latest = Bucket::default();
    for recorder in recorders {
        let record = recorder.lock();
        counts.add(&record.counts);
        if let Some(bucket) = record.timeline.buckets.last() {
            latest.merge(bucket);
        }
    }
    Progress {
        elapsed: began.elapsed(),
        total,
        answered: counts.answered,
        sessions: counts.sessions,
        events: counts.events,
        errors: counts.errors,
        lost: counts.lost(),
        p95_ms: latest.milliseconds(0.95),
    }
}
