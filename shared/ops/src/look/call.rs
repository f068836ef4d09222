//! The life of one call.

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{CallSight, EntrySight, EventSight, Operations};
use serde::Serialize;

use super::queue::what;
use super::{Failed, Shown, or_dash};
use crate::explain::{Around, Explanation, explain};
use crate::settings::CallAsked;
use crate::show::{Column, Table, harmless, moment, point, size, span};

/// A call, and why it is where it is.
#[derive(Debug, Serialize)]
pub struct Call {
    /// Where it is, and why.
    pub explanation: Explanation,
    /// What is known of it.
    pub call: CallSight,
    /// Its newest events.
    pub events: Vec<EventSight>,
}

pub(crate) async fn read(operations: &dyn Operations, asked: &CallAsked) -> Result<Call, Failed> {
    let Some(call) = operations.call(&asked.call).await? else {
        return Err(Failed::Unknown(format!(
            "nothing is known of the call {}: it is over and its log has expired, or it was never of this fleet",
            asked.call
        )));
    };
    let events = read_events(operations, &call, asked).await?;
    let (overview, workers) = (operations.overview().await?, operations.workers().await?);
    let around = Around {
        overview: &overview,
        workers: &workers,
    };
    let explanation = explain(&call, events.last(), &around);
    let surplus = events.len().saturating_sub(usize::from(asked.events));
    Ok(Call {
        explanation,
        call,
        events: events.into_iter().skip(surplus).collect(),
    })
}

/// The newest events, and one at least, if there is one.
async fn read_events(
    operations: &dyn Operations,
    call: &CallSight,
    asked: &CallAsked,
) -> Result<Vec<EventSight>, Failed> {
    let (Some(stream), Some(log)) = (&call.stream, &call.log) else {
        return Ok(Vec::new());
    };
    let Ok(stream) = stream.parse::<StreamId>() else {
        return Ok(Vec::new());
    };
    let wanted = u64::from(asked.events).max(1);
    let (mut after, mut events) = (log.newest.saturating_sub(wanted), Vec::new());
    while after < log.newest {
        let page = operations.events(&stream, after, asked.messages).await?;
        let Some(last) = page.last() else { break };
        after = last.offset;
        events.extend(page);
    }
    Ok(events)
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
            self.facts_of_entry(entry, &mut fact);
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
            let state = match (holder.is_alive, holder.is_listening) {
                (true, true) => "alive",
                (true, false) => "deaf",
                (false, _) => "gone",
            };
            fact("gateway", format!("{}, {state}", holder.gateway));
        }
        fact("state", self.explanation.state.to_owned());
        for because in &self.explanation.because {
            text += &point(because, width);
        }
        if !self.events.is_empty() {
            text.push('\n');
            text += &self.events().render(width);
        }
        text
    }
}

impl Call {
    fn facts_of_entry(&self, entry: &EntrySight, fact: &mut impl FnMut(&str, String)) {
        let now_ms = self.call.now_ms;
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

    fn events(&self) -> Table {
        let mut columns = vec![
            Column::number("EVENT"),
            Column::name("KIND"),
            Column::number("SIZE"),
            Column::text("WHAT", 28),
        ];
        if self.events.iter().any(|event| event.message.is_some()) {
            columns.push(Column::text("MESSAGE", 20));
        }
        let mut table = Table::new(columns);
        for event in &self.events {
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
}
