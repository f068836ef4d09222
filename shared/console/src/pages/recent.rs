//! The newest calls and refusals, as the audit has them.

use maud::{Markup, html};
use prynai_bus::ids::StreamId;
use prynai_bus::operations::{AUDIT_PAGE, AuditFrom, CallName, Repairs};
use prynai_bus::wire::audit::AuditRecord;
use prynai_operations::Failed;
use prynai_operations::look::audit::{AuditFilter, of_call};
use prynai_operations::text::span;

use super::{Fields, Made, form, live};
use crate::address::Query;
use crate::parts::{Columns, call_link, dash, said, state, table};

const RECORDS: Columns = &[
    ("Ended (UTC)", false),
    ("What", false),
    ("Outcome", false),
    ("Caller", false),
    ("Waited", true),
    ("Took", true),
    ("Attempt", true),
    ("Why", false),
];

/// How a call may have ended, in the word of the audit and in that of a reader.
const OUTCOMES: &[(&str, &str)] = &[
    ("ok", "ok"),
    ("tool_error", "tool error"),
    ("error", "error"),
    ("cancelled", "cancelled"),
    ("refused", "refused"),
];

/// Records that are shown.
const MOST: usize = 50;

/// What is asked for in the form: the name of the value, and what stands before the field.
const ASKED: Fields = &[
    ("tool", "Tool, prompt or resource"),
    ("caller", "Caller"),
    ("session", "Session"),
    ("call", "Call (its stream)"),
];

pub(crate) async fn recent(operations: &dyn Repairs, query: &Query) -> Made {
    let chosen = query.get("outcome").unwrap_or_default();
    let outcome = OUTCOMES.iter().find(|(word, _)| *word == chosen);
    let asked = query
        .get("call")
        .map(|call| call.trim().parse::<StreamId>().ok());
    let (call, is_misnamed) = (asked.flatten(), asked == Some(None));
    let filter = AuditFilter {
        tool: query.owned("tool"),
        principal: query.owned("caller"),
        session: query.owned("session"),
        call,
        outcomes: outcome
            .map(|(word, _)| (*word).into())
            .into_iter()
            .collect(),
    };
    let looked_through = if filter.wants_all() { MOST } else { AUDIT_PAGE };
    let found = operations.audit(AuditFrom::Newest(looked_through)).await?;
    let wanted = found.iter().rev().filter(|sight| filter.wants_sight(sight));
    let most = if is_misnamed { 0 } else { MOST };
    let rows = wanted.take(most).map(|sight| match &sight.record {
        Some(record) => row(record),
        None => vec![dash(), html! { "a record that this release cannot read" }],
    });
    let rows: Vec<_> = rows.collect();
    let body = html! {
        (form("recent", query, ASKED, &html! {
            div {
                label for="outcome" { "Outcome" }
                select id="outcome" name="outcome" {
                    option value="" { "any" }
                    @for (word, shown) in OUTCOMES { option value=(word) selected[*word == chosen] { (shown) } }
                }
            }
        }))
        @if is_misnamed {
            p .trouble { "A call is named here by its stream: 32 digits, as logs name it." }
        } @else if !rows.is_empty() {
            (table("Calls and refusals, the newest first", RECORDS, rows))
        } @else if found.is_empty() {
            p .calm { "The audit has nothing yet, or is off." }
        } @else {
            p .calm { "None of the newest " (found.len()) " records is asked for." }
        }
        p .dim { "At most " (MOST) " of the newest " (AUDIT_PAGE) " records of the audit. prynai-ops tail follows it." }
    };
    Ok((live("Recent calls", "recent", query), body))
}

/// What the audit has of a call that is known no more; `told` says so.
///
/// # Errors
///
/// When it has nothing, or the bus does not answer, or refuses.
pub(super) async fn record_of(
    operations: &dyn Repairs,
    name: &CallName,
    told: String,
) -> Result<Markup, Failed> {
    let CallName::Stream(stream) = name else {
        return Err(Failed::Unknown(told));
    };
    let found = of_call(operations, *stream).await?;
    if found.records.is_empty() {
        return Err(Failed::Unknown(found.why_nothing(told)));
    }
    let rows: Vec<_> = found.records.iter().map(row).collect();
    Ok(table("What the audit has of it", RECORDS, rows))
}

fn row(record: &AuditRecord<'_>) -> Vec<Markup> {
    let text = |text: &Option<std::borrow::Cow<'_, str>>| {
        html! { @if let Some(text) = text { (said(text)) } @else { (dash()) } }
    };
    let took = |ms: Option<f64>| match ms {
        // No call takes longer than what fits.
        Some(ms) if ms.is_finite() && ms >= 0.0 => html! { (span(ms.round() as u64)) },
        _ => dash(),
    };
    let stamp = record.timestamp.as_ref();
    let clock = stamp
        .split_once('T')
        .map_or(stamp, |(_, clock)| clock.trim_end_matches('Z'));
    let named = [record.method.as_deref(), record.name.as_deref()];
    let what = named.into_iter().flatten().collect::<Vec<_>>().join(" ");
    let what = html! {
        @if what.is_empty() { "a request that was not read" } @else { (said(&what)) }
        @if let Some(count) = record.count.filter(|count| *count > 1) { " (" (count) " times within a second)" }
    };
    let why = [
        record.reason.as_deref().map(str::to_owned),
        record.code.map(|code| format!("error {code}")),
        record.rule.as_deref().map(|rule| format!("rule {rule}")),
    ];
    let why = why.into_iter().flatten().collect::<Vec<_>>().join(", ");
    vec![
        html! { time title=(said(stamp)) { (said(clock)) } },
        match &record.stream {
            Some(stream) => call_link(stream, &what),
            None => what,
        },
        outcome(&record.outcome),
        html! {
            (text(&record.principal))
            // All who call without a token have one name.
            @if let Some(address) = &record.address { " from " (said(address)) }
        },
        took(record.queue_ms),
        took(record.duration_ms),
        html! { @if let Some(attempt) = record.attempt { (attempt) } @else { (dash()) } },
        html! { @if why.is_empty() { (dash()) } @else { (said(&why)) } },
    ]
}

fn outcome(word: &str) -> Markup {
    match word {
        "ok" => state("ok"),
        "cancelled" => state("cancelled"),
        "error" => state("error"),
        "refused" => state("refused"),
        "tool_error" => state("tool error"),
        other => html! { (said(other)) },
    }
}
