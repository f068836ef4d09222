//! What a policy decides.

use std::sync::Arc;

use prynai_bus::patterns::{PatternError, Patterns};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::visible::Visible;

use super::asked::{Asked, List};
use super::callers::{Callers, Lack, Targets};
use super::limits::{Limit, Per};
use crate::refusal::Missing;
use crate::refusal::RequestError;

/// A policy, ready to decide. What no rule allows is refused.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(super) allow: Vec<Rule>,
    pub(super) limits: Vec<Limit>,
}

/// One rule: allows something to somebody.
#[derive(Debug)]
pub(super) struct Rule {
    /// For the audit.
    pub(super) name: Arc<str>,
    pub(super) callers: Callers,
    pub(super) list: bool,
    pub(super) call: bool,
    /// Of the tools, those that say that they only read.
    pub(super) read_only: bool,
    pub(super) tools: Targets,
    pub(super) prompts: Targets,
    pub(super) resources: Targets,
    pub(super) methods: Targets,
}

// === impl Rules ===

impl Rules {
    /// Whether the caller may do what is asked for; `reads` when it is about a tool that only reads.
    pub(super) fn allows(&self, caller: &Principal, asked: &Asked, reads: bool) -> bool {
        self.rule_for(caller, asked, reads).is_some() || self.is_open(asked)
    }

    /// The name of the first rule that allows the caller what is asked for.
    pub(super) fn rule_for(
        &self,
        caller: &Principal,
        asked: &Asked,
        reads: bool,
    ) -> Option<Arc<str>> {
        let mut about = self.about(asked, reads);
        let rule = about.find(|rule| rule.is_for(caller))?;
        Some(Arc::clone(&rule.name))
    }

    /// Why the caller may not do what is asked for, and what a token for it would need.
    pub(super) fn refusal(&self, caller: &Principal, asked: &Asked, reads: bool) -> RequestError {
        let mut missing = Missing::default();
        for rule in self.about(asked, reads) {
            let (known, lacking) = match rule.callers.lack(caller) {
                Lack::Scope(names) => (&mut missing.scopes, names),
                Lack::Role(names) => (&mut missing.roles, names),
                Lack::Nothing | Lack::Everything => continue,
            };
            for name in &lacking.written {
                if !known.contains(name) {
                    known.push(name.clone());
                }
            }
        }
        if missing == Missing::default() {
            return RequestError::NotAllowed(match asked {
                Asked::Tool(_) => "call this tool",
                Asked::Prompt(_) => "get this prompt",
                Asked::Resource(_) => "read this resource",
                Asked::Method(_) | Asked::Nothing => "call this method",
            });
        }
        RequestError::InsufficientScope { missing }
    }

    /// What a list may show the caller.
    pub(super) fn visible(&self, caller: &Principal, list: List) -> Visible {
        let mut visible = Visible::default();
        for rule in &self.allow {
            if !rule.list || !rule.is_for(caller) {
                continue;
            }
            let shown = match rule.read_only {
                true if list == List::Tools => &mut visible.read_only,
                _ => &mut visible.names,
            };
            shown.extend(rule.listed(list).written.iter().cloned());
        }
        visible
    }

    /// Whether a worker can prepare what a caller of every rule may see.
    ///
    /// # Errors
    ///
    /// When it is too much.
    pub(super) fn check_together(&self) -> Result<(), PatternError> {
        for list in [List::Tools, List::Prompts, List::Resources] {
            Patterns::new(
                self.allow
                    .iter()
                    .flat_map(|rule| &rule.listed(list).written),
            )?;
        }
        Ok(())
    }

    /// Whether a decision on a tool depends on what the workers say of it.
    pub(super) fn ask_what_tools_are(&self) -> bool {
        let of_each = |limit: &Limit| limit.per.contains(&Per::Tool);
        self.allow.iter().any(|rule| rule.read_only) || self.limits.iter().any(of_each)
    }

    /// The rules that allow it to somebody.
    fn about<'a>(&'a self, asked: &'a Asked, reads: bool) -> impl Iterator<Item = &'a Rule> {
        self.allow
            .iter()
            .filter(move |rule| rule.is_about(asked, reads))
    }

    /// Whether it is open to everybody: what concerns nobody else, and methods of which no rule speaks.
    pub(super) fn is_open(&self, asked: &Asked) -> bool {
        match asked {
            Asked::Nothing => true,
            Asked::Method(_) => self.about(asked, false).next().is_none(),
            Asked::Tool(_) | Asked::Prompt(_) | Asked::Resource(_) => false,
        }
    }
}

// === impl Rule ===

impl Rule {
    fn is_about(&self, asked: &Asked, reads: bool) -> bool {
        self.call
            && match asked {
                Asked::Tool(name) => {
                    (reads || !self.read_only) && self.tools.patterns.matches(name)
                }
                Asked::Prompt(name) => self.prompts.patterns.matches(name),
                Asked::Resource(uri) => self.resources.patterns.matches_uri(uri),
                Asked::Method(method) => self.methods.patterns.matches(method),
                Asked::Nothing => false,
            }
    }

    fn listed(&self, list: List) -> &Targets {
        match list {
            List::Tools => &self.tools,
            List::Prompts => &self.prompts,
            List::Resources => &self.resources,
        }
    }

    fn is_for(&self, caller: &Principal) -> bool {
        self.callers.have(caller)
    }
}
