//! The policy file: TOML, read to the last word.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::asked::is_core;
use super::callers::AppliesTo;
use super::rules::{Rule, Rules};
use super::written::{Texts, Wrong, callers, name_of, targets};
use super::written_limit::{WrittenLimit, limits};

/// Largest file, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// Most rules in a file.
const MOST_RULES: usize = 256;

/// Most limits in a file: each request looks at all of them.
const MOST_LIMITS: usize = 64;

/// Most patterns in a file.
const MOST_PATTERNS: usize = 2048;

/// A policy as it was read at the start.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    pub(super) path: PathBuf,
    pub(super) text: String,
    pub(super) rules: Arc<Rules>,
}

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    allow: Vec<Spanned<WrittenRule>>,
    #[serde(default)]
    limit: Vec<Spanned<WrittenLimit>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRule {
    name: Option<Spanned<String>>,
    #[serde(default)]
    everything: bool,
    #[serde(default)]
    tools: Texts,
    #[serde(default)]
    prompts: Texts,
    #[serde(default)]
    resources: Texts,
    #[serde(default)]
    methods: Texts,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    to: AppliesTo,
    any_scope: Option<Texts>,
    any_role: Option<Texts>,
    #[serde(default = "yes")]
    list: bool,
    #[serde(default = "yes")]
    call: bool,
}

fn yes() -> bool {
    true
}

impl PolicyFile {
    /// Reads a policy, as a setting.
    ///
    /// # Errors
    ///
    /// What is wrong with it, with the line, and what to do.
    pub fn read(path: &str) -> Result<Self, String> {
        let path = PathBuf::from(path);
        let text = text_of(&path)?;
        let rules = Arc::new(parse(&text)?);
        Ok(Self { path, text, rules })
    }
}

/// What a file holds now.
///
/// # Errors
///
/// Why it cannot be read.
pub(super) fn text_of(path: &Path) -> Result<String, String> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?
            .take(MOST_BYTES + 1)
            .read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| format!("the policy file cannot be read: {error}"))?;
    if text.len() as u64 > MOST_BYTES {
        return Err(format!("the policy file is larger than {MOST_BYTES} bytes"));
    }
    Ok(text)
}

/// Reads the text of a policy.
///
/// # Errors
///
/// What is wrong with it, with the line, and what to do.
pub(super) fn parse(text: &str) -> Result<Rules, String> {
    let written: Written = toml::from_str(text).map_err(|error| error.to_string())?;
    if written.allow.is_empty() {
        return Err(
            "the policy has no rule, so it would allow nothing; write [[allow]] and below it what is allowed, \
             such as everything = true"
                .to_owned(),
        );
    }
    if written.allow.len() > MOST_RULES {
        return Err(format!(
            "the policy has more than {MOST_RULES} rules; merge some"
        ));
    }
    if written.limit.len() > MOST_LIMITS {
        return Err(format!(
            "the policy has more than {MOST_LIMITS} limits; merge some"
        ));
    }
    let allowing = written
        .allow
        .iter()
        .map(|rule| rule.get_ref().patterns().count());
    let limiting = written
        .limit
        .iter()
        .map(|limit| limit.get_ref().patterns().count());
    if allowing.chain(limiting).sum::<usize>() > MOST_PATTERNS {
        let advice = "merge some with *";
        return Err(format!(
            "the policy has more than {MOST_PATTERNS} patterns; {advice}"
        ));
    }
    let numbered = written.allow.into_iter().enumerate();
    let read = || -> Result<Rules, Wrong> {
        let allow = numbered.map(rule).collect::<Result<_, _>>()?;
        let limits = limits(written.limit)?;
        Ok(Rules { allow, limits })
    };
    let rules = read().map_err(|wrong| {
        let line = 1 + text[..wrong.at.start].matches('\n').count();
        format!("line {line}: {}", wrong.reason)
    })?;
    rules
        .check_together()
        .map_err(|error| format!("all rules together: {error}"))?;
    Ok(rules)
}

fn rule((index, written): (usize, Spanned<WrittenRule>)) -> Result<Rule, Wrong> {
    let at = written.span();
    let written = written.into_inner();
    written.check().map_err(|reason| Wrong { at, reason })?;
    let WrittenRule {
        everything,
        to,
        list,
        call,
        read_only,
        ..
    } = written;
    let targets = |texts: Texts| match everything {
        true => targets(vec![Spanned::new(0..0, "*".to_owned())]),
        false => targets(texts),
    };
    for method in &written.methods {
        if is_core(method.get_ref()) {
            return Err(Wrong {
                at: method.span(),
                reason: format!(
                    "{} is a method of MCP itself, which a rule cannot list; list tools, prompts or resources instead",
                    method.get_ref()
                ),
            });
        }
    }
    let name = match written.name {
        Some(name) => name_of(name)?,
        None => format!("allow {}", index + 1).into(),
    };
    Ok(Rule {
        name,
        callers: callers(to, written.any_scope, written.any_role)?,
        list,
        call,
        read_only,
        tools: targets(written.tools)?,
        prompts: targets(written.prompts)?,
        resources: targets(written.resources)?,
        methods: targets(written.methods)?,
    })
}

impl WrittenRule {
    fn patterns(&self) -> impl Iterator<Item = &Spanned<String>> {
        [&self.tools, &self.prompts, &self.resources, &self.methods]
            .into_iter()
            .flatten()
    }

    /// What cannot be meant as it is written.
    fn check(&self) -> Result<(), String> {
        let names_something = self.patterns().next().is_some();
        let empty = |names: &Option<Texts>| names.as_ref().is_some_and(Vec::is_empty);
        let wrong = if !self.everything && !names_something {
            "the rule allows nothing; name tools, prompts, resources or methods, or write everything = true"
        } else if self.everything && names_something {
            "everything = true leaves nothing to name; remove one or the other"
        } else if !self.list && !self.call {
            "the rule allows neither to list nor to call; remove list = false or call = false"
        } else if self.read_only && self.tools.is_empty() {
            "read_only chooses among tools; add them, such as tools = [\"*\"]"
        } else if !self.call && !self.methods.is_empty() {
            "methods can only be called; remove call = false, or make a rule of their own for them"
        } else if empty(&self.any_scope) {
            "any_scope is empty, so the rule is for nobody; name some scopes, or remove it"
        } else if empty(&self.any_role) {
            "any_role is empty, so the rule is for nobody; name some roles, or remove it"
        } else {
            return Ok(());
        };
        Err(wrong.to_owned())
    }
}
