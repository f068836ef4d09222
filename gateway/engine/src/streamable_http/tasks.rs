//! What clients ask about tasks: answered from the bus, at any gateway, also while no worker runs (ext-tasks, draft).

use axum::http::StatusCode;
use axum::response::Response;
use prynai_bus::BusError;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::task::{TASKS, TaskSight, TaskState};

use crate::message::envelope::Request;
use crate::message::params::ParamsView;
use crate::message::request_head::RequestHead;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::respond::json_response;

/// The methods that are answered here.
pub(super) const METHODS: [&str; 3] = ["tasks/get", "tasks/update", "tasks/cancel"];

/// Methods of an earlier form of tasks (2025-11-25) that this one does not have.
pub(super) const REMOVED: [&str; 2] = ["tasks/list", "tasks/result"];

/// An acknowledgement.
const DONE: &str = r#"{"resultType":"complete"}"#;

/// Answers one of [`METHODS`].
pub(super) async fn answer(
    state: &AppState,
    head: RequestHead<'_>,
    request: &Request,
    view: ParamsView<'_>,
) -> Result<Response, RequestError> {
    if !view.takes_tasks() {
        return Err(RequestError::MissingExtension(TASKS));
    }
    let _permit = state.admission.errand(head.share(None))?;
    let named: Result<StreamId, _> = view.task_id()?.parse();
    let principal = &head.caller.principal.subject;
    let task = match &named {
        Ok(name) => state.bus.task(name, principal).await?,
        Err(_) => None,
    };
    let (Ok(name), Some(task)) = (named, task) else {
        return Err(RequestError::InvalidParams(
            "you have no such task, or its time is over".to_owned(),
        ));
    };
    let result = match request.method.as_str() {
        "tasks/get" => detailed(&task, &name)?,
        "tasks/cancel" => {
            cancel(state, name, &task).await?;
            DONE.to_owned()
        }
        // What answers no open question is ignored.
        _ => DONE.to_owned(),
    };
    let body = json_rpc::result(&request.id, &result);
    Ok(json_response(StatusCode::OK, body))
}

fn detailed(task: &TaskSight, name: &StreamId) -> Result<String, RequestError> {
    let detailed = task.detailed(name).map_err(BusError::from)?;
    Ok(detailed.as_str().to_owned())
}

/// A task that has ended stays as it is.
async fn cancel(state: &AppState, name: StreamId, task: &TaskSight) -> Result<(), RequestError> {
    if task.state != TaskState::Working {
        return Ok(());
    }
    let (bus, entry) = (state.bus.clone(), task.entry.clone());
    let cancelled = state.canceller.complete(move || {
        let (bus, entry) = (bus.clone(), entry.clone());
        async move { Ok(bus.cancel_call(&name, Some(&entry), Era::Modern).await?) }
    });
    cancelled.await
}
