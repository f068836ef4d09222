//! A worker whose messages are as large as they are asked to be.

use prynai_tests::bulk::Bulk;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Bulk::new()).await
}
