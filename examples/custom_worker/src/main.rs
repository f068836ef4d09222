//! Your own MCP server as a fleet: start a Redis, a gateway, and as many of these as you like.
use prynai_worker::State;
use rmcp::handler::server::{router::tool::ToolRouter, wrapper::Parameters};
use rmcp::{ErrorData, ServerHandler, schemars, tool, tool_handler, tool_router};

struct Greeter(ToolRouter<Self>); // built once, used by every call

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Greeting {
    /// Whom to greet. Clients see this comment in the tool's schema.
    name: String,
}

#[tool_router]
impl Greeter {
    /// Greets somebody and counts how many were greeted, on all workers together.
    #[tool]
    async fn greet(
        &self,
        Parameters(to): Parameters<Greeting>,
        state: State,
    ) -> Result<String, ErrorData> {
        let count = state.global().increment("greeted", 1, None).await?;
        Ok(format!("Hello, {}! You are number {count}.", to.name))
    }
}

#[tool_handler(router = self.0, name = "greeter", version = "1.0.0")]
impl ServerHandler for Greeter {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    prynai_worker::run(Greeter(Greeter::tool_router())).await
}
