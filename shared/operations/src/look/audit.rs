//! The audit: which records, and those of one call.

use std::borrow::Cow;

use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{AUDIT_PAGE, AuditFrom, AuditSight, Operations};
use prynai_bus::shown;
use prynai_bus::wire::audit::AuditRecord;

use crate::Failed;
use crate::text::moment;

/// Pages of the audit that are looked through for one call.
const PAGES: usize = 20;

/// How much earlier than its stream says a call may have ended: its gateway named it by its own clock. The clocks of a
/// fleet differ little, and whatever others did in this time is looked through first.
const APART_MS: u64 = 2_000;

/// Which records.
#[derive(Debug, Default, Clone)]
pub struct AuditFilter {
    /// Only of this tool, prompt or resource.
    pub tool: Option<String>,
    /// Only of this caller.
    pub principal: Option<String>,
    /// Only of this session, by its whole id or its beginning.
    pub session: Option<String>,
    /// Only of the call with this stream.
    pub call: Option<StreamId>,
    /// Only those that ended in one of these ways; any, if there is none.
    pub outcomes: Vec<Cow<'static, str>>,
}

// === impl AuditFilter ===

impl AuditFilter {
    /// Whether every record is wanted.
    pub fn wants_all(&self) -> bool {
        self.tool.is_none()
            && self.principal.is_none()
            && self.session.is_none()
            && self.call.is_none()
            && self.outcomes.is_empty()
    }

    /// Whether a record is wanted.
    pub fn wants(&self, record: &AuditRecord<'_>) -> bool {
        let method = record.method.as_deref().unwrap_or_default();
        let is = |wanted: &Option<String>, has: &Option<Cow<'_, str>>| {
            wanted.is_none() || wanted.as_deref() == has.as_deref()
        };
        let tool = self.tool.as_deref();
        let tool = tool.map(|name| shown::name(method, name));
        let session = |wanted: &str| {
            let has = record.session.as_deref();
            has.is_some_and(|has| shown::is_session(has, wanted))
        };
        let call = |wanted: &StreamId| {
            let has = record.stream.as_deref();
            has == Some(wanted.digits(&mut [0; 32]))
        };
        is(&self.principal, &record.principal)
            && (tool.is_none() || tool == record.name)
            && self.session.as_deref().is_none_or(session)
            && self.call.as_ref().is_none_or(call)
            && (self.outcomes.is_empty() || self.outcomes.contains(&record.outcome))
    }

    /// Whether a record is wanted, as far as it can be read.
    pub fn wants_sight(&self, sight: &AuditSight) -> bool {
        let record = sight.record.as_ref();
        record.map_or_else(|| self.call.is_none(), |record| self.wants(record))
    }
}

/// What the audit has of a call.
#[derive(Debug)]
pub struct OfCall {
    /// Its records, oldest first.
    pub records: Vec<AuditRecord<'static>>,
    /// Until when the audit was looked through, in Unix milliseconds, if there was more of it than is looked through.
    pub until_ms: Option<u64>,
}

// === impl OfCall ===

impl OfCall {
    fn all(records: Vec<AuditRecord<'static>>) -> Self {
        Self {
            records,
            until_ms: None,
        }
    }

    /// Why nothing is known of a call, with how far the audit was looked through for it.
    pub fn why_nothing(&self, told: String) -> String {
        match self.until_ms {
            Some(until) => format!(
                "{told}; the audit was looked through until {} only: prynai-ops tail has the newest records",
                moment(until)
            ),
            None => told,
        }
    }
}

/// What the audit has of a call: looked for from two seconds before its stream was named, in the first ten thousand
/// records since then. Where a call takes long and others make more records meanwhile, it is not found.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn of_call(operations: &dyn Operations, stream: StreamId) -> Result<OfCall, Failed> {
    of_call_since(operations, stream, stream.named_ms().unwrap_or(0)).await
}

/// The same, looked for from two seconds before a moment, in Unix milliseconds.
pub(super) async fn of_call_since(
    operations: &dyn Operations,
    stream: StreamId,
    since_ms: u64,
) -> Result<OfCall, Failed> {
    let filter = AuditFilter {
        call: Some(stream),
        ..AuditFilter::default()
    };
    let begin = since_ms.saturating_sub(APART_MS);
    let mut after = EntryId::from(format!("{begin}-0").as_str());
    let mut found = Vec::new();
    for _ in 0..PAGES {
        let page = operations.audit(AuditFrom::After(&after)).await?;
        let Some(last) = page.last() else {
            return Ok(OfCall::all(found));
        };
        after = last.entry.clone();
        let is_last = page.len() < AUDIT_PAGE;
        let records = page.into_iter().filter_map(|sight| sight.record);
        found.extend(records.filter(|record| filter.wants(record)));
        // A call has one record; of a later page nobody expects another.
        if is_last || !found.is_empty() {
            return Ok(OfCall::all(found));
        }
    }
    let until_ms = after.as_str().split('-').next();
    Ok(OfCall {
        records: found,
        until_ms: until_ms.and_then(|ms| ms.parse().ok()),
    })
}
