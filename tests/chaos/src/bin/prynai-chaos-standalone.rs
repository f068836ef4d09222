//! A standalone server with the tools of the chaos runs.

use prynai_chaos::faults::time::block_when_told;
use prynai_chaos::tools::handler::Chaos;
use prynai_chaos::tools::ledger::Pen;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    block_when_told()?;
    prynai_standalone::run(Chaos::new(Pen::from_environment()?)).await
}
