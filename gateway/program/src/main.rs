//! The process `prynai-gateway`: [`settings`], then [`run`] with the Redis bus until it is told to stop, or a
//! [`dry_run`] of a policy.

use std::process::ExitCode;

mod dry_run;
mod run;
mod settings;

/// Gives back what ended streams and calls held, which the system's does not (docs/performance.md).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    run::run().await
}
