//! What a tool's author wants the audit to have of its arguments.

use rmcp::model::{MetaObject, Tool};

/// The arguments of a tool that its records in the audit have; without it they have none, because arguments may hold
/// what nobody else may see.
///
/// It stands in the tool's `_meta`:
///
/// ```
/// # use prynai_worker_engine::Audited;
/// # struct Bank;
/// #[rmcp::tool_router]
/// impl Bank {
///     /// Who pays whom is what an auditor asks for.
///     #[rmcp::tool(meta = Audited::arguments(&["account"]))]
///     async fn pay(&self) -> String {
///         "paid".to_owned()
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Audited;

impl Audited {
    /// The key in the tool's `_meta`. Its value is a list of names of arguments; anything else is logged as a mistake,
    /// and the records have none.
    pub const META_KEY: &str = "ai.prynai/audit";

    /// `_meta` that says this and nothing else.
    pub fn arguments(names: &[&str]) -> MetaObject {
        let mut meta = MetaObject::new();
        meta.insert(Self::META_KEY.to_owned(), names.to_vec().into());
        meta
    }

    /// What the author of `tool` says.
    pub(crate) fn of(tool: &Tool) -> Vec<String> {
        let said = tool.meta.as_ref().and_then(|meta| meta.get(Self::META_KEY));
        let Some(said) = said else {
            return Vec::new();
        };
        serde_json::from_value(said.clone()).unwrap_or_else(|_| {
            tracing::warn!(
                tool = %tool.name,
                "{} in the _meta of this tool must be a list of names of arguments; the audit gets none of them",
                Self::META_KEY
            );
            Vec::new()
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_list_of_names_counts() {
        let tool = Tool::new("tool", "", Arc::default());
        assert!(Audited::of(&tool).is_empty());
        let meta = Audited::arguments(&["account", "amount"]);
        assert_eq!(
            Audited::of(&tool.clone().with_meta(meta)),
            ["account", "amount"]
        );
        for wrong in [
            json!("account"),
            json!(true),
            json!([1]),
            json!({"account": true}),
        ] {
            let mut meta = MetaObject::new();
            meta.insert(Audited::META_KEY.to_owned(), wrong);
            assert!(Audited::of(&tool.clone().with_meta(meta)).is_empty());
        }
    }
}
