//! The process `prynai-mcp`: the reference handler on a laptop.

use prynai_everything::Everything;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_standalone::run(Everything::new()).await
}
