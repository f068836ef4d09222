//! A worker with the tools of the chaos runs.

use prynai_tests::chaos::handler::Chaos;
use prynai_tests::chaos::ledger::Pen;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Chaos::new(Pen::from_environment()?)).await
}
