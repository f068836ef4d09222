//! The roles of a worker, and how they stop.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::wire::signal::Signal;
use prynai_bus::{Bus, NewsReceiver, RequestQueue};
use prynai_process::lifecycle::Shutdown;
use rmcp::ServerHandler;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::call::call_bus::CallBuses;
use crate::call::changes::ChangePublisher;
use crate::call::ending::FinishQueue;
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
use crate::roles::intake::Intake;
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
        catalog: bus.clone(),
        store: bus.clone(),
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
        requests: bus.clone(),
        running: Arc::clone(&leases.running),
        calls: TaskTracker::new(),
        config,
        shutdown,
    };
    let gone_holders = GoneHolders::default();
    let mut roles = Roles::default();
    let tools_changed = Arc::clone(&announcer.changed);
    roles.support.spawn(announcer.run());
    roles.support.spawn(leases.clone().run());
    let again = Arc::clone(&tools_changed);
    worker.start_listening(&bus, news, again, gone_holders.clone(), &mut roles);
    let finishing = worker.start_finishing(&bus, &mut roles);
    // Only the intake and the calls hold the finishing queue: when all have ended, so does the finisher.
    let calls = Calls {
        buses: CallBuses {
            bus: Arc::clone(&bus),
            worker: worker.config.worker.clone(),
            patience: PATIENCE,
        },
        idempotency: Idempotency {
            outcomes: bus.clone(),
            window: worker.config.idempotency_window,
        },
        finishing,
    };
    let changes = ChangePublisher {
        feed: bus,
        tools_changed,
    };
    let runner = worker.runner(handler, &calls, changes, gone_holders);
    worker.start_intake(Arc::new(runner), leases, known_tools, calls, &mut roles);
    worker.until_stopped(roles).await;
}

/// What starting and stopping the roles needs.
struct Worker {
    requests: Arc<dyn RequestQueue>,
    running: Arc<Running>,
    calls: TaskTracker,
    config: WorkerConfig,
    shutdown: Shutdown,
}

/// What the runner of calls and the reclaimer have in common.
struct Calls {
    buses: CallBuses,
    idempotency: Idempotency,
    finishing: FinishQueue,
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
                tracing::error!("a part of the worker ended unexpectedly; the worker stops, and its requests go to others");
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
            let handed = self
                .requests
                .hand_back(&self.config.worker, &entries, begun);
            match tokio::time::timeout(LAST_STEP, handed).await {
                Ok(Ok(())) => {
                    tracing::warn!(
                        requests = entries.len(),
                        begun,
                        "handed requests back, for other workers to run"
                    );
                }
                Ok(Err(error)) => {
                    tracing::error!(%error, "requests could not be handed back; other workers get them when their lease ends")
                }
                Err(_) => tracing::error!(
                    "requests could not be handed back in time; other workers get them when their lease ends"
                ),
            }
        }
    }

    /// Starts what hears of the client's side.
    fn start_listening(
        &self,
        bus: &Arc<dyn Bus>,
        news: NewsReceiver<Signal>,
        announce_again: Arc<Notify>,
        gone: GoneHolders,
        roles: &mut Roles,
    ) {
        let holder_watch = HolderWatch {
            liveness: bus.clone(),
            signals: bus.clone(),
            running: Arc::clone(&self.running),
            gone,
        };
        roles.support.spawn(holder_watch.run());
        let signal_listener = SignalListener {
            signals: bus.clone(),
            worker: self.config.worker.clone(),
            running: Arc::clone(&self.running),
            news,
            announce_again,
        };
        roles.support.spawn(signal_listener.run());
    }

    fn runner<H>(
        &self,
        handler: Arc<H>,
        calls: &Calls,
        changes: ChangePublisher,
        gone_holders: GoneHolders,
    ) -> CallRunner<H> {
        CallRunner {
            handler,
            buses: calls.buses.clone(),
            finishing: calls.finishing.clone(),
            changes,
            state_keys: self.config.state_keys.clone(),
            gone_holders,
            idempotency: calls.idempotency.clone(),
            filters: Filters::default(),
            max_result: self.config.max_result,
            event_shares: EventShares::new(self.config.caller_kept),
        }
    }

    /// Starts what ends requests.
    fn start_finishing(&self, bus: &Arc<dyn Bus>, roles: &mut Roles) -> FinishQueue {
        let (finishing, queue) = FinishQueue::new(self.config.concurrency);
        let (ended, forgetter) = EndedCalls::new(bus.clone(), bus.clone());
        let delivery = Delivery {
            requests: Arc::clone(&self.requests),
            patience: PATIENCE,
            hard: self.shutdown.hard().clone(),
            ended,
        };
        roles.finisher.spawn(Finisher { queue, delivery }.run());
        roles.finisher.spawn(forgetter.run());
        finishing
    }

    /// Starts what brings requests in.
    fn start_intake(
        &self,
        runner: Arc<dyn RunCall>,
        leases: LeaseKeeper,
        tools: watch::Receiver<Tools>,
        calls: Calls,
        roles: &mut Roles,
    ) {
        let launcher = Launcher {
            requests: Arc::clone(&self.requests),
            running: Arc::clone(&self.running),
            tasks: self.calls.clone(),
            runner,
        };
        let intake = Arc::new(Intake {
            requests: Arc::clone(&self.requests),
            worker: self.config.worker.clone(),
            concurrency: self.config.concurrency,
            permits: Arc::new(Semaphore::new(self.config.concurrency)),
            launcher,
            leases,
            shutdown: self.shutdown.clone(),
        });
        roles.intake.spawn(Processor(Arc::clone(&intake)).run());
        let reclaimer = Reclaimer {
            intake,
            buses: calls.buses,
            max_attempts: self.config.max_attempts,
            reserve: Reserve::new(self.config.concurrency),
            tools,
            finishing: calls.finishing,
            idempotency: calls.idempotency,
        };
        roles.intake.spawn(Arc::new(reclaimer).run());
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
