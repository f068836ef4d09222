//! How often callers may do what they may do.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::Bucket;
use prynai_bus::wire::principal::Principal;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::asked::Asked;
use super::callers::{Callers, Targets};
use crate::admission::rates::Counted;

/// Most requests in a rate, and most at once.
const MOST: u32 = 1_000_000;

/// One limit: how often some callers may do something.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) name: Arc<str>,
    pub(super) callers: Callers,
    pub(super) per: Vec<Per>,
    pub(super) rate: Rate,
    pub(super) burst: u32,
    pub(super) tools: Targets,
    pub(super) prompts: Targets,
    pub(super) resources: Targets,
    /// Those of MCP itself, too.
    pub(super) methods: Targets,
}

/// Who, or what, has a bucket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Per {
    /// Each caller; without a token each address.
    Principal,
    /// Each application.
    Client,
    /// Those who have the same one of the limit's roles; without `any_role`, the same roles.
    Role,
    /// Each tool; a prompt or a resource has none.
    Tool,
}

/// So many requests in so much time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rate {
    /// As it was written.
    written: Arc<str>,
    pub(super) count: u32,
    within: Duration,
}

/// A request that is allowed.
pub(super) struct Request<'a> {
    pub(super) principal: &'a Principal,
    pub(super) method: &'a str,
    pub(super) asked: &'a Asked,
    /// It is about a tool that the workers have.
    pub(super) is_of_known_tool: bool,
}

impl Rate {
    /// Reads `10/s`, `600/m`, `5/h` or `100/d`.
    ///
    /// # Errors
    ///
    /// What it must be.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let rule = || {
            format!(
                "{text:?} is not a rate; write 1 to {MOST} requests per s, m, h or d, such as \"10/s\""
            )
        };
        let (count, unit) = text.split_once('/').ok_or_else(rule)?;
        let within = match unit.trim() {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 24 * 3600,
            _ => return Err(rule()),
        };
        let count: u32 = count.trim().parse().map_err(|_| rule())?;
        match (1..=MOST).contains(&count) {
            true => Ok(Self {
                written: text.into(),
                count,
                within: Duration::from_secs(within),
            }),
            false => Err(rule()),
        }
    }
}

/// Checks how many may come at once.
///
/// # Errors
///
/// What it must be.
pub(super) fn burst(count: u32) -> Result<u32, String> {
    match (1..=MOST).contains(&count) {
        true => Ok(count),
        false => Err(format!("burst must be 1 to {MOST}")),
    }
}

impl Limit {
    /// What a request counts against, if it does.
    pub(super) fn counts(&self, request: &Request<'_>) -> Option<Counted> {
        (self.is_about(request) && self.callers.have(request.principal)).then(|| Counted {
            rule: Arc::clone(&self.name),
            rate: Arc::clone(&self.rate.written),
            bucket: Bucket {
                name: self.bucket(request),
                period: self.rate.within / self.rate.count,
                burst: self.burst,
            },
        })
    }

    fn is_about(&self, request: &Request<'_>) -> bool {
        let is_named = match request.asked {
            Asked::Tool(name) => self.tools.patterns.matches(name),
            Asked::Prompt(name) => self.prompts.patterns.matches(name),
            Asked::Resource(uri) => self.resources.patterns.matches_uri(uri),
            Asked::Method(_) | Asked::Nothing => false,
        };
        is_named || self.methods.patterns.matches(request.method)
    }

    /// The name of the limit, and a digest of whose bucket it is: names of callers are long, and may be anything.
    fn bucket(&self, request: &Request<'_>) -> String {
        let identity = request.principal.identity.as_deref();
        let mut digest = Sha256::new();
        for per in &self.per {
            let part = match per {
                Per::Principal => request.principal.share().as_str().to_owned(),
                Per::Client => identity
                    .and_then(|id| id.client.clone())
                    .unwrap_or_default(),
                Per::Role => identity.map_or_else(String::new, |id| {
                    match self.callers.any_role.first_of(&id.roles) {
                        Some(role) => role.to_owned(),
                        None => id.roles.iter().map(|role| format!("{role} ")).collect(),
                    }
                }),
                Per::Tool => match request.asked {
                    // Nobody makes buckets by making up tools.
                    Asked::Tool(name) if request.is_of_known_tool => name.clone(),
                    _ => String::new(),
                },
            };
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let mut name = format!("{}:", self.name.replace(' ', "_"));
        for byte in &digest.finalize()[..12] {
            // Writing to a string cannot fail.
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}
