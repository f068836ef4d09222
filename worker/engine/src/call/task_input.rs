//! What a task asks its client, and is told (ext-tasks, draft, `inputRequests`).

use std::collections::BTreeMap;
use std::time::Duration;

use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::{Inputs, Parking, Question};
use prynai_bus::{Claim, Refusal, TaskPart};
use rmcp::ErrorData;
use rmcp::model::ClientRequest;
use serde::Deserialize;
use serde_json::json;

use crate::call::audit::Audit;
use crate::call::call_bus::CallBus;
use crate::call::run_line::Run;
use crate::call::running::Stop;
use crate::metrics::metrics;

/// What a handler asks instead of ending: an `InputRequiredResult`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asks {
    pub(crate) questions: Vec<Question>,
    pub(crate) left: Option<String>,
}

#[derive(Deserialize)]
struct Response {
    result: Option<AskingResult>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskingResult {
    #[serde(default)]
    result_type: Option<String>,
    #[serde(default)]
    input_requests: BTreeMap<String, RawJson>,
    #[serde(default)]
    request_state: Option<String>,
}

/// What a response asks, if it is no end. No question has the key of one that the task has asked before: not in
/// another round, nor in another attempt, since each attempt knows all that was answered.
pub(crate) fn asks(message: &RawJson, inputs: &Inputs) -> Option<Asks> {
    let result = message.read::<Response>().ok()?.result?;
    if result.result_type.as_deref() != Some("input_required") {
        return None;
    }
    let is_used = |key: &str| inputs.answers.iter().any(|answer| answer.key == key);
    let named = |name: &str| {
        let mut key = name.to_owned();
        let mut number = inputs.round;
        while is_used(&key) || (key != name && result.input_requests.contains_key(&key)) {
            number += 1;
            key = format!("{name}-{number}");
        }
        key
    };
    let questions = result
        .input_requests
        .iter()
        .map(|(name, request)| Question {
            key: named(name),
            name: name.clone(),
            request: request.clone(),
        });
    Some(Asks {
        questions: questions.collect(),
        left: result.request_state,
    })
}

/// Gives a request what its client has answered so far, as if it had sent that with it.
pub(crate) fn tell(request: &mut ClientRequest, inputs: &Inputs) {
    let ClientRequest::CallToolRequest(call) = request else {
        return;
    };
    if inputs.round == 0 {
        return;
    }
    let given = call.params.input_responses.get_or_insert_default();
    for answer in &inputs.answers {
        // JSON is all that the bus has.
        if let Ok(read) = answer.answer.read() {
            given.insert(answer.name.clone(), read);
        }
    }
    call.params.request_state.clone_from(&inputs.left);
}

/// What a task keeps while it waits.
fn bytes(claim: &Claim, parking: &Parking) -> usize {
    let size = |asked: &Question| asked.key.len() + asked.name.len() + asked.request.as_str().len();
    let questions: usize = parking.questions.iter().map(size).sum();
    let left = parking.left.as_ref().map_or(0, String::len);
    claim.request.message.as_str().len() + left + questions
}

/// Lets a task wait for its client, or says why it cannot. It lasts for `life` at most.
///
/// # Errors
///
/// Why the call must end: as a rule, since the task waits.
pub(crate) async fn park(
    claim: &Claim,
    asks: Asks,
    audit: &Audit,
    bus: &CallBus,
    life: Duration,
) -> Result<ErrorData, Stop> {
    if asks.questions.is_empty() {
        let reason = "the handler waits for its client and asks it nothing";
        return Ok(ErrorData::internal_error(reason, None));
    }
    let cancelled = Run::cancelled_while_asking(claim, bus.now_ms());
    let parking = Parking {
        questions: asks.questions,
        left: asks.left,
        record: audit.record(claim, &cancelled),
    };
    let (share, bytes) = (claim.request.principal.share(), bytes(claim, &parking));
    if !bus.keep(&share, TaskPart::Body, bytes, life).await? {
        return Ok(ErrorData::internal_error(
            "as many bytes are kept for the caller of this task as may be, so it cannot ask anything",
            Some(json!({"reason": "caller_kept"})),
        ));
    }
    match bus.park(&parking).await? {
        Ok(()) => {
            metrics().tasks_asking.inc();
            Err(Stop::Asking)
        }
        Err(Refusal::Cancelled) => Err(Stop::Cancelled),
        Err(Refusal::LostOwnership | Refusal::Finished) => Err(Stop::Lost),
        Err(Refusal::LogFull) => Ok(ErrorData::internal_error(
            "the questions of this task and the answers to them are larger than they may be",
            Some(json!({"reason": "task_input"})),
        )),
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::testing;
    use prynai_bus::wire::task::Answer;

    use super::*;

    fn answered(keys: &[(&str, &str)]) -> Inputs {
        let answers = keys.iter().map(|(key, name)| Answer {
            key: (*key).to_owned(),
            name: (*name).to_owned(),
            answer: testing::json("{}"),
        });
        Inputs {
            round: 1,
            left: None,
            answers: answers.collect(),
        }
    }

    fn keys(inputs: &Inputs) -> Vec<String> {
        let message = testing::json(
            r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required",
            "inputRequests":{"a":{},"a-2":{},"b":{}},"requestState":"s"}}"#,
        );
        let asks = asks(&message, inputs).expect("asks something");
        assert_eq!(asks.left.as_deref(), Some("s"));
        asks.questions
            .into_iter()
            .map(|question| question.key)
            .collect()
    }

    #[test]
    fn no_key_is_used_twice() {
        assert_eq!(keys(&Inputs::default()), ["a", "a-2", "b"]);
        assert_eq!(keys(&answered(&[("b", "b")])), ["a", "a-2", "b-2"]);
        assert_eq!(keys(&answered(&[("a", "a")])), ["a-3", "a-2", "b"]);
    }

    #[test]
    fn an_end_asks_nothing() {
        for end in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#,
        ] {
            assert_eq!(asks(&testing::json(end), &Inputs::default()), None, "{end}");
        }
    }
}
