//! A tool that reads something at another API on behalf of its caller: it can read there what the caller may read.
use prynai_worker::Downstream;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::{ErrorData, ServerHandler, tool, tool_handler, tool_router};

/// The other API's scope, as a token is asked for it.
const SCOPE: &str = "api://prynai-downstream/records.read";

struct Records {
    tools: ToolRouter<Self>,
    api: reqwest::Client,
    url: String,
}

#[tool_router]
impl Records {
    /// The records of whoever calls.
    #[tool(meta = Downstream::scopes(&[SCOPE]))]
    async fn my_records(&self, downstream: Downstream) -> Result<String, ErrorData> {
        let token = downstream.token_for(SCOPE).await?;
        let request = self.api.get(&self.url).bearer_auth(token.expose());
        let answer = async { request.send().await?.error_for_status()?.text().await };
        answer.await.map_err(|error| {
            // It names the URL and the status, and not the token.
            ErrorData::internal_error(format!("the records cannot be read: {error}"), None)
        })
    }
}

#[tool_handler(router = self.tools, name = "records", version = "1.0.0")]
impl ServerHandler for Records {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // An error means that the process has one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let records = Records {
        tools: Records::tool_router(),
        api: reqwest::Client::builder().no_proxy().build()?,
        url: std::env::var("RECORDS_URL")
            .unwrap_or_else(|_| "http://127.0.0.1:8400/downstream/records".to_owned()),
    };
    prynai_worker::run(records).await
}
