//! What a policy would change, by what the audit has: for an operator who is about to put it in force.

use std::collections::BTreeMap;
use std::io::{Write, stdout};

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{AUDIT_PAGE, AuditFrom, Operations};
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::{BusError, shown};
use prynai_gateway_engine::{Change, PolicyFile, Rehearsal};
use prynai_redis_bus::RedisOperations;
use prynai_redis_bus::settings::{RedisSettings, exit_if_unusable};

/// Kinds of changes that are told apart; of any more only their number is told.
const MOST_KINDS: usize = 1000;

/// Bytes that are shown of each text.
const MOST_OF_TEXT: usize = 256;

/// What would have been different, of whom, and how often.
#[derive(Default)]
struct Found {
    kinds: BTreeMap<(Change, String, String), u64>,
    /// Those that are not told apart any more.
    others: u64,
    /// The policy would have refused something that was let through.
    refuses: bool,
    looked_at: u64,
    /// When the first record was made, as it says.
    since: Option<String>,
}

/// How a rehearsal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The policy would have refused nothing that was let through.
    Well,
    /// It would have.
    Refuses,
    /// There is nothing to try it on.
    Nothing,
}

impl Ended {
    /// The exit code.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Well => 0,
            Self::Refuses => 1,
            Self::Nothing => 3,
        }
    }
}

/// The exit code when Redis cannot be reached, as `prynai-ops` has it.
pub(crate) const EXIT_AWAY: u8 = 5;

/// Reads all of the audit, and prints what the policy would have changed. It only looks.
///
/// # Errors
///
/// When Redis does not answer.
pub(crate) async fn rehearse(
    redis: &RedisSettings,
    policy: &PolicyFile,
) -> Result<Ended, BusError> {
    let operations = exit_if_unusable(RedisOperations::connect(redis).await)
        .map_err(|error| BusError::Unavailable(error.to_string()))?;
    let mut rehearsal = Rehearsal::new(policy, operations.catalog().await?);
    let mut found = Found::default();
    let mut after = EntryId::from("0-0");
    loop {
        let page = operations.audit(AuditFrom::After(&after)).await?;
        let Some(last) = page.last() else { break };
        after = last.entry.clone();
        for sight in &page {
            if let Some(record) = &sight.record {
                found.add(record, rehearsal.judge(record, added_ms(&sight.entry)));
            }
        }
        // What comes from now on would never end.
        if page.len() < AUDIT_PAGE {
            break;
        }
    }
    // Nothing is left to do when nobody reads it.
    let _ = stdout().write_all(found.page().as_bytes());
    Ok(match found.looked_at {
        0 => Ended::Nothing,
        _ if found.refuses => Ended::Refuses,
        _ => Ended::Well,
    })
}

impl Found {
    fn add(&mut self, record: &AuditRecord<'_>, change: Option<(Change, u64)>) {
        self.looked_at += record.count();
        self.since
            .get_or_insert_with(|| record.timestamp.to_string());
        let Some((change, count)) = change else {
            return;
        };
        self.refuses |= matches!(change, Change::Refused | Change::Limited(_));
        let kind = (change, who(record), what(record));
        match self.kinds.len() < MOST_KINDS || self.kinds.contains_key(&kind) {
            true => *self.kinds.entry(kind).or_default() += count,
            false => self.others += count,
        }
    }

    fn page(&self) -> String {
        let Some(since) = &self.since else {
            return "The audit is empty, so nothing was tried. Is --key-prefix right? Is --audit-records 0 set?\n"
                .to_owned();
        };
        let mut text = format!(
            "{} calls and refusals are in the audit, since {since}.\n",
            self.looked_at
        );
        if self.kinds.is_empty() {
            text += "The policy would have decided all of them alike.\n";
            return text;
        }
        text += "The policy would have decided these differently:\n\n";
        for ((change, who, what), count) in &self.kinds {
            let decision = match change {
                Change::Refused => "refused: no rule allows it".to_owned(),
                Change::Limited(limit) => format!("refused: over the limit {limit:?}"),
                Change::Allowed => "allowed".to_owned(),
                Change::Unknown => "not known: the audit has its name only in part".to_owned(),
            };
            text += &format!("{count:>8}  {what}  of {who}  {decision}\n");
        }
        if self.others > 0 {
            text += &format!("{:>8}  of other kinds\n", self.others);
        }
        text
    }
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
