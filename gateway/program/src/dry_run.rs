//! What a policy would change, by what the audit has: for an operator who is about to put it in force.

use std::collections::BTreeMap;
use std::io::{Write, stdout};

use anyhow::Context;
use prynai_bus::ids::EntryId;
use prynai_bus::operations::{AuditFrom, Operations};
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::{BusLimits, Catalog, shown};
use prynai_gateway_engine::{Change, PolicyFile, Rehearsal};
use prynai_redis_bus::settings::{RedisSettings, exit_if_unusable};
use prynai_redis_bus::{RedisBus, RedisOperations};

/// Kinds of changes that are told apart; of any more only their number is told.
const MOST_KINDS: usize = 1000;

/// Bytes that are shown of each text.
const MOST_OF_TEXT: usize = 256;

/// What would be refused or allowed, of whom, and how often.
type Found = BTreeMap<(Change, String, String), u64>;

/// Reads all of the audit, and prints what the policy would have changed. Says whether it would have refused anybody
/// anything.
///
/// # Errors
///
/// When Redis does not answer, or nobody reads what is printed.
pub(crate) async fn rehearse(redis: &RedisSettings, policy: &PolicyFile) -> anyhow::Result<bool> {
    let bus = RedisBus::connect_as_set(redis, BusLimits::default()).await;
    let catalog = exit_if_unusable(bus)?.read_catalog().await?;
    let audit = exit_if_unusable(RedisOperations::connect(redis).await)?;
    let mut rehearsal = Rehearsal::new(policy, catalog);
    let (mut found, mut others, mut looked_at) = (Found::new(), 0, 0);
    let mut after = EntryId::from("0-0");
    loop {
        let page = audit.audit(AuditFrom::After(&after)).await?;
        let Some(last) = page.last() else { break };
        after = last.entry.clone();
        for sight in &page {
            let Some(record) = &sight.record else {
                continue;
            };
            looked_at += record.count();
            let Some((change, count)) = rehearsal.judge(record, added_ms(&sight.entry)) else {
                continue;
            };
            let kind = (change, who(record), what(record));
            match found.len() < MOST_KINDS || found.contains_key(&kind) {
                true => *found.entry(kind).or_default() += count,
                false => others += count,
            }
        }
    }
    let refuses = found.keys().any(|(change, ..)| *change != Change::Allowed);
    let text = page(&found, others, looked_at);
    stdout()
        .write_all(text.as_bytes())
        .context("cannot write")?;
    Ok(refuses)
}

/// When an entry was added, Unix milliseconds.
fn added_ms(entry: &EntryId) -> u64 {
    let (ms, _) = entry.as_str().split_once('-').unwrap_or_default();
    ms.parse().unwrap_or(0)
}

fn who(record: &AuditRecord<'_>) -> String {
    let who = record.principal.as_deref().unwrap_or("-");
    shown::visible(who, MOST_OF_TEXT).into_owned()
}

fn what(record: &AuditRecord<'_>) -> String {
    let words = [record.method.as_deref(), record.name.as_deref()];
    let words: Vec<&str> = words.into_iter().flatten().collect();
    shown::visible(&words.join(" "), MOST_OF_TEXT).into_owned()
}

fn page(found: &Found, others: u64, looked_at: u64) -> String {
    let mut text = format!("{looked_at} calls and refusals are in the audit.\n");
    if found.is_empty() {
        text += "The policy would have decided all of them alike.\n";
        return text;
    }
    text += "The policy would have decided these differently:\n\n";
    for ((change, who, what), count) in found {
        let decision = match change {
            Change::Refused => "refused: no rule allows it".to_owned(),
            Change::Limited(limit) => format!("refused: over the limit {limit:?}"),
            Change::Allowed => "allowed".to_owned(),
        };
        text += &format!("{count:>8}  {what}  of {who}  {decision}\n");
    }
    if others > 0 {
        text += &format!("{others:>8}  others\n");
    }
    text
}
