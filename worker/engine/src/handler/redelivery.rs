//! What a tool's author says about a call whose worker was lost.

use rmcp::model::{MetaObject, Tool};

/// What becomes of a call of one tool whose worker was lost while it ran. Without it the tool's hints
/// decide: `readOnlyHint` and `idempotentHint` let a call run again.
///
/// It stands in the tool's `_meta`, so every worker that serves the same tool decides alike:
///
/// ```
/// # use prynai_worker_engine::Redelivery;
/// # struct Mailer;
/// #[rmcp::tool_router]
/// impl Mailer {
///     /// Only reads, but asks a model that costs money: never twice.
///     #[rmcp::tool(annotations(read_only_hint = true), meta = Redelivery::AnswerUnknown.meta())]
///     async fn review(&self) -> String {
///         "looks good".to_owned()
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// It runs again, as often as `--max-attempts` allows.
    RunAgain,
    /// It does not; the client is told that the outcome is unknown.
    AnswerUnknown,
}

impl Redelivery {
    /// The key in the tool's `_meta`. Its value is `run_again` or `answer_unknown`; any other is logged
    /// as a mistake and means `answer_unknown`, since an error is better than a second execution.
    pub const META_KEY: &str = "ai.prynai/redelivery";

    /// `_meta` that says this and nothing else.
    pub fn meta(self) -> MetaObject {
        let said = match self {
            Self::RunAgain => "run_again",
            Self::AnswerUnknown => "answer_unknown",
        };
        let mut meta = MetaObject::new();
        meta.insert(Self::META_KEY.to_owned(), said.into());
        meta
    }

    /// What the author of `tool` says, or else what its hints say.
    pub(crate) fn of(tool: &Tool) -> Self {
        let said = tool.meta.as_ref().and_then(|meta| meta.get(Self::META_KEY));
        match said.map(|said| said.as_str()) {
            None => Self::as_hinted(tool),
            Some(Some("run_again")) => Self::RunAgain,
            Some(Some("answer_unknown")) => Self::AnswerUnknown,
            Some(_) => {
                tracing::warn!(
                    tool = %tool.name,
                    "{} in the _meta of this tool must be run_again or answer_unknown; it is taken for answer_unknown",
                    Self::META_KEY
                );
                Self::AnswerUnknown
            }
        }
    }

    fn as_hinted(tool: &Tool) -> Self {
        let hints = tool.annotations.as_ref();
        let hinted = hints.is_some_and(|hints| {
            hints.read_only_hint == Some(true) || hints.idempotent_hint == Some(true)
        });
        if hinted {
            Self::RunAgain
        } else {
            Self::AnswerUnknown
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rmcp::model::ToolAnnotations;
    use serde_json::json;

    use super::*;

    fn tool(read_only: Option<bool>, idempotent: Option<bool>) -> Tool {
        let mut hints = ToolAnnotations::new();
        hints.read_only_hint = read_only;
        hints.idempotent_hint = idempotent;
        Tool::new("tool", "", Arc::default()).with_annotations(hints)
    }

    #[test]
    fn without_a_word_of_the_author_the_hints_decide() {
        use Redelivery::{AnswerUnknown, RunAgain};
        for (read_only, idempotent, expected) in [
            (None, None, AnswerUnknown),
            (Some(true), None, RunAgain),
            (Some(false), Some(true), RunAgain),
            (Some(false), Some(false), AnswerUnknown),
        ] {
            let tool = tool(read_only, idempotent);
            assert_eq!(Redelivery::of(&tool), expected, "{tool:?}");
        }
    }

    #[test]
    fn the_word_of_the_author_overrules_the_hints() {
        for said in [Redelivery::RunAgain, Redelivery::AnswerUnknown] {
            for hint in [None, Some(false), Some(true)] {
                let tool = tool(hint, hint).with_meta(said.meta());
                assert_eq!(Redelivery::of(&tool), said, "{tool:?}");
            }
        }
    }

    #[test]
    fn a_word_nobody_knows_never_lets_a_call_run_twice() {
        for said in [json!("runAgain"), json!(true), json!(null)] {
            let mut meta = MetaObject::new();
            meta.insert(Redelivery::META_KEY.to_owned(), said);
            let tool = tool(Some(true), Some(true)).with_meta(meta);
            assert_eq!(Redelivery::of(&tool), Redelivery::AnswerUnknown, "{tool:?}");
        }
    }
}
