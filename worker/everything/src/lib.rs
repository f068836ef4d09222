//! The reference handler: one of everything the protocol offers, for people and for tests.
//!
//! 1. `tools`: plain, structured, slow, stateful, asking
//! 2. `resources`: static, binary, changing, templated
//! 3. `prompts`: with titles and arguments
//! 4. `completion`: of prompt and template arguments
//! 5. `skills`: a skill, with a script
//! 6. `apps`: a page that hosts show beside the result of a tool

use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, GetSkillRequestParams, GetSkillResult, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, PaginatedRequestParams,
    ReadResourceDirectoryRequestParams, ReadResourceDirectoryResult, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, prompt_handler, tool_handler};

mod apps;
mod completion;
mod prompts;
mod resources;
pub mod skills;
mod tools;

/// The reference handler.
#[derive(Debug)]
pub struct Everything {
    // Built once: building a router costs more than most calls.
    tool_router: ToolRouter<Self>,
    prompt_router: PromptRouter<Self>,
}

impl Everything {
    /// A handler without state of its own.
    pub fn new() -> Self {
        Self {
            tool_router: Self::tools(),
            prompt_router: Self::prompts(),
        }
    }
}

impl Default for Everything {
    fn default() -> Self {
        Self::new()
    }
}

#[tool_handler(router = self.tool_router)]
#[prompt_handler(router = self.prompt_router)]
impl ServerHandler for Everything {
    fn get_info(&self) -> ServerConfig {
        let name = Implementation::new("prynai-everything", env!("CARGO_PKG_VERSION"))
            .with_title("PrynAI reference server")
            .with_description("One of everything that MCP offers");
        ServerConfig::new(every_capability())
            .with_server_info(name)
            .with_instructions(
                "A server for trying things out. Call `echo` or `add` for a quick answer, \
                 `long_running` for progress and logs, `bump_counter` for state that survives \
                 restarts, `summarize` and `book_table` for questions to you.",
            )
    }

    async fn list_resources(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(resources::list())
    }

    async fn list_resource_templates(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = resources::read(&request.uri, &context.extensions).await?;
        Ok(read.into())
    }

    async fn list_skills(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        Ok(skills::list())
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        skills::get(&request.uri)
    }

    async fn read_resource_directory(
        &self,
        request: ReadResourceDirectoryRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceDirectoryResult, ErrorData> {
        skills::directory(&request.uri)
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        completion::complete(&request)
    }
}

/// All that a server may declare and a worker serves.
#[expect(
    deprecated,
    reason = "logging is deprecated in 2026-07-28 and in force in every revision"
)]
pub fn every_capability() -> ServerCapabilities {
    ServerCapabilities::builder()
        .enable_tools()
        .enable_tool_list_changed()
        .enable_prompts()
        .enable_prompts_list_changed()
        .enable_resources()
        .enable_resources_list_changed()
        .enable_resources_subscribe()
        .enable_completions()
        .enable_logging()
        .enable_skills_with_directory_read()
        .build()
}
