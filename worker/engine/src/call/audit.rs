//! What the audit gets of each call that ends here.

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::audit::{AuditLine, AuditRecord};
use prynai_bus::wire::message::RawJson;
use prynai_bus::{AuditLog, Claim, Finish, Refusal, shown};
use prynai_process::telemetry::{audit, milliseconds};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::call::run_line::Run;
use crate::roles::catalog_announcer::Tools;

/// Bytes of all arguments in a record together; those that do not fit are left out.
const MOST_OF_ARGUMENTS: usize = 1024;

/// Makes the records of calls.
pub(crate) struct Audit {
    worker: WorkerId,
    tools: watch::Receiver<Tools>,
    /// Somebody keeps them.
    is_on: bool,
}

impl Audit {
    /// The audit of a worker, whose tools may say what it is to have of their arguments.
    pub(crate) fn new(worker: WorkerId, log: &dyn AuditLog, tools: watch::Receiver<Tools>) -> Self {
        Self {
            worker,
            tools,
            is_on: log.records_kept() > 0 || audit::is_open(),
        }
    }

    /// The record of a call that has come to its end, if somebody keeps it. A notification is no call.
    pub(crate) fn record(&self, claim: &Claim, run: &Run) -> Option<AuditLine> {
        let request = &claim.request;
        if !self.is_on || request.request_id.is_none() {
            return None;
        }
        let mut digits = [0; 32];
        let trace = request.trace.map(|trace| trace.digits());
        let record = AuditRecord {
            method: Some(shown::method(&request.method)),
            name: request
                .name
                .as_deref()
                .map(|name| shown::name(&request.method, name)),
            session: request
                .session
                .as_ref()
                .map(|session| shown::session(session.id.as_str()).into()),
            rule: request.rule.as_deref().map(Into::into),
            code: run.code,
            reason: run.reason.map(Into::into),
            stream: Some(request.stream.digits(&mut digits).into()),
            gateway: Some(request.holder.as_str().into()),
            worker: Some(self.worker.as_str().into()),
            attempt: Some(claim.delivery),
            queue_ms: Some(milliseconds(run.waited)),
            duration_ms: Some(milliseconds(run.took)),
            trace_id: trace.as_ref().map(|trace| trace.trace_id().into()),
            arguments: self.arguments(claim),
            ..AuditRecord::new(run.outcome)
        };
        // Nothing in it can fail to be written.
        record.by(&request.principal).line().ok()
    }

    /// The arguments that the tool wants there.
    fn arguments(&self, claim: &Claim) -> Option<Value> {
        let name = claim.request.name.as_ref()?;
        let tools = self.tools.borrow();
        let wanted = &tools.get(name).filter(|tool| !tool.audit.is_empty())?.audit;
        arguments(&claim.request.message, wanted)
    }
}

/// Writes the records of requests that ended now to wherever they go besides the bus: those that the bus has, too.
pub(crate) fn write_elsewhere(requests: &[Finish], written: &[Result<(), Refusal>], now_ms: u64) {
    if !audit::is_open() {
        return;
    }
    for (request, written) in requests.iter().zip(written) {
        let has_ended = matches!(written, Ok(()) | Err(Refusal::Cancelled));
        if let (true, Some(record)) = (has_ended, &request.record) {
            audit::write(&record.stamped(now_ms));
        }
    }
}

fn arguments(message: &RawJson, wanted: &[String]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Message {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        arguments: Map<String, Value>,
    }
    let mut given = message.read::<Message>().ok()?.params.arguments;
    let mut kept = Map::new();
    let mut bytes = 0;
    for name in wanted {
        let Some(value) = given.remove(name).map(harmless) else {
            continue;
        };
        bytes += name.len() + value.to_string().len();
        if bytes > MOST_OF_ARGUMENTS {
            break;
        }
        kept.insert(name.clone(), value);
    }
    Some(Value::Object(kept))
}

/// A value whose texts no reader acts on.
fn harmless(value: Value) -> Value {
    let text = |text: &str| shown::visible(text, MOST_OF_ARGUMENTS).into_owned();
    match value {
        Value::String(said) => Value::String(text(&said)),
        Value::Array(values) => values.into_iter().map(harmless).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members
                .map(|(name, value)| (text(&name), harmless(value)))
                .collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(given: &Value, wanted: &[&str]) -> Value {
        let message = json!({"params": {"name": "pay", "arguments": given}}).to_string();
        let message = RawJson::parse(&message).expect("JSON");
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        arguments(&message, &wanted).expect("some")
    }

    #[test]
    fn only_what_is_wanted_is_there_and_it_is_harmless() {
        let given =
            json!({"account": "a\u{1b}[2J", "pin": "1234", "to": {"na\nme": ["b\u{202e}"]}});
        let expected = json!({"account": r"a\u{1b}[2J", "to": {r"na\u{a}me": [r"b\u{202e}"]}});
        assert_eq!(of(&given, &["account", "to", "absent"]), expected);
    }

    #[test]
    fn what_is_too_large_is_left_out() {
        let given = json!({"account": "a", "note": "x".repeat(MOST_OF_ARGUMENTS)});
        assert_eq!(of(&given, &["account", "note"]), json!({"account": "a"}));
    }
}
