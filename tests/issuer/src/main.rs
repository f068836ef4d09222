//! An authorization server for development and tests, shaped like Microsoft Entra ID.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_dev_issuer::run().await
}
