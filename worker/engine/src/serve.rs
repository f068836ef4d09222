//! The roles of a worker, and how they stop.

use std::sync::Arc;
use std::time::Duration;

use prynai_shared::bus::{Bus, NewsReceiver};
use prynai_shared::lifecycle::Shutdown;
use prynai_shared::wire::signal::Signal;
use rmcp::ServerHandler;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::call::ending::{Ending, FinishQueue};
use crate::call::event_shares::EventShares;
use crate::call::gone_holders::GoneHolders;
use crate::call::idempotency::Idempotency;
use crate::call::launcher::{Launcher, RunCall};
use crate::call::messages::visibility_filter::Filters;
use crate::call::runner::CallRunner;
use crate::call::running::Running;
use crate::config::WorkerConfig;
use crate::roles::catalog_announcer::{CatalogAnnouncer, Tools};
use crate::roles::ended_calls::EndedCalls;
use crate::roles::finisher::{Delivery, Finisher};
use crate::roles::holder_watch::HolderWatch;
use crate::roles::lease_keeper::LeaseKeeper;
use crate::roles::processor::Processor;
use crate::roles::reclaimer::{Reclaimer, Reserve};
use crate::roles::signal_listener::{SignalListener, subscribe};

/// Results are kept for so long while the bus is away: the fencing token decides in the end whether
/// they still count. Longer than any outage that somebody works to end.
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
    let handler = Arc::new(handler);
    let (tools, known_tools) = watch::channel(Tools::default());
    let announcer = CatalogAnnouncer {
        handler: Arc::clone(&handler),
        bus: Arc::clone(&bus),
        tools,
        changed: Arc::new(Notify::new()),
    };
    let leases = LeaseKeeper {
        bus: Arc::clone(&bus),
        worker: config.worker.clone(),
        lease: config.lease,
        running: Arc::default(),
    };
    let prepared = async {
        let news = subscribe(bus.as_ref(), &config.worker).await;
        leases.begin().await;
        announcer.announce_first().await;
        news
    };
    let news = tokio::select! {
        () = shutdown.soft().cancelled() => return,
        news = prepared => news,
    };

    let worker = Worker {
        patience: PATIENCE,
        permits: Arc::new(Semaphore::new(config.concurrency)),
        running: Arc::clone(&leases.running),
        calls: TaskTracker::new(),
        bus,
        config,
        shutdown,
    };
    let gone_holders = GoneHolders::default();
    let (finishing, endings) = FinishQueue::new(worker.config.concurrency);
    let idempotency = Idempotency {
        bus: Arc::clone(&worker.bus),
        window: worker.config.idempotency_window,
        patience: worker.patience,
    };
    let runner = Arc::new(CallRunner {
        handler,
        bus: Arc::clone(&worker.bus),
        worker: worker.config.worker.clone(),
        patience: worker.patience,
        finishing: finishing.clone(),
        tools_changed: Arc::clone(&announcer.changed),
        state_keys: worker.config.state_keys.clone(),
        gone_holders: gone_holders.clone(),
        idempotency: idempotency.clone(),
        filters: Filters::default(),
        max_result: worker.config.max_result,
        event_shares: EventShares::new(worker.config.caller_kept),
    });
    let mut roles = Roles::default();
    let announce_again = Arc::clone(&announcer.changed);
    roles.support.spawn(announcer.run());
    roles.support.spawn(leases.clone().run());
    roles.support.spawn(worker.holder_watch(gone_holders).run());
    let listener = worker.signal_listener(news, announce_again);
    roles.support.spawn(listener.run());
    let (ended, forgetter) = EndedCalls::new(Arc::clone(&worker.bus));
    roles.finisher.spawn(worker.finisher(endings, ended).run());
    roles.finisher.spawn(forgetter.run());
    // Only these and the calls hold the finishing queue: when all have ended, so does the finisher.
    let processor = worker.processor(leases.clone(), runner.clone());
    roles.intake.spawn(processor.run());
    let reclaimer = worker.reclaimer(leases, runner, known_tools, finishing, idempotency);
    roles.intake.spawn(Arc::new(reclaimer).run());
    worker.until_stopped(roles).await;
}

/// What the roles of one worker have in common.
struct Worker {
    bus: Arc<dyn Bus>,
    config: WorkerConfig,
    shutdown: Shutdown,
    /// How long the bus may be away before a call counts as lost.
    patience: Duration,
    permits: Arc<Semaphore>,
    running: Arc<Running>,
    calls: TaskTracker,
}

/// The long-running roles, in the order in which they stop.
#[derive(Default)]
struct Roles {
    /// End by themselves after the soft stop.
    intake: JoinSet<()>,
    /// Ends by itself once nobody can finish anything any more.
    finisher: JoinSet<()>,
    /// Run for as long as anything runs.
    support: JoinSet<()>,
}

impl Worker {
    async fn until_stopped(&self, mut roles: Roles) {
        tokio::select! {
            biased;
            () = self.shutdown.soft().cancelled() => {}
            // Roles end before the stop only when they panic; without one of them this is no worker.
            () = roles.any_ended() => {
                tracing::error!("a role of the worker ended unexpectedly; stopping");
                self.shutdown.begin();
            }
        }
        let drained = async {
            join(&mut roles.intake).await;
            self.running.emptied().await;
        };
        tokio::select! {
            () = drained => {}
            () = self.shutdown.hard().cancelled() => self.hand_back(&mut roles).await,
        }
        roles.support.shutdown().await;
        tracing::info!(worker = %self.config.worker, "stopped");
    }

    /// Gives everything that runs to other workers.
    async fn hand_back(&self, roles: &mut Roles) {
        self.running.stop_all();
        self.calls.close();
        // What is answered already shall be finished, not handed back.
        let finished = async {
            join(&mut roles.intake).await;
            self.calls.wait().await;
            join(&mut roles.finisher).await;
        };
        let _ = tokio::time::timeout(LAST_STEP, finished).await;
        let unfinished = self.running.unfinished();
        for (entries, begun) in [(unfinished.begun, true), (unfinished.waiting, false)] {
            if entries.is_empty() {
                continue;
            }
            let handed = self.bus.hand_back(&self.config.worker, &entries, begun);
            match tokio::time::timeout(LAST_STEP, handed).await {
                Ok(Ok(())) => {
                    tracing::warn!(requests = entries.len(), begun, "handed back requests");
                }
                Ok(Err(error)) => tracing::error!(%error, "requests are left to their lease"),
                Err(_) => tracing::error!("the bus is slow; requests are left to their lease"),
            }
        }
    }

    fn holder_watch(&self, gone: GoneHolders) -> HolderWatch {
        HolderWatch {
            bus: Arc::clone(&self.bus),
            running: Arc::clone(&self.running),
            gone,
        }
    }

    fn signal_listener(
        &self,
        news: NewsReceiver<Signal>,
        announce_again: Arc<Notify>,
    ) -> SignalListener {
        SignalListener {
            bus: Arc::clone(&self.bus),
            worker: self.config.worker.clone(),
            running: Arc::clone(&self.running),
            news,
            announce_again,
        }
    }

    fn finisher(&self, queue: mpsc::Receiver<Ending>, ended: EndedCalls) -> Finisher {
        let delivery = Delivery {
            bus: Arc::clone(&self.bus),
            patience: self.patience,
            hard: self.shutdown.hard().clone(),
            ended,
        };
        Finisher { queue, delivery }
    }

    fn processor(&self, leases: LeaseKeeper, runner: Arc<dyn RunCall>) -> Processor {
        Processor {
            bus: Arc::clone(&self.bus),
            worker: self.config.worker.clone(),
            concurrency: self.config.concurrency,
            permits: Arc::clone(&self.permits),
            launcher: self.launcher(runner),
            leases,
            shutdown: self.shutdown.clone(),
        }
    }

    fn reclaimer(
        &self,
        leases: LeaseKeeper,
        runner: Arc<dyn RunCall>,
        tools: watch::Receiver<Tools>,
        finishing: FinishQueue,
        idempotency: Idempotency,
    ) -> Reclaimer {
        Reclaimer {
            bus: Arc::clone(&self.bus),
            worker: self.config.worker.clone(),
            leases,
            patience: self.patience,
            max_attempts: self.config.max_attempts,
            permits: Arc::clone(&self.permits),
            reserve: Reserve::new(self.config.concurrency),
            tools,
            launcher: self.launcher(runner),
            finishing,
            idempotency,
            shutdown: self.shutdown.clone(),
        }
    }

    fn launcher(&self, runner: Arc<dyn RunCall>) -> Launcher {
        Launcher {
            bus: Arc::clone(&self.bus),
            running: Arc::clone(&self.running),
            tasks: self.calls.clone(),
            runner,
        }
    }
}

impl Roles {
    async fn any_ended(&mut self) {
        tokio::select! {
            _ = self.intake.join_next() => {}
            _ = self.finisher.join_next() => {}
            _ = self.support.join_next() => {}
        }
    }
}

async fn join(roles: &mut JoinSet<()>) {
    while roles.join_next().await.is_some() {}
}
