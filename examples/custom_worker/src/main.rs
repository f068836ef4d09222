//! Your own MCP server as a fleet: start a Redis, a gateway, and as many of these as you like.

use prynai_worker::State;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ErrorData, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;

struct Greeter {
    tool_router: ToolRouter<Self>, // built once, used by every call
}

// The arguments of the tool. Clients see this as its JSON schema, comments included.
#[derive(Deserialize, schemars::JsonSchema)]
struct Greeting {
    /// Whom to greet.
    name: String,
}

#[tool_router]
impl Greeter {
    /// Greets somebody and says how many were greeted before, whichever worker greeted them.
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

#[tool_handler(router = self.tool_router, name = "greeter", version = "1.0.0")]
impl ServerHandler for Greeter {}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Settings come from flags and environment: try --help.
    prynai_worker::run(Greeter {
        tool_router: Greeter::tool_router(),
    })
    .await
}
