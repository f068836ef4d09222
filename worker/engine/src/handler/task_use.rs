//! What a tool's author says about calls that take long.

use prynai_bus::wire::catalog::TaskUse;
use rmcp::ServerHandler;
use rmcp::model::{MetaObject, Tool};

/// When a call of a tool becomes a task, which its client asks about instead of waiting for the answer (extension
/// `io.modelcontextprotocol/tasks`). Without it, calls become tasks after the time that `--task-after` says. A client
/// that does not know tasks waits for the answer in any case.
///
/// ```
/// # use prynai_worker_engine::Tasks;
/// # struct Reports;
/// #[rmcp::tool_router]
/// impl Reports {
///     /// Takes an hour.
///     #[rmcp::tool(meta = Tasks::Always.meta())]
///     async fn year(&self) -> String {
///         "done".to_owned()
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tasks {
    /// Never: its client waits for the answer.
    Never,
    /// When it has run for as long as `--task-after` says.
    AfterATime,
    /// As soon as a worker begins it.
    Always,
    /// As [`Tasks::Always`], and a client that does not know tasks is refused.
    Required,
}

/// Refuses a handler that declares tasks of its own: their ids would be known to one worker alone, and gateways answer
/// `tasks/get` and its like themselves. Any tool of any handler can be a task without that ([`Tasks`]).
///
/// # Errors
///
/// What its author can do.
pub fn refuse_own_tasks(handler: &impl ServerHandler) -> Result<(), String> {
    match handler.get_info().capabilities.supports_tasks() {
        true => Err(
            "this handler declares the extension io.modelcontextprotocol/tasks itself (enable_tasks); leave that out, \
             since the fleet makes tasks of calls: a tool says when in its _meta (ai.prynai/tasks)"
                .to_owned(),
        ),
        false => Ok(()),
    }
}

impl Tasks {
    /// The key in the tool's `_meta`. Its value is `never`, `after_a_time`, `always` or `required`; any other is logged
    /// as a mistake and means `after_a_time`.
    pub const META_KEY: &str = "ai.prynai/tasks";

    /// `_meta` that says this and nothing else.
    pub fn meta(self) -> MetaObject {
        let said = match self {
            Self::Never => "never",
            Self::AfterATime => "after_a_time",
            Self::Always => "always",
            Self::Required => "required",
        };
        let mut meta = MetaObject::new();
        meta.insert(Self::META_KEY.to_owned(), said.into());
        meta
    }

    /// What the author of `tool` says.
    pub(crate) fn of(tool: &Tool) -> TaskUse {
        let said = tool.meta.as_ref().and_then(|meta| meta.get(Self::META_KEY));
        match said.map(|said| said.as_str()) {
            None | Some(Some("after_a_time")) => TaskUse::AfterATime,
            Some(Some("never")) => TaskUse::Never,
            Some(Some("always")) => TaskUse::Always,
            Some(Some("required")) => TaskUse::Required,
            Some(_) => {
                tracing::warn!(
                    tool = %tool.name,
                    "{} in the _meta of this tool must be never, after_a_time, always or required; it is taken for \
                     after_a_time",
                    Self::META_KEY
                );
                TaskUse::AfterATime
            }
        }
    }
}
