//! A worker whose handler reports exactly what reached it.

use prynai_tests::mirror::Mirror;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Mirror::default()).await
}
