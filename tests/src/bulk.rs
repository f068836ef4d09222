//! A handler whose messages are as large as it is told.

use prynai_worker::{Ask, State};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ElicitRequestParams, ElicitationSchema,
    ProgressNotificationParam, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;

/// Names in the environment how many bytes the instructions in the catalog have.
pub const CATALOG: &str = "PRYNAI_TEST_CATALOG_BYTES";

/// The handler.
#[derive(Debug)]
pub struct Bulk {
    router: ToolRouter<Self>,
    catalog: usize,
}

/// How much.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Much {
    /// Bytes.
    bytes: usize,
}

/// Something large.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Large {
    /// The text.
    text: String,
}

impl Much {
    fn text(&self) -> String {
        "x".repeat(self.bytes)
    }
}

#[tool_router]
impl Bulk {
    /// The handler, with as large a catalog as the environment says.
    #[expect(clippy::new_without_default, reason = "reads the environment")]
    pub fn new() -> Self {
        let catalog = std::env::var(CATALOG).map(|bytes| bytes.parse().expect("is a number"));
        Self {
            router: Self::tool_router(),
            catalog: catalog.unwrap_or(0),
        }
    }

    #[tool(description = "Answers with so many bytes")]
    fn give(&self, Parameters(much): Parameters<Much>) -> String {
        much.text()
    }

    #[tool(
        description = "Says how many bytes it was given",
        annotations(read_only_hint = true)
    )]
    fn measure(&self, Parameters(large): Parameters<Large>) -> String {
        large.text.len().to_string()
    }

    #[tool(description = "Keeps so many bytes and says how many it finds")]
    async fn keep(
        &self,
        Parameters(much): Parameters<Much>,
        state: State,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let session = context.extensions.get::<State>().and_then(State::session);
        let mut found = Vec::new();
        for place in [Some(state.global()), session].into_iter().flatten() {
            place.set("large", &much.text(), None).await?;
            let kept: Option<String> = place.get("large").await?;
            found.push(kept.map_or(0, |kept| kept.len()).to_string());
            place.remove("large").await?;
        }
        Ok(found.join(" "))
    }

    #[tool(description = "Tells of its progress with so many bytes, then answers")]
    async fn tell(
        &self,
        Parameters(much): Parameters<Much>,
        context: RequestContext<RoleServer>,
    ) -> String {
        if let Some(token) = context.meta.get_progress_token() {
            let told = ProgressNotificationParam::new(token, 1.0).with_message(much.text());
            // Told or not, the answer follows.
            let _ = context.peer.notify_progress(told).await;
        }
        "told".to_owned()
    }

    #[tool(description = "Asks the user with so many bytes, and says how large the answer is")]
    async fn ask(
        &self,
        Parameters(much): Parameters<Much>,
        ask: Ask,
    ) -> Result<CallToolResponse, ErrorData> {
        let schema = ElicitationSchema::builder().required_string("said");
        let schema = schema
            .build()
            .map_err(|reason| ErrorData::internal_error(reason, None))?;
        let question = ElicitRequestParams::FormElicitationParams {
            meta: None,
            message: much.text(),
            requested_schema: schema,
        };
        match ask.elicitation("say", question).await {
            Ok(answer) => {
                let said = answer.content.map(|content| content.to_string());
                let bytes = said.map_or(0, |said| said.len()).to_string();
                let result = CallToolResult::success(vec![ContentBlock::text(bytes)]);
                Ok(result.into())
            }
            Err(unanswered) => unanswered.into_response(),
        }
    }
}

#[tool_handler(router = self.router)]
impl ServerHandler for Bulk {
    fn get_info(&self) -> ServerConfig {
        let can = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(can).with_instructions("x".repeat(self.catalog))
    }
}
