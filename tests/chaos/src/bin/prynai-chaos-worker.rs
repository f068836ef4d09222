//! A worker with the tools of the chaos runs.

use prynai_chaos::handler::Chaos;
use prynai_chaos::ledger::Pen;
use prynai_chaos::time::block_when_told;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    block_when_told()?;
    prynai_worker::run(Chaos::new(Pen::from_environment()?)).await
}
