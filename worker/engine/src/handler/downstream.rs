//! Tokens with which a tool asks another API on behalf of its caller.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::wire::principal::Principal;
use prynai_bus::{BusError, DownstreamTokens};
use prynai_process::backoff::Backoff;
use prynai_process::clock::unix_millis;
use prynai_process::secret::Secret;
use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use rmcp::model::{MetaObject, Tool};
use serde_json::json;

/// How long it is tried while the bus does not answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most scopes that one tool may name.
const MOST_SCOPES: usize = 4;

/// Longest name of a scope, in bytes.
const MOST_BYTES: usize = 256;

/// Gives tokens for other APIs, of the caller of this call: what the caller may do there, the tool can do, and nothing
/// else. A tool takes it as a parameter, and names in its description the scopes that it wants.
///
/// The gateway gets the tokens before it queues the call. Who is no person, or has not agreed to what the tool wants,
/// hears that from the gateway, and the tool does not run. The caller's own token never leaves the gateway.
///
/// ```
/// # use prynai_worker_engine::Downstream;
/// # use rmcp::ErrorData;
/// # struct Mailbox;
/// # async fn get(_: &str, _: &str) -> String { String::new() }
/// #[rmcp::tool_router]
/// impl Mailbox {
///     /// What is new for whoever calls.
///     #[rmcp::tool(meta = Downstream::scopes(&["https://graph.microsoft.com/Mail.Read"]))]
///     async fn news(&self, downstream: Downstream) -> Result<String, ErrorData> {
///         let token = downstream.token_for("https://graph.microsoft.com/Mail.Read").await?;
///         Ok(get("https://graph.microsoft.com/v1.0/me/messages", token.expose()).await)
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Downstream(Option<Arc<Source>>);

struct Source {
    tokens: Arc<dyn DownstreamTokens>,
    principal: Principal,
    scopes: Vec<String>,
}

/// Why there is no token. Return it with `?`: the client is told what it is.
#[derive(Debug, thiserror::Error)]
pub enum DownstreamError {
    /// The tool did not name the scope in its `_meta`.
    #[error("this tool does not name the scope {0:?} in its _meta ({key})", key = Downstream::META_KEY)]
    NotNamed(String),
    /// No gateway left one, or it has ended: a call may take longer than a token lasts.
    #[error("there is no token of the caller for {0:?}, or no longer; call again")]
    None(String),
    /// The bus is away.
    #[error("the token for {0:?} cannot be read now")]
    Away(String, #[source] BusError),
}

impl Downstream {
    /// The key in the tool's `_meta`. Its value is a list of scopes, by their full names; anything else is logged as a
    /// mistake, and the tool gets no token.
    pub const META_KEY: &str = "ai.prynai/downstream";

    /// `_meta` that says this and nothing else.
    pub fn scopes(names: &[&str]) -> MetaObject {
        let mut meta = MetaObject::new();
        meta.insert(Self::META_KEY.to_owned(), names.to_vec().into());
        meta
    }

    /// For the call of a tool that wants these.
    pub(crate) fn new(
        tokens: Arc<dyn DownstreamTokens>,
        principal: &Principal,
        scopes: &[String],
    ) -> Self {
        Self(Some(Arc::new(Source {
            tokens,
            principal: principal.clone(),
            scopes: scopes.to_vec(),
        })))
    }

    /// What the author of `tool` says.
    pub(crate) fn of(tool: &Tool) -> Vec<String> {
        let said = tool.meta.as_ref().and_then(|meta| meta.get(Self::META_KEY));
        let Some(said) = said else {
            return Vec::new();
        };
        let is_scope = |name: &String| {
            (1..=MOST_BYTES).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic())
        };
        serde_json::from_value(said.clone())
            .ok()
            .filter(|names: &Vec<String>| names.len() <= MOST_SCOPES && names.iter().all(is_scope))
            .unwrap_or_else(|| {
                tracing::warn!(
                    tool = %tool.name,
                    "{} in the _meta of this tool must be a list of up to {MOST_SCOPES} scopes; it gets no token",
                    Self::META_KEY
                );
                Vec::new()
            })
    }

    /// The token of the caller for a scope that the tool names. It is good for a minute at least, unless the call takes
    /// long: so ask for it when you use it, and do not keep it.
    ///
    /// # Errors
    ///
    /// [`DownstreamError`].
    pub async fn token_for(&self, scope: &str) -> Result<Secret, DownstreamError> {
        let named = self.0.as_ref();
        let named = named.filter(|source| source.scopes.iter().any(|named| named == scope));
        let source = named.ok_or_else(|| DownstreamError::NotNamed(scope.to_owned()))?;
        let subject = &source.principal.subject;
        let mut backoff = Backoff::for_at_most(PATIENCE);
        let kept = loop {
            match source.tokens.token_of(subject, scope).await {
                Ok(kept) => break kept,
                Err(BusError::Unavailable(_)) if backoff.pause().await => {}
                Err(error) => return Err(DownstreamError::Away(scope.to_owned(), error)),
            }
        };
        let now_s = unix_millis() / 1000;
        match kept.filter(|kept| now_s < kept.ends_s) {
            Some(kept) => Ok(kept.token.into()),
            None => Err(DownstreamError::None(scope.to_owned())),
        }
    }
}

impl fmt::Debug for Downstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scopes = self.0.as_ref().map(|source| source.scopes.as_slice());
        f.debug_tuple("Downstream")
            .field(&scopes.unwrap_or_default())
            .finish()
    }
}

impl From<DownstreamError> for ErrorData {
    fn from(error: DownstreamError) -> Self {
        Self::internal_error(error.to_string(), Some(json!({ "reason": "downstream" })))
    }
}

impl<C: AsRequestContext> FromContextPart<C> for Downstream {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        // Most tools name no scope, and have none.
        let extensions = &context.as_request_context().extensions;
        Ok(extensions.get().cloned().unwrap_or(Self(None)))
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::{BusLimits, DownstreamToken};
    use prynai_memory_bus::MemoryBus;
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_short_list_of_scopes_counts() {
        let tool = Tool::new("tool", "", Arc::default());
        assert!(Downstream::of(&tool).is_empty());
        let most = ["a", "b", "c", "https://graph.microsoft.com/User.Read"];
        let with = tool.clone().with_meta(Downstream::scopes(&most));
        assert_eq!(Downstream::of(&with), most);
        for wrong in [
            json!("a"),
            json!([1]),
            json!([""]),
            json!(["a b"]),
            json!(["a", "b", "c", "d", "e"]),
            json!(["x".repeat(MOST_BYTES + 1)]),
        ] {
            let mut meta = MetaObject::new();
            meta.insert(Downstream::META_KEY.to_owned(), wrong);
            assert!(Downstream::of(&tool.clone().with_meta(meta)).is_empty());
        }
    }

    #[tokio::test]
    async fn a_tool_gets_its_callers_token_for_what_it_names_and_while_it_is_good() {
        let bus = MemoryBus::new(BusLimits::default());
        let now_s = unix_millis() / 1000;
        for (who, scope, ends_s) in [
            ("alice", "read", now_s + 60),
            ("alice", "write", now_s + 60),
            ("alice", "old", now_s),
            ("bob", "list", now_s + 60),
        ] {
            let token = format!("{who} {scope}");
            let token = DownstreamToken { token, ends_s };
            bus.keep_token(who, scope, &token, PATIENCE).await.unwrap();
        }
        let scopes = ["read", "old", "list"].map(str::to_owned);
        let downstream = Downstream::new(bus, &Principal::named("alice"), &scopes);
        let token = downstream.token_for("read").await.unwrap();
        assert_eq!(token.expose(), "alice read");
        assert!(!format!("{downstream:?} {token:?}").contains("alice"));
        let why = async |scope: &str| downstream.token_for(scope).await.unwrap_err();
        assert!(matches!(why("write").await, DownstreamError::NotNamed(_)));
        assert!(matches!(why("old").await, DownstreamError::None(_)));
        assert!(
            matches!(why("list").await, DownstreamError::None(_)),
            "it is another's"
        );
        let none = Downstream(None).token_for("read").await.unwrap_err();
        assert!(matches!(none, DownstreamError::NotNamed(_)));
    }
}
