//! What clients ask about tasks: answered from the bus, at any gateway, also while no worker runs (ext-tasks, draft).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::task::{TASKS, TaskSight, TaskState};
use prynai_bus::{Answered, BusError, TaskPart};
use serde::Deserialize;

use crate::message::envelope::Request;
use crate::message::request_head::RequestHead;
use crate::metrics::metrics;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::respond::{json_response, json_response_under};

/// The methods that are answered here.
pub(super) const METHODS: [&str; 3] = ["tasks/get", "tasks/update", "tasks/cancel"];

/// Methods of an earlier form of tasks (2025-11-25) that this one does not have.
pub(super) const REMOVED: [&str; 2] = ["tasks/list", "tasks/result"];

/// Most answers of one `tasks/update`.
const MOST_ANSWERS: usize = 100;

/// How long answers count to the share of the caller: as long as a task lasts whose times are the default ones.
const ANSWERS_KEPT: Duration = Duration::from_secs(48 * 3600);

/// An acknowledgement.
const DONE: &str = r#"{"resultType":"complete"}"#;

/// Answers one of [`METHODS`], about the task of this name, to a client that takes tasks or not.
pub(super) async fn answer(
    state: &AppState,
    head: RequestHead<'_>,
    request: &Request,
    name: &str,
    takes_tasks: bool,
) -> Result<Response, RequestError> {
    if !takes_tasks {
        return Err(RequestError::MissingExtension(TASKS));
    }
    state
        .check_policy(head, &request.method, &request.params)
        .await?;
    let mut permit = state.admission.errand(head.share(None))?;
    let name: StreamId = name.parse().map_err(|_| unknown())?;
    let principal = &head.caller.principal.subject;
    if request.method == "tasks/update" {
        let given = answers(request)?;
        let share = head.caller.principal.share();
        let answered = answered(state, &share, &name, principal, &given).await?;
        return match answered.ok_or_else(unknown)? {
            Answered::Taken => Ok(result(request, DONE)),
            Answered::TooLarge => Err(invalid("the answers to this task are too large")),
            Answered::Busy => Err(RequestError::CallerBusy),
        };
    }
    let task = state
        .bus
        .task(&name, principal)
        .await?
        .ok_or_else(unknown)?;
    if request.method == "tasks/get" {
        let detailed = task.detailed(&name).map_err(BusError::from)?;
        let body = json_rpc::result(&request.id, detailed.as_str());
        permit.add(state.admission.result(head.share(None), body.len())?);
        return Ok(json_response_under(body, permit));
    }
    let share = head.caller.principal.share();
    cancel(state, share, name, &task).await?;
    Ok(result(request, DONE))
}

/// Answers a task; what is taken counts to the share of the caller.
async fn answered(
    state: &AppState,
    share: &Share,
    name: &StreamId,
    principal: &str,
    answers: &BTreeMap<String, RawJson>,
) -> Result<Option<Answered>, BusError> {
    let part = TaskPart::Answers(answers);
    let bytes = answers
        .iter()
        .map(|(key, answer)| key.len() + answer.as_str().len());
    let (bus, bytes) = (&state.bus, bytes.sum());
    bus.keep(share, name, part, bytes, ANSWERS_KEPT).await?;
    let answered = bus.answer(name, principal, answers).await?;
    if answered != Some(Answered::Taken)
        && let Err(error) = bus.forget(share, name, part).await
    {
        tracing::debug!(%error, "could not take back a count; it counts until its end");
    }
    Ok(answered)
}

/// For one of another caller as for one that never was.
fn unknown() -> RequestError {
    invalid("you have no such task, or its time is over")
}

fn invalid(reason: &str) -> RequestError {
    RequestError::InvalidParams(reason.to_owned())
}

fn result(request: &Request, result: &str) -> Response {
    json_response(StatusCode::OK, json_rpc::result(&request.id, result))
}

/// What `inputResponses` of `tasks/update` says.
fn answers(request: &Request) -> Result<BTreeMap<String, RawJson>, RequestError> {
    #[derive(Deserialize)]
    struct Message {
        params: Update,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Update {
        input_responses: BTreeMap<String, RawJson>,
    }
    let read = request.raw.read::<Message>();
    let answers = read.map_err(|_| invalid("inputResponses must be an object"))?;
    match answers.params.input_responses {
        many if many.len() > MOST_ANSWERS => Err(invalid("inputResponses has too many answers")),
        answers => Ok(answers),
    }
}

/// A task that has ended stays as it is.
async fn cancel(
    state: &AppState,
    share: Share,
    name: StreamId,
    task: &TaskSight,
) -> Result<(), RequestError> {
    if task.has_ended() {
        return Ok(());
    }
    let was_asking = matches!(task.state, TaskState::Asking(_));
    let (bus, entry) = (state.bus.clone(), task.entry.clone());
    let cancelled = state.canceller.complete(move || {
        let (bus, entry, share) = (bus.clone(), entry.clone(), share.clone());
        async move {
            bus.cancel_call(&name, Some(&entry), Era::Modern).await?;
            // No worker will see that.
            if was_asking {
                metrics().tasks_cancelled.inc();
                if let Err(error) = bus.forget(&share, &name, TaskPart::Body).await {
                    tracing::debug!(%error, "could not take back a count; it counts until its end");
                }
            }
            Ok(())
        }
    });
    cancelled.await
}
