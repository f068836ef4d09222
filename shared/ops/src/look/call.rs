//! The life of one call.

use std::borrow::Cow;

use prynai_bus::operations::{CallName, EntrySight, Operations};
use prynai_bus::wire::audit::AuditRecord;
use prynai_operations::explain::Explanation;
use prynai_operations::look::audit::of_call;
use prynai_operations::look::call::{Call, read as read_call};
use prynai_operations::look::tasks;
use prynai_operations::text::{gateway_state, harmless, moment, or_dash, size, span, took, what};

use serde::Serialize;

use super::{Failed, Shown};
use crate::settings::CallAsked;
use crate::show::{Column, Table, point};

/// What there is of a call.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum FoundCall {
    /// The bus knows it.
    Known(Box<Call>),
    /// It is over, and only the audit has something of it.
    Over(OverCall),
}

/// What the audit has of a call.
#[derive(Debug, Serialize)]
pub struct OverCall {
    /// That it is over.
    pub explanation: Explanation,
    /// Its records: one, unless somebody ran it again under its name.
    pub audit: Vec<AuditRecord<'static>>,
}

pub(crate) async fn read(
    operations: &dyn Operations,
    asked: &CallAsked,
) -> Result<FoundCall, Failed> {
    let (call, events) = (&asked.call, asked.events);
    let unknown = match read_call(operations, call, events, asked.messages).await {
        Ok(call) => return Ok(FoundCall::Known(Box::new(call))),
        Err(prynai_operations::Failed::Unknown(told)) => told,
        Err(failed) => return Err(failed.into()),
    };
    let CallName::Stream(stream) = call else {
        return Err(prynai_operations::Failed::Unknown(unknown).into());
    };
    let found = of_call(operations, *stream).await?;
    if found.records.is_empty() {
        let why = found.why_nothing(unknown);
        return Err(prynai_operations::Failed::Unknown(why).into());
    }
    let audit = found.records;
    let because = "its log is gone, as it is once its client has the answer: this is what the audit has of it";
    let explanation = Explanation {
        state: "over",
        because: vec![because.to_owned()],
    };
    Ok(FoundCall::Over(OverCall { explanation, audit }))
}

impl Shown for FoundCall {
    fn words(&self, width: Option<usize>) -> String {
        match self {
            Self::Known(call) => call.words(width),
            Self::Over(call) => call.words(width),
        }
    }
}

impl Shown for OverCall {
    fn words(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        for record in &self.audit {
            facts_of_record(record, &mut |name: &str, value: &str| {
                text += &format!("{name:<13} {}\n", harmless(value));
            });
        }
        text += &format!("{:<13} {}\n", "state", self.explanation.state);
        for because in &self.explanation.because {
            text += &point(because, width);
        }
        text
    }
}

pub(super) fn facts_of_record(record: &AuditRecord<'_>, fact: &mut impl FnMut(&str, &str)) {
    let named = [&record.method, &record.name].into_iter().flatten();
    let what = named.map(|word| &**word).collect::<Vec<_>>().join(" ");
    let count = |count: Option<u32>| count.map(|count| count.to_string());
    let span_of = |ms: Option<f64>| ms.map(took);
    let said = |text: &Option<Cow<'_, str>>| text.as_deref().map(str::to_owned);
    for (name, value) in [
        ("call", said(&record.stream)),
        ("what", Some(what)),
        ("caller", said(&record.principal)),
        ("session", said(&record.session)),
        ("ended", Some(record.timestamp.to_string())),
        ("outcome", Some(record.outcome.to_string())),
        ("code", record.code.map(|code| code.to_string())),
        ("reason", said(&record.reason)),
        ("rule", said(&record.rule)),
        ("worker", said(&record.worker)),
        ("attempt", count(record.attempt)),
        ("waited", span_of(record.queue_ms)),
        ("took", span_of(record.duration_ms)),
        ("gateway", said(&record.gateway)),
        ("trace", said(&record.trace_id)),
    ] {
        if let Some(value) = value {
            fact(name, &value);
        }
    }
}

impl Shown for Call {
    fn words(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        let mut fact = |name: &str, value: String| {
            text += &format!("{name:<13} {}\n", harmless(&value));
        };
        let entry = self.call.entry.as_ref().or(self.call.dead.as_ref());
        fact("call", or_dash(self.call.stream.as_ref()));
        if let Some(entry) = entry {
            facts_of_entry(entry, self.call.now_ms, &mut fact);
        }
        let log = self.call.log.as_ref();
        if let (None, Some(task)) = (entry, log.and_then(|log| log.task.as_ref())) {
            fact("what", tasks::what(task));
            fact("caller", or_dash(task.principal.as_ref()));
        }
        if let Some(log) = &self.call.log {
            let mut said = format!("{}, {} events", log.state, log.newest);
            if let Some(bytes) = log.bytes {
                said += &format!(", {}", size(bytes));
            }
            if let (Some(worker), Some(delivery)) = (&log.worker, log.delivery) {
                said += &format!("; written by {worker}, delivery {delivery}");
            }
            fact("log", said);
            if let (None, Some(session)) = (entry, &log.session) {
                fact("session", session.clone());
            }
        }
        if let Some(holder) = &self.call.holder {
            let state = gateway_state(holder);
            fact("gateway", format!("{}, {state}", holder.gateway));
        }
        fact("state", self.explanation.state.to_owned());
        for because in &self.explanation.because {
            text += &point(because, width);
        }
        if !self.events.is_empty() {
            text.push('\n');
            text += &events(self).render(width);
        }
        text
    }
}

fn facts_of_entry(entry: &EntrySight, now_ms: u64, fact: &mut impl FnMut(&str, String)) {
    let said = [
        Some(what(entry)),
        entry.era.clone(),
        entry.protocol_version.clone(),
        entry
            .request_id
            .as_ref()
            .map(|id| format!("request id {id}")),
        Some(size(entry.bytes)),
    ];
    fact(
        "what",
        said.into_iter().flatten().collect::<Vec<_>>().join(", "),
    );
    fact("caller", or_dash(entry.principal.as_ref()));
    if let Some(session) = &entry.session {
        fact("session", session.clone());
    }
    let number = entry.dead.as_ref().map_or(&entry.entry, |dead| &dead.entry);
    fact("entry", number.clone());
    if let Some(dead) = &entry.dead {
        let noted = now_ms.saturating_sub(entry.age_ms);
        fact(
            "dead letter",
            format!("{} ({}): {}", entry.entry, moment(noted), dead.reason),
        );
    }
    if let Some(queued) = entry.queued_at_ms {
        let ago = span(now_ms.saturating_sub(queued));
        fact("queued", format!("{}, {ago} ago", moment(queued)));
    }
    if let Some(deadline) = entry.deadline_ms {
        fact("deadline", moment(deadline));
    }
    if let Some(lease) = &entry.lease {
        let renewed = match lease.is_handed_back {
            true => "handed back".to_owned(),
            false => format!("renewed {} ago", span(lease.renewed_ms_ago)),
        };
        fact(
            "claimed",
            format!(
                "by {}, delivery {}, {renewed}",
                lease.worker, lease.delivery
            ),
        );
    }
}

fn events(call: &Call) -> Table {
    let mut columns = vec![
        Column::number("EVENT"),
        Column::name("KIND"),
        Column::number("SIZE"),
        Column::text("WHAT", 28),
    ];
    if call.events.iter().any(|event| event.message.is_some()) {
        columns.push(Column::text("MESSAGE", 20));
    }
    let mut table = Table::new(columns);
    for event in &call.events {
        let kind = match (&event.kind, event.bytes) {
            (Some(_), _) if event.is_question => "question",
            (Some(kind), _) => kind,
            (None, 0) => "missing",
            (None, _) => "large",
        };
        let what = match (&event.method, event.error_code, event.is_tool_error) {
            (Some(method), ..) => method.clone(),
            (None, Some(code), _) => format!("error {code}"),
            (None, None, true) => "tool error".to_owned(),
            (None, None, false) => "-".to_owned(),
        };
        table.row([
            event.offset.to_string(),
            kind.to_owned(),
            size(event.bytes),
            what,
            event.message.clone().unwrap_or_default(),
        ]);
    }
    table
}
