//! The tools of the worker: they do next to nothing, so that what is counted is ours. No other test uses them, so that
//! nobody changes them for another reason.

use prynai_worker::Tasks;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ProgressNotificationParam, ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;

/// How often `ten_steps` reports its progress.
const STEPS: u32 = 10;

/// The handler.
pub(crate) struct Fixed {
    tool_router: ToolRouter<Self>,
}

/// Arguments of `echo`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct EchoArguments {
    /// What to say.
    text: String,
}

#[tool_router]
impl Fixed {
    /// Answers with the same text.
    #[tool]
    fn echo(&self, Parameters(echo): Parameters<EchoArguments>) -> String {
        echo.text
    }

    /// Is a task from the start, and ends at once.
    #[tool(meta = Tasks::Always.meta())]
    fn later(&self) -> String {
        "done".to_owned()
    }

    /// Reports its progress ten times.
    #[tool]
    async fn ten_steps(&self, context: RequestContext<RoleServer>) -> Result<String, ErrorData> {
        let token = context.meta.get_progress_token();
        let token = token.ok_or_else(|| ErrorData::invalid_params("no progress token", None))?;
        for step in 1..=STEPS {
            let progress = ProgressNotificationParam::new(token.clone(), step.into());
            let told = context.peer.notify_progress(progress).await;
            told.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        }
        Ok("done".to_owned())
    }
}

impl Fixed {
    pub(crate) fn new() -> Self {
        Self {
            tool_router: Self::tool_router(),
        }
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Fixed {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }
}
