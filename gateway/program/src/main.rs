//! The process `prynai-gateway`: [`settings`], then [`run`] with the Redis bus until it is told to stop.

mod run;
mod settings;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    run::run().await
}
