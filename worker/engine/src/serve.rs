//! How the roles of a worker start, and how they stop.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::wire::signal::Signal;
use prynai_bus::{Bus, NewsReceiver};
use prynai_process::lifecycle::Shutdown;
use prynai_process::outage::Alarm;
use rmcp::ServerHandler;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::call::audit::Audit;
use crate::call::call_bus::CallPorts;
use crate::call::changes::ChangePublisher;
use crate::call::ending::FinishQueue;
use crate::call::event_queue::EventQueue;
use crate::call::event_shares::EventShares;
use crate::call::gone_holders::GoneHolders;
use crate::call::messages::visibility_filter::Filters;
use crate::call::runner::CallRunner;
use crate::config::WorkerConfig;
use crate::metrics::metrics;
use crate::roles::appender::Appender;
use crate::roles::brief_logs::BriefLogs;
use crate::roles::catalog_announcer::{CatalogAnnouncer, Tools};
use crate::roles::drain_notice::DrainNotice;
use crate::roles::finisher::{EndingWriter, Finisher};
use crate::roles::holder_watch::HolderWatch;
use crate::roles::intake::Intake;
use crate::roles::lease_keeper::LeaseKeeper;
use crate::roles::processor::Processor;
use crate::roles::reclaimer::{Reclaimer, Reserve};
use crate::roles::signal_listener::{SignalListener, subscribe};
use crate::roles::worker::Worker;

/// How long responses are kept while the bus is away: longer than any outage that somebody works to end. In the end the
/// fencing token decides whether they still count.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What each of the last steps may take after the hard stop.
const LAST_STEP: Duration = Duration::from_secs(1);

/// Serves requests from `bus` with `handler` until `shutdown`.
///
/// After the soft stop nothing new is begun and running calls may finish; after the hard stop what
/// is left is handed back to other workers. Returns when nothing is left to do.
pub async fn serve<H: ServerHandler>(
    handler: H,
    bus: Arc<dyn Bus>,
    config: WorkerConfig,
    shutdown: Shutdown,
) {
    metrics()
        .concurrency
        .set(i64::try_from(config.concurrency).unwrap_or(i64::MAX));
    config.health.serves(bus.clone(), shutdown.clone());
    let worker = Arc::new(Worker {
        config,
        requests: bus.clone(),
        signals: bus.clone(),
        running: Arc::default(),
        tasks: TaskTracker::new(),
        shutdown,
    });
    let handler = Arc::new(handler);
    let (announcer, tools) = CatalogAnnouncer::new(Arc::clone(&handler), bus.clone(), bus.clone());
    let leases = LeaseKeeper(Arc::clone(&worker));
    let prepared = async {
        let news = subscribe(&worker).await;
        leases.begin().await;
        announcer.announce_first().await;
        news
    };
    let news = tokio::select! {
        () = worker.shutdown.soft().cancelled() => return sign_off(&worker).await,
        news = prepared => news,
    };
    let prepared = Prepared {
        handler,
        announcer,
        tools,
        leases,
        news,
    };
    let roles = Roles::start(&worker, &bus, prepared);
    roles.until_stopped(&worker).await;
}

/// What is there before the first claim.
struct Prepared<H> {
    handler: Arc<H>,
    announcer: CatalogAnnouncer<H>,
    tools: watch::Receiver<Tools>,
    leases: LeaseKeeper,
    news: NewsReceiver<Signal>,
}

/// The long-running roles, in the order in which they stop.
#[derive(Default)]
struct Roles {
    /// End by themselves after the soft stop.
    intake: JoinSet<()>,
    /// Appender and finisher: they end by themselves once nobody can write anything any more.
    writers: JoinSet<()>,
    /// Run for as long as anything runs.
    support: JoinSet<()>,
}

impl Roles {
    fn start<H: ServerHandler>(
        worker: &Arc<Worker>,
        bus: &Arc<dyn Bus>,
        prepared: Prepared<H>,
    ) -> Self {
        let mut roles = Self::default();
        let config = &worker.config;
        let gone_holders = GoneHolders::default();
        let announce_again = prepared.announcer.again();
        roles.support.spawn(prepared.announcer.run());
        let leases = prepared.leases;
        roles.support.spawn(leases.clone().run(Arc::clone(bus)));
        let holder_watch = HolderWatch {
            worker: Arc::clone(worker),
            liveness: bus.clone(),
            gone: gone_holders.clone(),
        };
        roles.support.spawn(holder_watch.run());
        let signal_listener = SignalListener {
            worker: Arc::clone(worker),
            news: prepared.news,
            announce_again: Arc::clone(&announce_again),
        };
        roles.support.spawn(signal_listener.run());
        roles.support.spawn(DrainNotice(Arc::clone(worker)).run());
        let finishing = roles.start_finishing(worker, bus);
        let (events, waiting) = EventQueue::new();
        let logs = bus.clone();
        roles.writers.spawn(Appender { waiting, logs }.run());
        let ports = Arc::new(call_ports(bus, events, config));
        let id = config.id.clone();
        let audit = Audit::new(id, bus.as_ref(), prepared.tools.clone());
        let audit = Arc::new(audit);
        let runner = CallRunner {
            handler: prepared.handler,
            ports: Arc::clone(&ports),
            finishing: finishing.clone(),
            changes: ChangePublisher {
                feed: bus.clone(),
                tools_changed: announce_again,
            },
            state_keys: config.state_keys.clone(),
            gone_holders,
            filters: Filters::default(),
            max_result: config.max_result,
            event_shares: EventShares::new(config.caller_kept),
            audit: Arc::clone(&audit),
            task_terms: config.tasks,
            tools: prepared.tools.clone(),
        };
        let intake = Arc::new(Intake::new(Arc::clone(worker), leases, Arc::new(runner)));
        roles.intake.spawn(Processor(Arc::clone(&intake)).run());
        // Only the intake and the calls hold the queues of events and endings: when all have ended, so do appender and
        // finisher.
        let reclaimer = Reclaimer {
            intake,
            ports,
            finishing,
            reserve: Reserve::new(config.concurrency),
            tools: prepared.tools,
            audit,
        };
        roles.intake.spawn(Arc::new(reclaimer).run());
        roles
    }

    fn start_finishing(&mut self, worker: &Arc<Worker>, bus: &Arc<dyn Bus>) -> FinishQueue {
        let (finishing, endings) = FinishQueue::new(worker.config.concurrency);
        let (brief_logs, shortener) = BriefLogs::new(bus.clone());
        let writer = EndingWriter {
            worker: Arc::clone(worker),
            patience: PATIENCE,
            brief_logs,
        };
        self.writers.spawn(Finisher { endings, writer }.run());
        self.writers.spawn(shortener.run());
        finishing
    }

    async fn until_stopped(mut self, worker: &Worker) {
        tokio::select! {
            biased;
            () = worker.shutdown.soft().cancelled() => {}
            // Roles end before the stop only when they panic; without one of them this is no worker.
            () = self.any_ended() => {
                tracing::error!(
                    "a part of the worker ended unexpectedly; the worker stops, and its requests go to others"
                );
                worker.shutdown.begin();
            }
        }
        let drained = async {
            join(&mut self.intake).await;
            worker.running.emptied().await;
        };
        tokio::select! {
            () = drained => {}
            () = worker.shutdown.hard().cancelled() => self.hand_back(worker).await,
        }
        // While it still hears: nobody sees a worker that lives and is deaf.
        sign_off(worker).await;
        self.support.shutdown().await;
        tracing::info!(worker = %worker.config.id, "stopped");
    }

    /// Gives everything that runs to other workers.
    async fn hand_back(&mut self, worker: &Worker) {
        worker.running.stop_all();
        worker.tasks.close();
        // What has its response already shall be finished, not handed back.
        let finished = async {
            join(&mut self.intake).await;
            worker.tasks.wait().await;
            join(&mut self.writers).await;
        };
        let _ = tokio::time::timeout(LAST_STEP, finished).await;
        let unfinished = worker.running.unfinished();
        for (entries, begun) in [(unfinished.begun, true), (unfinished.waiting, false)] {
            if entries.is_empty() {
                continue;
            }
            let requests = entries.len();
            let id = &worker.config.id;
            let handed = worker.requests.hand_back(id, &entries, begun);
            match tokio::time::timeout(LAST_STEP, handed).await {
                Ok(Ok(())) => tracing::warn!(
                    requests,
                    begun,
                    "handed requests back, for other workers to run"
                ),
                Ok(Err(error)) => tracing::error!(
                    %error, requests,
                    "requests could not be handed back; other workers get them when their lease ends"
                ),
                Err(_) => tracing::error!(
                    requests,
                    "requests could not be handed back in time; other workers get them when their lease ends"
                ),
            }
        }
    }

    async fn any_ended(&mut self) {
        tokio::select! {
            _ = self.intake.join_next() => {}
            _ = self.writers.join_next() => {}
            _ = self.support.join_next() => {}
        }
    }
}

/// Says that this worker ends, so that nobody takes it for one that is lost or deaf.
async fn sign_off(worker: &Worker) {
    let said = worker
        .requests
        .renew(&worker.config.id, Duration::ZERO, &[]);
    // Who hears nothing finds out when the lease is over.
    if !matches!(tokio::time::timeout(LAST_STEP, said).await, Ok(Ok(()))) {
        tracing::debug!("could not tell that this worker ends");
    }
}

/// The parts of the bus that calls use.
fn call_ports(bus: &Arc<dyn Bus>, events: EventQueue, config: &WorkerConfig) -> CallPorts {
    CallPorts {
        requests: bus.clone(),
        logs: bus.clone(),
        events,
        signals: bus.clone(),
        outcomes: bus.clone(),
        state: bus.clone(),
        tasks: bus.clone(),
        downstream: bus.clone(),
        worker: config.id.clone(),
        patience: PATIENCE,
        tasks_take: config.tasks.timeout,
        tasks_full: Alarm::default(),
        outcomes_kept: config.idempotency_window,
    }
}

async fn join(roles: &mut JoinSet<()>) {
    while roles.join_next().await.is_some() {}
}
