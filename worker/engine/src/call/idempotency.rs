//! Calls that their client marked with a key, so that it may send them again and they still run once.

use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::task::TaskState;
use prynai_bus::{Claim, KeyState, KeyUse};
use prynai_process::backoff::Backoff;
use rmcp::ErrorData;
use rmcp::model::{ClientRequest, GetMeta};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::call::call_bus::CallBus;
use crate::call::messages::response;
use crate::call::running::Stop;

/// The client's key in `_meta` of `tools/call`.
const META_KEY: &str = "ai.prynai/idempotencyKey";

/// Longest key, in characters.
const LONGEST_KEY: usize = 255;

/// Largest result or error that is kept, in bytes.
const MOST_BYTES: usize = 256 * 1024;

/// How long a call waits for the end of another one under its key.
const WAITING: Duration = Duration::from_secs(60);

/// More than one entry has.
const DELIVERIES: u32 = 100_000;

/// What becomes of a call under a key.
pub(crate) enum Use {
    /// It runs.
    Run,
    /// It does not run; this is its response.
    Respond(RawJson),
}

/// A response, as far as it is kept.
#[derive(Deserialize)]
struct Response {
    result: Option<RawJson>,
    error: Option<RawJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultType {
    result_type: Option<String>,
}

/// The client's use of a key, by a task that has waited for its client so often; `None` without one.
///
/// # Errors
///
/// When the key is not valid.
pub(crate) fn key_use(
    claim: &Claim,
    request: &ClientRequest,
    round: u32,
) -> Result<Option<KeyUse>, ErrorData> {
    let ClientRequest::CallToolRequest(call) = request else {
        return Ok(None);
    };
    let Some(key) = request.get_meta().get(META_KEY) else {
        return Ok(None);
    };
    let is_visible = |key: &&str| key.bytes().all(|byte| byte.is_ascii_graphic());
    let key = key.as_str().filter(is_visible);
    let key = key.filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    let Some(key) = key else {
        let reason =
            format!("_meta[{META_KEY:?}] must be 1 to {LONGEST_KEY} visible ASCII characters");
        return Err(ErrorData::invalid_params(reason, None));
    };
    let subject = claim.request.principal.subject.as_str();
    let tool = call.params.name.as_ref();
    let arguments = serde_json::to_string(&call.params.arguments).unwrap_or_default();
    Ok(Some(KeyUse {
        record: digest(&[subject, tool, key]),
        fingerprint: digest(&[tool, &arguments]),
        stream: claim.request.stream,
        // Deliveries begin anew with each entry.
        delivery: round
            .saturating_mul(DELIVERIES)
            .saturating_add(claim.delivery),
        takes_task: claim.request.takes_task,
        share: claim.request.principal.share(),
    }))
}

/// Each part with its length, so that no two lists of parts look the same.
fn digest(parts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part.len().to_be_bytes());
        digest.update(part);
    }
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Begins a call under its key, or gives the response that it gets without running.
///
/// # Errors
///
/// Why the call must end.
pub(crate) async fn begin(
    once: &KeyUse,
    claim: &Claim,
    id: &RawJson,
    bus: &CallBus,
) -> Result<Use, Stop> {
    let mut backoff = Backoff::for_at_most(WAITING);
    loop {
        let refused = match bus.begin_once(once).await? {
            KeyState::Yours => return Ok(Use::Run),
            KeyState::Lost => return Err(Stop::Lost),
            KeyState::Ended(outcome) => return Ok(Use::Respond(repeat(id, outcome))),
            KeyState::Reused => reused(),
            KeyState::Running(stream) => {
                match same_task(&stream, claim, id, bus).await? {
                    SameTask::Goes(Some(task)) => return Ok(Use::Respond(task)),
                    SameTask::Goes(None) => {}
                    SameTask::Ended(outcome) => {
                        // Nobody who knew of the key was there when it ended.
                        let first = KeyUse {
                            stream,
                            delivery: u32::MAX,
                            ..once.clone()
                        };
                        bus.record_outcome(&first, &outcome).await?;
                    }
                }
                let waited = tokio::select! {
                    biased;
                    reason = bus.controls().stopped() => return Err(reason),
                    waited = backoff.pause() => waited,
                };
                if waited {
                    continue;
                }
                in_progress()
            }
        };
        return Ok(Use::Respond(response::error(id, &refused)));
    }
}

/// What became of another call under the key.
enum SameTask {
    /// It may go on; the response that names it, if it is a task and this client takes one.
    Goes(Option<RawJson>),
    /// It was a task, and has ended so while no worker had it.
    Ended(Outcome),
}

async fn same_task(
    stream: &StreamId,
    claim: &Claim,
    id: &RawJson,
    bus: &CallBus,
) -> Result<SameTask, Stop> {
    let request = &claim.request;
    let Some(task) = bus.task(stream, &request.principal.subject).await? else {
        return Ok(SameTask::Goes(None));
    };
    Ok(match &task.state {
        TaskState::Working | TaskState::Asking(_) => {
            let created = task.created(stream).ok().filter(|_| request.takes_task);
            SameTask::Goes(created.and_then(|created| response::result(id, created).ok()))
        }
        TaskState::Cancelled => SameTask::Ended(of_error(&cancelled())),
        TaskState::Ended(response) => match outcome_of(response) {
            Some(outcome) => SameTask::Ended(outcome),
            None => SameTask::Goes(None),
        },
    })
}

/// What those are told who send the key of a cancelled call again.
pub(crate) fn cancelled() -> ErrorData {
    ErrorData::internal_error(
        "the call under this idempotency key was cancelled while it ran; the outcome is unknown",
        Some(json!({"reason": "cancelled", "outcome": "unknown"})),
    )
}

/// Keeps how a call ended, before its client is told: whoever sends the key again is told the same.
/// A response that asks for input is no end; with the next round the key begins anew.
///
/// # Errors
///
/// Why the call must end.
pub(crate) async fn end(once: &KeyUse, message: &RawJson, bus: &CallBus) -> Result<(), Stop> {
    match outcome_of(message) {
        Some(outcome) => bus.record_outcome(once, &outcome).await,
        None => bus.release_key(once).await,
    }
}

/// Notes that a call was stopped after it had begun. Tried for a while only: the record says that it
/// runs, so it is not begun again in any case.
pub(crate) async fn stopped(once: &KeyUse, unknown: &ErrorData, bus: &CallBus) {
    let outcome = of_error(unknown);
    let mut backoff = Backoff::for_at_most(Duration::from_secs(5));
    while let Err(error) = bus.try_to_record(once, &outcome).await {
        if !backoff.pause().await {
            let stream = bus.ownership().stream;
            tracing::warn!(
                %error, %stream,
                "the outcome of a stopped call could not be recorded under its idempotency key; the key counts as in \
                 use until it expires"
            );
            break;
        }
    }
}

/// The response to a call that is not begun (again): how it ended, if it did, and otherwise `unknown`,
/// which is recorded.
///
/// # Errors
///
/// Why the call must end.
pub(crate) async fn conclude(
    once: &KeyUse,
    id: &RawJson,
    unknown: &ErrorData,
    bus: &CallBus,
) -> Result<RawJson, Stop> {
    Ok(match bus.conclude_once(once, &of_error(unknown)).await? {
        KeyState::Ended(outcome) => repeat(id, outcome),
        _ => response::error(id, unknown),
    })
}

/// How a call ended; `None` when it asks for input.
fn outcome_of(message: &RawJson) -> Option<Outcome> {
    let response = message.read::<Response>().ok()?;
    let (kept, outcome) = match (response.result, response.error) {
        (Some(result), _) => {
            let kind = result.read::<ResultType>().ok();
            if kind.is_some_and(|kind| kind.result_type.as_deref() == Some("input_required")) {
                return None;
            }
            (result.as_str().len(), Outcome::result(result))
        }
        (None, Some(error)) => (error.as_str().len(), Outcome::error(error)),
        (None, None) => return None,
    };
    if kept > MOST_BYTES {
        return Some(Outcome::left_out(kept));
    }
    Some(outcome)
}

fn of_error(error: &ErrorData) -> Outcome {
    match RawJson::from_value(error) {
        Ok(error) => Outcome::error(error),
        // Nothing in it cannot be written.
        Err(_) => Outcome::left_out(0),
    }
}

/// The response of another request under the same key.
fn repeat(id: &RawJson, outcome: Outcome) -> RawJson {
    let text = match (&outcome.result, &outcome.error) {
        (Some(result), _) => json_rpc::result(id, result.as_str()),
        (None, Some(error)) => json_rpc::error(Some(id), error.as_str()),
        (None, None) => return response::error(id, &left_out(outcome.left_out.unwrap_or(0))),
    };
    RawJson::parse(text).unwrap_or_else(|_| response::error(id, &left_out(0)))
}

fn left_out(bytes: usize) -> ErrorData {
    ErrorData::internal_error(
        format!(
            "this call has run under its idempotency key; its response was too large to be kept ({bytes} bytes)"
        ),
        reason("idempotency_answer_not_kept"),
    )
}

fn reused() -> ErrorData {
    ErrorData::invalid_params(
        "this idempotency key was used with other arguments; use a new one for each call",
        reason("idempotency_key_reused"),
    )
}

fn in_progress() -> ErrorData {
    ErrorData::internal_error(
        "a call under this idempotency key still runs; send it again later",
        reason("idempotency_in_progress"),
    )
}

fn reason(reason: &str) -> Option<Value> {
    Some(json!({ "reason": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text).unwrap()
    }

    #[test]
    fn an_end_is_kept_without_its_id() {
        let end = outcome_of(&raw(r#"{"jsonrpc":"2.0","id":1,"result":{"a":1.0}}"#)).unwrap();
        let again = repeat(&raw("\"x\""), end);
        assert_eq!(
            again.as_str(),
            r#"{"jsonrpc":"2.0","id":"x","result":{"a":1.0}}"#
        );
        let end = outcome_of(&raw(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-1}}"#)).unwrap();
        let again = repeat(&raw("2"), end);
        assert_eq!(
            again.as_str(),
            r#"{"jsonrpc":"2.0","id":2,"error":{"code":-1}}"#
        );
    }

    #[test]
    fn a_question_is_no_end() {
        let asks = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required"}}"#;
        assert_eq!(outcome_of(&raw(asks)), None);
    }

    #[test]
    fn a_large_answer_is_not_kept_and_that_is_told() {
        let large = format!(r#"{{"id":1,"result":"{}"}}"#, "x".repeat(MOST_BYTES));
        let end = outcome_of(&raw(&large)).unwrap();
        let again: Value = repeat(&raw("2"), end).read().unwrap();
        assert_eq!(
            again["error"]["data"]["reason"],
            "idempotency_answer_not_kept"
        );
    }

    #[test]
    fn no_two_uses_look_alike() {
        assert_ne!(digest(&["ab", "c"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a", ""]), digest(&["", "a"]));
    }
}
