//! Runs cases of a fixed load, one request after the other on one thread, and says what a request took of the
//! allocator. `scripts/cost` runs it, also under callgrind, which counts the instructions.
//!
//! 1. `cases`: what is asked, and of what
//! 2. `gateway`: a gateway as `serve` starts it, and a worker that answers without thinking; `client`: its client;
//!    `issuer`: who gives it a token
//! 3. `worker`: a worker as `serve` starts it, whose requests are put on the bus directly; `handler`: its tools
//! 4. `request`: the messages
//! 5. `measure`: warm up, then count

mod cases;
mod client;
mod gateway;
mod handler;
mod issuer;
mod measure;
mod request;
mod worker;

use std::alloc::System;
use std::io::Write;

use clap::{Parser, ValueEnum};
use prynai_gateway_engine::GatewaySettings;
use prynai_process::settings::parse_or_exit;
use prynai_process::telemetry::TelemetrySettings;
use prynai_worker::WorkerSettings;
use serde::Serialize;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use cases::Case;
use measure::Allocations;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a request costs.
#[derive(Debug, Parser)]
struct Settings {
    /// What to run [default: everything].
    cases: Vec<Case>,

    /// How many requests of each case to count, after as many that warm up.
    #[arg(long, default_value = "100")]
    requests: usize,

    #[command(flatten)]
    gateway: GatewaySettings,

    #[command(flatten)]
    worker: WorkerSettings,

    #[command(flatten)]
    telemetry: TelemetrySettings,
}

/// What was counted in one case.
#[derive(Serialize)]
struct Counted {
    case: Case,
    #[serde(flatten)]
    allocations: Allocations,
}

fn main() -> anyhow::Result<()> {
    // As in each of our processes: what is logged is decided for every request.
    let (settings, _log) = parse_or_exit(std::env::args_os(), |settings: &Settings| {
        settings.gateway.check()?;
        settings.telemetry.start()
    });
    let cases = match settings.cases.as_slice() {
        [] => Case::value_variants(),
        chosen => chosen,
    };
    for case in cases {
        // One for each, so that nothing of a case goes on beside the next one.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let start = case.start(settings.gateway.clone(), settings.worker.clone());
        let mut load = runtime.block_on(start);
        let counted = Counted {
            case: *case,
            allocations: measure::count(&runtime, &mut load, settings.requests).least(),
        };
        // Standard output belongs to the log.
        writeln!(std::io::stderr(), "{}", serde_json::to_string(&counted)?)?;
        drop(load);
        runtime.shutdown_background();
    }
    Ok(())
}
