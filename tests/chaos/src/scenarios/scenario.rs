//! One run: a fleet, its load, what is broken when, and the verdict.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::clients::balancer::Balancer;
use crate::clients::load::{Load, LoadPlan};
use crate::clients::record::{Era, Tool};
use crate::faults::fault::{Fault, Injected};
use crate::faults::time::{BLOCK, blocked_for};
use crate::judging::figure::{Figure, Reached};
use crate::judging::outcome::Outcome;
use crate::judging::recovery::Recovery;
use crate::judging::verdict::{Invariant, Violation, judge};
use crate::tools::ledger::{LEDGER, Ledger};
use prynai_dev_issuer::{API, Issuer};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::PATIENCE;
use prynai_test_redis::seed::Seed;

/// What a run is made of.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// Decides which fault when, and which call.
    pub seed: u64,
    /// Gateways and workers.
    pub fleet: (usize, usize),
    /// The workers' lease.
    pub lease: Duration,
    /// Runs of a call that loses its workers.
    pub attempts: u32,
    /// Requests that a worker runs at a time.
    pub concurrency: usize,
    /// What the clients do.
    pub load: LoadPlan,
    /// How long the load runs before the first fault.
    pub quiet: Duration,
    /// How long faults are injected.
    pub lasts: Duration,
    /// The most faults.
    pub most: usize,
    /// From which ones chance chooses.
    pub faults: Vec<Fault>,
    /// The shortest and the longest time from one fault to the next.
    pub every: (Duration, Duration),
    /// A bug that is planted: see `prynai-process`'s feature `mutations`.
    pub mutation: Option<String>,
    /// What it is to reach, besides breaking no invariant.
    pub figures: Vec<Figure>,
}

/// The name of the variable that plants a bug.
pub const MUTATION: &str = "PRYNAI_MUTATION";

impl Outcome {
    /// The figures of its scenario, with what was reached.
    pub fn reached(&self, scenario: &Scenario) -> Vec<Reached> {
        let figures = scenario.figures.iter();
        figures
            .map(|figure| figure.compare(self, scenario.lease))
            .collect()
    }
}

impl Scenario {
    /// A small one: two gateways, two workers, a few calls of both eras, no fault yet.
    pub fn small(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            fleet: (2, 2),
            lease: Duration::from_secs(2),
            attempts: 3,
            concurrency: 64,
            load: LoadPlan {
                clients: 24,
                eras: vec![Era::Legacy, Era::Modern],
                tokens: Vec::new(),
                tools: vec![Tool::Look, Tool::Put, Tool::Pay],
                takes: (Duration::from_millis(50), Duration::from_millis(800)),
                events: 6,
                patience: Duration::from_secs(60),
            },
            quiet: Duration::from_secs(1),
            lasts: Duration::from_secs(10),
            most: usize::MAX,
            faults: Vec::new(),
            every: (Duration::from_secs(1), Duration::from_secs(3)),
            mutation: None,
            figures: Vec::new(),
        }
    }

    /// Two thousand calls in flight, and a process killed every two seconds.
    pub fn kills(seed: u64) -> Self {
        let mut this = Self::large("kills", seed, 2_000);
        this.faults = vec![Fault::KillWorker, Fault::KillGateway];
        this.every = (Duration::from_secs(2), Duration::from_secs(2));
        this.lasts = Duration::from_secs(180);
        // Shorter ones would be more calls a second than two processors serve, and what waits for a processor shows no
        // lease.
        this.load.takes = (Duration::from_secs(2), Duration::from_secs(8));
        this.figures = vec![
            Figure::InFlight(2_000),
            Figure::Faults(60),
            Figure::Recovery,
        ];
        this
    }

    /// A thousand legacy streams, and twenty gateways killed.
    pub fn gateway_kills(seed: u64) -> Self {
        let mut this = Self::large("gateway-kills", seed, 1_000).most(20);
        this.faults = vec![Fault::KillGateway];
        this.every = (Duration::from_secs(2), Duration::from_secs(4));
        this.lasts = Duration::from_secs(600);
        this.load.eras = vec![Era::Legacy];
        this.load.takes = (Duration::from_secs(2), Duration::from_secs(6));
        this.load.events = 20;
        this.figures = vec![Figure::InFlight(1_000), Figure::Faults(20)];
        this
    }

    /// Two hundred times every subscription is cut off, under load.
    pub fn pubsub_kills(seed: u64) -> Self {
        let mut this = Self::large("pubsub-kills", seed, 200).most(200);
        this.faults = vec![Fault::KillPubsub];
        this.every = (Duration::from_millis(300), Duration::from_millis(500));
        this.lasts = Duration::from_secs(600);
        this.quiet = Duration::from_secs(10);
        this.figures = vec![Figure::Faults(200), Figure::Delay(Duration::from_secs(1))];
        this
    }

    /// Two thousand tasks of five to sixty seconds, a process killed every two seconds, and Redis now and then.
    pub fn tasks(seed: u64) -> Self {
        let mut this = Self::large("tasks", seed, 2_000);
        this.fleet = (2, 8);
        this.faults = [Fault::KillWorker, Fault::KillGateway].repeat(10);
        this.faults.push(Fault::RestartRedis);
        this.every = (Duration::from_secs(2), Duration::from_secs(2));
        this.lasts = Duration::from_secs(120);
        this.load.eras = vec![Era::Tasks];
        this.load.takes = (Duration::from_secs(5), Duration::from_secs(60));
        this.load.events = 0;
        this.load.patience = Duration::from_secs(900);
        // A worker lives for half a minute, less than most of them take.
        this.attempts = 100;
        this.figures = vec![
            Figure::InFlight(2_000),
            Figure::Faults(50),
            Figure::Tasks(2_000),
        ];
        this
    }

    fn large(name: &str, seed: u64, calls: usize) -> Self {
        let mut this = Self::small(name, seed);
        this.lease = Duration::from_secs(5);
        this.load.clients = calls;
        this.concurrency = calls;
        this.quiet = Duration::from_secs(5);
        this
    }

    /// Chooses from these faults.
    pub fn faults(mut self, faults: &[Fault]) -> Self {
        self.faults = faults.to_vec();
        self
    }

    /// Injects this many at most.
    pub fn most(mut self, most: usize) -> Self {
        self.most = most;
        self
    }

    /// Runs it.
    pub async fn run(&self) -> Outcome {
        eprintln!("{} with seed {}", self.name, self.seed);
        let seed = Seed::new(self.seed);
        let ledger = Ledger::open();
        // With tokens, so that there is somebody to whom the tasks of another may not be shown.
        let issuer = match self.load.eras.as_slice() {
            [Era::Tasks] => Some(Issuer::start().await),
            _ => None,
        };
        let mut fleet = self.start_fleet(&ledger, issuer.as_ref()).await;
        let balancer = Arc::new(Balancer::of(fleet.addresses()));
        let mut plan = self.load.clone();
        if let Some(issuer) = &issuer {
            let token = |name: &str| issuer.token().user(name).jwt();
            plan.tokens = ["alice", "bob"].map(token).to_vec();
        }
        let load = Load::start(plan, balancer.clone(), &seed);
        tokio::time::sleep(self.quiet).await;
        let (injected, in_flight) = self
            .inject(&mut fleet, &load, &balancer, seed.of_part(0))
            .await;
        // Calls that were hit last recover under load as well.
        tokio::time::sleep(self.lease + Duration::from_secs(2)).await;
        let records = load.stop().await;
        // A task of whom its client was not told goes on without it.
        let left = nothing_left(&fleet, PATIENCE + self.load.takes.1).await;
        drop(fleet);
        let deeds = ledger.close().await;
        let mut violations = judge(&records, &deeds, &injected);
        violations.extend(left);
        Outcome {
            recovery: Recovery::of(&injected, &records, &deeds, self.lease),
            records,
            deeds,
            injected,
            in_flight,
            violations,
        }
    }

    async fn start_fleet(&self, ledger: &Ledger, issuer: Option<&Issuer>) -> Cluster {
        let (gateways, workers) = self.fleet;
        let lease = format!("{}ms", self.lease.as_millis());
        let ledger = ledger.path().to_str().expect("is text");
        let mut plan = Cluster::new()
            .gateways(gateways)
            .workers(workers)
            .durable()
            .worker_binary("prynai-chaos-worker")
            .worker_args(&["--lease", &lease])
            .worker_args(&["--concurrency", &self.concurrency.to_string()])
            .worker_args(&["--max-attempts", &self.attempts.to_string()])
            .worker_args(&["--task-after", "1s"])
            .env(LEDGER, ledger)
            .env(BLOCK, &blocked_for(self.lease).as_millis().to_string())
            // Whatever the fleet notes of every fault is of no use, and there is much of it.
            .env("RUST_LOG", "info,rmcp=off");
        if let Some(issuer) = issuer {
            let base = issuer.base_url();
            plan = plan.gateway_args(&["--auth", "entra", "--auth-tenant", &issuer.tenant()]);
            plan = plan.gateway_args(&["--auth-audience", API, "--auth-scope", "mcp.call"]);
            plan = plan.gateway_args(&["--auth-authority", base, "--auth-authority-v1", base]);
        }
        if self.faults.iter().any(|fault| fault.needs_replica()) {
            plan = plan.with_replica();
        }
        if self.faults.contains(&Fault::LoseReplies) {
            plan = plan.lossy();
        }
        if let Some(mutation) = &self.mutation {
            plan = plan.env(MUTATION, mutation);
        }
        plan.start().await
    }

    async fn inject(
        &self,
        fleet: &mut Cluster,
        load: &Load,
        balancer: &Balancer,
        mut chance: Seed,
    ) -> (Vec<Injected>, usize) {
        let ends = Instant::now() + self.lasts;
        let (mut injected, mut in_flight) = (Vec::new(), load.in_flight());
        let span = u64::try_from((self.every.1 - self.every.0).as_millis()).expect("short");
        let mut next = Instant::now();
        while injected.len() < self.most && next < ends {
            tokio::time::sleep_until(next).await;
            let pause = self.every.0 + Duration::from_millis(chance.below(span + 1));
            in_flight = in_flight.max(load.in_flight());
            if self.faults.is_empty() {
                next += pause;
                continue;
            }
            let fault = *chance.choose(&self.faults);
            injected.push(fault.inject(fleet, balancer, self.lease, &mut chance).await);
            eprintln!(
                "{fault}; {} calls answered, {} in flight",
                load.answered(),
                load.in_flight()
            );
            // In step, but never without a pause after a fault that took its time.
            next = (next + pause).max(Instant::now() + self.every.0 / 2);
        }
        (injected, in_flight)
    }
}

/// When all clients have their answers, the fleet soon has nothing to do.
async fn nothing_left(fleet: &Cluster, patience: Duration) -> Option<Violation> {
    let begun = Instant::now();
    loop {
        let (queued, held) = fleet.left_over().await;
        if (queued, held) == (0, 0) {
            return None;
        }
        if begun.elapsed() > patience {
            let broken = Invariant::NothingLeft;
            let seen = format!("{queued} requests in the queue, {held} streams at gateways");
            return Some(Violation { broken, seen });
        }
        // Not assert_eventually!, since what is left is a finding of the run and not its end.
        tokio::time::sleep(prynai_test_redis::LOOK_INTERVAL).await;
    }
}
