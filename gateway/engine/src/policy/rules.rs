//! What a policy decides.

use std::collections::BTreeSet;

use prynai_bus::patterns::{PatternError, Patterns};
use prynai_bus::wire::principal::{CallerKind, Principal};
use prynai_bus::wire::visible::Visible;
use serde::Deserialize;

use super::asked::{Asked, List};
use crate::refusal::Missing;
use crate::refusal::RequestError;

/// A policy, ready to decide. What no rule allows is refused.
#[derive(Debug)]
pub(crate) struct Rules(pub(super) Vec<Rule>);

/// One rule: allows something to somebody.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) to: AppliesTo,
    /// Has one of these, or there are none.
    pub(super) any_scope: Names,
    /// Has one of these, or there are none.
    pub(super) any_role: Names,
    pub(super) list: bool,
    pub(super) call: bool,
    /// Of the tools, those that say that they only read.
    pub(super) read_only: bool,
    pub(super) tools: Targets,
    pub(super) prompts: Targets,
    pub(super) resources: Targets,
    pub(super) methods: Targets,
}

/// To which kind of callers a rule applies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AppliesTo {
    /// Persons, through an application.
    Users,
    /// Applications by themselves.
    Apps,
    /// Both, and callers of a server that asks for no credentials.
    #[default]
    Anyone,
}

/// Scopes or roles.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In their order, as they were written.
    written: Vec<String>,
    /// As tokens may show them.
    shown: BTreeSet<String>,
}

/// What a rule is about, by patterns.
#[derive(Debug, Default)]
pub(super) struct Targets {
    written: BTreeSet<String>,
    patterns: Patterns,
}

/// What a caller lacks for a rule.
enum Lack<'a> {
    Nothing,
    Scope(&'a Names),
    /// No consent gives a role, so a missing one is told first.
    Role(&'a Names),
    /// To be somebody else.
    Everything,
}

// === impl Rules ===

impl Rules {
    /// Whether the caller may do what is asked for; `reads` when it is about a tool that only reads.
    pub(super) fn allows(&self, caller: &Principal, asked: &Asked, reads: bool) -> bool {
        let applies = |rule: &&Rule| rule.is_for(caller);
        self.about(asked, reads).any(|rule| applies(&rule)) || self.is_open(asked)
    }

    /// Why the caller may not do what is asked for, and what a token for it would need.
    pub(super) fn refusal(&self, caller: &Principal, asked: &Asked, reads: bool) -> RequestError {
        let mut missing = Missing::default();
        for rule in self.about(asked, reads) {
            let (known, lacking) = match rule.lack(caller) {
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
        for rule in &self.0 {
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
            Patterns::new(self.0.iter().flat_map(|rule| &rule.listed(list).written))?;
        }
        Ok(())
    }

    /// Whether a decision on a tool depends on whether it only reads.
    pub(super) fn ask_what_reads(&self) -> bool {
        self.0.iter().any(|rule| rule.read_only)
    }

    /// The rules that allow it to somebody.
    fn about<'a>(&'a self, asked: &'a Asked, reads: bool) -> impl Iterator<Item = &'a Rule> {
        self.0
            .iter()
            .filter(move |rule| rule.is_about(asked, reads))
    }

    /// Whether it is open to everybody: what concerns nobody else, and methods of which no rule speaks.
    fn is_open(&self, asked: &Asked) -> bool {
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
        matches!(self.lack(caller), Lack::Nothing)
    }

    fn lack(&self, caller: &Principal) -> Lack<'_> {
        let identity = caller.identity.as_deref();
        let kind = identity.map(|identity| identity.kind);
        let is_meant = match self.to {
            AppliesTo::Users => kind == Some(CallerKind::User),
            AppliesTo::Apps => kind == Some(CallerKind::App),
            AppliesTo::Anyone => true,
        };
        match identity {
            _ if !is_meant => Lack::Everything,
            None if self.any_scope.is_empty() && self.any_role.is_empty() => Lack::Nothing,
            None => Lack::Everything,
            Some(identity) if !self.any_role.has_one_of(&identity.roles) => {
                Lack::Role(&self.any_role)
            }
            Some(identity) if !self.any_scope.has_one_of(&identity.scopes) => {
                Lack::Scope(&self.any_scope)
            }
            Some(_) => Lack::Nothing,
        }
    }
}

// === impl Names ===

impl Names {
    /// Roles are in tokens as they are in the file.
    pub(super) fn of_roles(written: Vec<String>) -> Self {
        let shown = written.iter().cloned().collect();
        Self { written, shown }
    }

    /// Scopes are there as they are in the file, or without what stands before: what clients ask Entra ID for as
    /// `api://app/mcp.call` its tokens show as `mcp.call`.
    pub(super) fn of_scopes(written: Vec<String>) -> Self {
        let short = |name: &String| {
            let (_, path) = name.split_once("://")?;
            path.rsplit_once('/').map(|(_, short)| short.to_owned())
        };
        let shown = written.iter().filter_map(short).chain(written.clone());
        let shown = shown.collect();
        Self { written, shown }
    }

    fn is_empty(&self) -> bool {
        self.written.is_empty()
    }

    /// Whether one of them is held, or none is asked for.
    fn has_one_of(&self, held: &BTreeSet<String>) -> bool {
        self.is_empty() || held.iter().any(|name| self.shown.contains(name))
    }
}

// === impl Targets ===

impl Targets {
    /// # Errors
    ///
    /// What is wrong with a pattern.
    pub(super) fn new(written: Vec<String>) -> Result<Self, PatternError> {
        let patterns = Patterns::new(&written)?;
        let written = written.into_iter().collect();
        Ok(Self { written, patterns })
    }
}
