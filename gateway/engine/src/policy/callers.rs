//! Whom a policy speaks of, and of what.

use std::collections::BTreeSet;

use prynai_bus::patterns::{PatternError, Patterns};
use prynai_bus::wire::principal::{CallerKind, Principal};
use serde::Deserialize;

/// Whom a rule or a limit is for.
#[derive(Debug)]
pub(super) struct Callers {
    pub(super) to: AppliesTo,
    /// Has one of these, or there are none.
    pub(super) any_scope: Names,
    /// Has one of these, or there are none.
    pub(super) any_role: Names,
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
    pub(super) written: Vec<String>,
    /// As tokens may show them.
    shown: BTreeSet<String>,
}

/// What a rule is about, by patterns.
#[derive(Debug, Default)]
pub(super) struct Targets {
    pub(super) written: BTreeSet<String>,
    pub(super) patterns: Patterns,
}

/// What a caller lacks for a rule.
pub(super) enum Lack<'a> {
    Nothing,
    Scope(&'a Names),
    /// No consent gives a role, so a missing one is told first.
    Role(&'a Names),
    /// To be somebody else.
    Everything,
}

// === impl Callers ===

impl Callers {
    /// Whether a caller is one of them.
    pub(super) fn have(&self, caller: &Principal) -> bool {
        matches!(self.lack(caller), Lack::Nothing)
    }

    /// What a caller lacks to be one of them.
    pub(super) fn lack(&self, caller: &Principal) -> Lack<'_> {
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

    /// The first of those held that is among them.
    pub(super) fn first_of<'a>(&self, held: &'a BTreeSet<String>) -> Option<&'a str> {
        let held = held.iter().map(String::as_str);
        held.into_iter().find(|name| self.shown.contains(*name))
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
