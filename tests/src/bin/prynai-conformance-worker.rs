//! A worker with the fixtures of the official conformance suite.

use prynai_tests::conformance::Conformance;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Conformance).await
}
