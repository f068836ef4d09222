//! The process `prynai-gateway`.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_gateway::run().await
}
