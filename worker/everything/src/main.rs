//! The worker with the reference handler.

use prynai_everything::Everything;

/// Gives back what ended streams and calls held, which the system's does not (docs/performance.md).
#[cfg(not(target_env = "msvc"))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Everything::new()).await
}
