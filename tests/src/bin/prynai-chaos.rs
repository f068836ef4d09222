//! Chaos runs; `scripts/chaos` builds and calls it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use prynai_tests::chaos::fault::Fault;
use prynai_tests::chaos::scenario::Scenario;

/// Breaks a fleet on purpose and checks that no call is lost, doubled or mixed up.
#[derive(Parser)]
struct Arguments {
    /// Decides which fault happens when and what is called; without one, chance does.
    #[arg(long)]
    seed: Option<u64>,

    /// How long faults are injected.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,

    /// Which faults, separated by commas; all without it.
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Fault>,

    /// Calls in flight.
    #[arg(long, default_value_t = 100)]
    calls: usize,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let scenario = arguments.scenario();
    let outcome = scenario.run().await;
    print(&outcome.table(&scenario));
    if outcome.violations.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Arguments {
    fn scenario(&self) -> Scenario {
        let seed = self.seed.unwrap_or_else(|| u64::from(std::process::id()));
        let mut scenario = Scenario::small("chaos", seed);
        scenario.lease = Duration::from_secs(5);
        scenario.lasts = Duration::from_secs_f64(self.minutes * 60.0);
        scenario.load.clients = self.calls;
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
