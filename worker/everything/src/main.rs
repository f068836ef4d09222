//! The worker with the reference handler.

use prynai_everything::Everything;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Everything::new()).await
}
