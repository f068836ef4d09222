//! A worker that logs everything that reaches its handler.

use prynai_tests::witness::Witness;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Witness::default()).await
}
