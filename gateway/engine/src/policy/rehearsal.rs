//! What a policy would have decided of what the audit has.

use std::collections::HashMap;
use std::sync::Arc;

use prynai_bus::shown;
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::principal::{CallerKind, Identity, Principal};

use super::asked::{Asked, is_open, names_resource};
use super::file::PolicyFile;
use super::limits::Request;
use super::rules::Rules;

/// Reasons of refusals that a policy decides.
const OF_POLICIES: [&str; 3] = ["policy", "insufficient_scope", "rate_limit"];

/// A policy, asked about the past. Records must come in their order.
pub struct Rehearsal {
    rules: Arc<Rules>,
    catalog: Option<CatalogRecord>,
    /// When the bucket of each name is full again, Unix microseconds.
    buckets: HashMap<String, u64>,
}

/// What the policy would have done that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Change {
    /// No rule allows what was allowed.
    Refused,
    /// What was allowed is over the limit of this name.
    Limited(String),
    /// A rule allows what was refused.
    Allowed,
    /// Nobody knows: the audit has the name only in part.
    Unknown,
}

impl Rehearsal {
    /// A rehearsal of a policy. `catalog` says which tools only read.
    pub fn new(policy: &PolicyFile, catalog: Option<CatalogRecord>) -> Self {
        Self {
            rules: Arc::clone(&policy.rules),
            catalog,
            buckets: HashMap::new(),
        }
    }

    /// What would have been different, and for how many of those that the record stands for; `None` for nothing, and
    /// for what no policy decides.
    pub fn judge(&mut self, record: &AuditRecord<'_>, at_ms: u64) -> Option<(Change, u64)> {
        let method = record.method.as_deref()?;
        let was_refused = record.outcome == "refused";
        let reason = record.reason.as_deref().unwrap_or_default();
        if was_refused && !OF_POLICIES.contains(&reason) {
            return None;
        }
        let name = record.name.as_deref();
        if name.is_some_and(|name| name.contains(shown::MORE) || name.contains("\\u{")) {
            return Some((Change::Unknown, record.count()));
        }
        let asked = asked(method, name)?;
        let principal = principal(record);
        let tools = self.catalog.as_ref().map(|catalog| &catalog.tools);
        let tool = match &asked {
            Asked::Tool(name) => tools.and_then(|tools| tools.get(name)),
            _ => None,
        };
        let reads = tool.is_some_and(|tool| tool.read_only);
        if !self.rules.allows(&principal, &asked, reads) {
            return (!was_refused).then(|| (Change::Refused, record.count()));
        }
        let request = Request {
            principal: &principal,
            method,
            asked: &asked,
            is_of_known_tool: tool.is_some(),
        };
        let (let_through, limit) = self.count(&request, record.count(), at_ms);
        match limit {
            _ if was_refused => (let_through > 0).then_some((Change::Allowed, let_through)),
            Some(limit) => Some((Change::Limited(limit), record.count() - let_through)),
            None => None,
        }
    }

    /// How many of `wanted` requests the limits let through, and the first limit that does not let through all.
    fn count(&mut self, request: &Request<'_>, wanted: u64, at_ms: u64) -> (u64, Option<String>) {
        let now = at_ms.saturating_mul(1000);
        let (mut through, mut first) = (wanted, None);
        let limits = self.rules.limits.iter();
        for counted in limits.filter_map(|limit| limit.counts(request)) {
            let full_at = self
                .buckets
                .entry(counted.bucket.name.clone())
                .or_insert(now);
            let asked = u32::try_from(through).unwrap_or(u32::MAX);
            let (later, taken) = counted.bucket.after_taking(*full_at, now, asked);
            *full_at = later;
            if u64::from(taken.tokens) < through {
                through = taken.tokens.into();
                first.get_or_insert_with(|| counted.rule.to_string());
            }
        }
        (through, first)
    }
}

/// What a record says that was asked for; `None` when it does not say enough.
fn asked(method: &str, name: Option<&str>) -> Option<Asked> {
    let name = || name.map(str::to_owned);
    Some(match method {
        "tools/call" => Asked::Tool(name()?),
        "prompts/get" => Asked::Prompt(name()?),
        method if names_resource(method) => Asked::Resource(name()?),
        // Whether it was about a prompt or a template, no record says.
        "completion/complete" => return None,
        open if is_open(open) => Asked::Nothing,
        other => Asked::Method(other.to_owned()),
    })
}

fn principal(record: &AuditRecord<'_>) -> Principal {
    let identity = |kind: CallerKind| Identity {
        issuer: String::new(),
        tenant: None,
        object_id: String::new(),
        client: record.client.as_deref().map(str::to_owned),
        kind,
        scopes: record.scopes.iter().map(|name| name.to_string()).collect(),
        roles: record.roles.iter().map(|name| name.to_string()).collect(),
    };
    Principal {
        subject: record.principal.as_deref().unwrap_or_default().to_owned(),
        identity: record.kind.map(|kind| Arc::new(identity(kind))),
        address: record
            .address
            .as_deref()
            .and_then(|address| address.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::file::parse;
    use super::*;

    fn rehearsal(text: &str) -> Rehearsal {
        let policy = PolicyFile {
            path: PathBuf::new(),
            text: text.to_owned(),
            rules: Arc::new(parse(text).unwrap()),
        };
        Rehearsal::new(&policy, None)
    }

    fn record(name: &'static str) -> AuditRecord<'static> {
        AuditRecord {
            method: Some("tools/call".into()),
            name: Some(name.into()),
            principal: Some("alice".into()),
            kind: Some(CallerKind::User),
            roles: vec!["Reader".into()],
            ..AuditRecord::new("ok")
        }
    }

    fn refused(name: &'static str, reason: &'static str) -> AuditRecord<'static> {
        AuditRecord {
            outcome: "refused".into(),
            reason: Some(reason.into()),
            count: Some(7),
            ..record(name)
        }
    }

    #[test]
    fn what_rules_change_is_told() {
        let policy = "[[allow]]\ntools = [\"read_*\"]\nany_role = [\"Reader\"]";
        let mut rehearsal = rehearsal(policy);
        for (record, expected) in [
            (record("read_a"), None),
            (record("write_a"), Some((Change::Refused, 1))),
            (refused("read_a", "policy"), Some((Change::Allowed, 7))),
            (refused("write_a", "policy"), None),
            (record("read_a\\u{1b}"), Some((Change::Unknown, 1))),
            (record("read_aaa…"), Some((Change::Unknown, 1))),
            // That is not the policy's to decide.
            (refused("read_a", "queue_full"), None),
            (
                AuditRecord {
                    roles: Vec::new(),
                    ..record("read_a")
                },
                Some((Change::Refused, 1)),
            ),
            (
                AuditRecord {
                    method: Some("tools/list".into()),
                    name: None,
                    ..record("")
                },
                None,
            ),
        ] {
            assert_eq!(rehearsal.judge(&record, 0), expected, "{record:?}");
        }
    }

    #[test]
    fn what_limits_change_is_told_by_the_time_of_the_records() {
        let allow = "[[allow]]\neverything = true\n";
        let limit = "[[limit]]\nname = \"few\"\nrate = \"1/s\"\nburst = 2\ntools = [\"*\"]\n";
        let mut rehearsal = rehearsal(&format!("{allow}{limit}"));
        let mut judge = |at_ms| rehearsal.judge(&record("a"), at_ms);
        assert_eq!((judge(0), judge(0)), (None, None));
        let over = Some((Change::Limited("few".to_owned()), 1));
        assert_eq!(judge(10), over);
        assert_eq!(judge(1010), None);
        assert_eq!(judge(1020), over);
        let flood = refused("a", "rate_limit");
        assert_eq!(rehearsal.judge(&flood, 10_000), Some((Change::Allowed, 2)));
    }
}
