//! Who may list and call what.
//!
//! The [`file`](mod@file) says it, the [`rules`] decide by it for what a message [`asks`](mod@asked) for, and
//! [`follow`] keeps them as the file is now. `docs/policy.md` is the reference of the format.
//!
//! Everything is decided here before anything is queued, but for lists: of those the gateway says what their
//! caller may see, and the worker takes out the rest.

mod asked;
mod callers;
mod file;
mod follow;
mod limits;
mod rehearsal;
mod rules;
#[cfg(test)]
mod tests;
mod written;
mod written_limit;

use std::sync::Arc;

use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::visible::Visible;
use tokio::sync::watch;

use crate::admission::rates::Counted;
use crate::changes::catalog::CatalogCache;
use crate::message::params::Params;
use crate::refusal::RequestError;

use asked::{Asked, asked};
pub use file::PolicyFile;
use limits::Request;
pub use rehearsal::{Change, Rehearsal};
use rules::Rules;

/// The policy in force, if there is one; without one everybody may do everything. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Policy(watch::Receiver<Option<Arc<Rules>>>);

impl Policy {
    /// The policy of a file, and the task that follows the file: run it until the process ends.
    pub(crate) fn new(
        file: Option<PolicyFile>,
    ) -> (Self, Option<impl Future<Output = ()> + Send + 'static>) {
        let rules = file.as_ref().map(|file| file.rules.clone());
        let (in_force, policy) = watch::channel(rules);
        let task = file.map(|file| follow::follow(file, in_force));
        (Self(policy), task)
    }

    /// For one who wants to hear when it changes from now on.
    pub(crate) fn watch(&self) -> Self {
        let mut policy = self.0.clone();
        policy.mark_unchanged();
        Self(policy)
    }

    /// Completes when it has changed since this was called or [`Policy::watch`]ed last.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody follows a file, or nobody any more.
            std::future::pending().await
        }
    }

    /// Whether a caller may read a resource, and thus hear that it was updated.
    pub(crate) fn may_read(&self, principal: &Principal, uri: &str) -> bool {
        self.in_force()
            .is_none_or(|rules| rules.allows(principal, &Asked::Resource(uri.into()), false))
    }

    /// What the answer to this method may show its caller; `None` when it is no list, or there is no policy.
    pub(crate) fn visible(&self, principal: &Principal, method: &str) -> Option<Visible> {
        let list = asked::list(method)?;
        Some(self.in_force()?.visible(principal, list))
    }

    fn in_force(&self) -> Option<Arc<Rules>> {
        self.0.borrow().clone()
    }
}

/// What a policy says of a message that its caller may send.
#[derive(Debug, Default)]
pub(crate) struct Allowed {
    /// The name of the rule that allows it, if one is needed.
    pub(crate) rule: Option<Arc<str>>,
    /// The limits that it counts against.
    pub(crate) counted: Vec<Counted>,
}

/// Refuses what its caller may not send: a request, or a notification that a handler would get.
pub(crate) async fn check(
    policy: &Policy,
    catalog: &CatalogCache,
    principal: &Principal,
    method: &str,
    params: &Params,
) -> Result<Allowed, RequestError> {
    let Some(rules) = policy.in_force() else {
        return Ok(Allowed::default());
    };
    let asked = asked(method, params)?;
    let tool = match &asked {
        Asked::Tool(name) if rules.ask_what_tools_are() => {
            let catalog = catalog.get().await?;
            let tool = catalog.as_ref().and_then(|catalog| catalog.tools.get(name));
            tool.map(|tool| tool.read_only)
        }
        _ => None,
    };
    let reads = tool.unwrap_or(false);
    let rule = rules.rule_for(principal, &asked, reads);
    if rule.is_some() || rules.is_open(&asked) {
        let request = Request {
            principal,
            method,
            asked: &asked,
            is_of_known_tool: tool.is_some(),
        };
        let limits = rules.limits.iter();
        let counted = limits.filter_map(|limit| limit.counts(&request));
        return Ok(Allowed {
            rule,
            counted: counted.collect(),
        });
    }
    let refusal = rules.refusal(principal, &asked, reads);
    tracing::info!(source = principal.subject, method, error = %refusal, "refused by the policy");
    Err(refusal)
}
