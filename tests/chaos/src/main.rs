//! Chaos runs; `scripts/chaos` builds and calls it.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use prynai_chaos::faults::fault::Fault;
use prynai_chaos::scenarios::abandoned;
use prynai_chaos::scenarios::crowd;
use prynai_chaos::scenarios::scenario::Scenario;
use prynai_chaos::scenarios::waiting;

/// Breaks a fleet on purpose and checks that no call is lost, doubled or mixed up.
#[derive(Parser)]
struct Arguments {
    /// Decides which fault happens when and what is called; without one, chance does.
    #[arg(long)]
    seed: Option<u64>,

    /// One of the scenarios with a figure to reach, instead of faults by chance.
    #[arg(long, conflicts_with_all = ["minutes", "faults", "calls"])]
    scenario: Option<Named>,

    /// How long faults are injected.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,

    /// Which faults, separated by commas; all without it.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,

    /// Calls in flight.
    #[arg(long, default_value_t = 100)]
    calls: usize,

    /// A bug to plant, which the run must find: fencing or log-read. The binaries must have been built with the feature
    /// `mutations`.
    #[arg(long)]
    mutate: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Named {
    /// 2,000 calls in flight, a process killed every two seconds for three minutes.
    Kills,
    /// 1,000 legacy streams, 20 gateways killed.
    GatewayKills,
    /// Subscriptions cut off 200 times under load.
    PubsubKills,
    /// 2,000 tasks in flight, a process killed every two seconds, and Redis now and then.
    Tasks,
    /// 10,000 tasks that wait for their client, without a worker.
    Waiting,
    /// 10,000 sessions that nobody ends.
    Abandoned,
    /// 8,000 streams of changes, and 5,000 clients at once on 1,000 connections, whose gateway then dies.
    Crowd,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if matches!(arguments.scenario, Some(Named::Abandoned)) {
        let left = abandoned::run(10_000).await;
        print(&left.table());
        return code(left.is_back_at_the_start());
    }
    if matches!(arguments.scenario, Some(Named::Waiting)) {
        let waited = waiting::run(10_000).await;
        print(&waited.table());
        return code(waited.costs_little());
    }
    if matches!(arguments.scenario, Some(Named::Crowd)) {
        let crowd = crowd::run(&[1_000, 4_000, 8_000], 5_000, 1_000).await;
        print(&crowd.table());
        return code(crowd.is_served());
    }
    let scenario = arguments.scenario();
    let outcome = scenario.run().await;
    print(&outcome.table(&scenario));
    // A planted bug must be found by what it breaks, not by a machine that is busy.
    let missed = scenario.mutation.is_none()
        && outcome
            .reached(&scenario)
            .iter()
            .any(|reached| !reached.is_enough);
    code(outcome.violations.is_empty() && !missed)
}

fn code(is_well: bool) -> ExitCode {
    match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

impl Arguments {
    fn scenario(&self) -> Scenario {
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()));
        let mut scenario = match self.scenario {
            Some(Named::Kills) => Scenario::kills(seed),
            Some(Named::GatewayKills) => Scenario::gateway_kills(seed),
            Some(Named::PubsubKills) => Scenario::pubsub_kills(seed),
            Some(Named::Tasks) => Scenario::tasks(seed),
            Some(Named::Waiting | Named::Abandoned | Named::Crowd) | None => self.by_chance(seed),
        };
        scenario.mutation.clone_from(&self.mutate);
        scenario
    }

    fn by_chance(&self, seed: u64) -> Scenario {
        let mut scenario = Scenario::small("chaos", seed);
        scenario.lease = Duration::from_secs(5);
        scenario.lasts = Duration::from_secs_f64(self.minutes * 60.0);
        scenario.load.clients = self.calls;
        // Some outlast a worker that is frozen until after its lease, and run in two places when it wakes.
        scenario.load.takes = (Duration::from_millis(50), Duration::from_secs(6));
        scenario.concurrency = self.calls.max(64);
        scenario.faults = self.faults.clone();
        if scenario.faults.is_empty() {
            scenario.faults = Fault::ALL.map(|(fault, _)| fault).to_vec();
        }
        scenario
    }
}

#[expect(clippy::print_stdout, reason = "the table is what this is for")]
fn print(table: &str) {
    println!("{table}");
}
