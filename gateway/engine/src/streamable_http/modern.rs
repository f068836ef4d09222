//! The modern era (2026-07-28): POST only, every request for itself, a broken connection is the
//! cancel.

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::absent::is_empty_list;
use prynai_bus::wire::catalog::{CatalogRecord, TaskUse};
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::task::TASKS;

use super::enqueue::{Call, CallParts, enqueue, enqueue_notification};
use super::{EVENTS, check_room, local_answers, prefers_events, takes_events, tasks};
use crate::admission::Permit;
use crate::message::envelope::{Message, Notification, Request};
use crate::message::members::{META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION};
use crate::message::mirrored_headers;
use crate::message::params::ParamsView;
use crate::message::request_head::RequestHead;
use crate::notifications::subscription;
use crate::refusal::{Refused, RequestError};
use crate::state::AppState;
use crate::streams::call_stream::{self, CallStream};
use crate::streams::hub::Broken;
use crate::streams::respond::{accepted, json_response};
use crate::streams::sse;
use crate::versions;

/// Methods of earlier revisions that this one removed (2026-07-28, Changelog).
const REMOVED: [&str; 5] = [
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "resources/unsubscribe",
];

/// Notifications of MCP's own that clients send elsewhere: on other transports, in other revisions. None
/// has a meaning here, where the stream's end is the cancel (Streamable HTTP, Sending Messages, note).
const MEANINGLESS: [&str; 4] = [
    "notifications/cancelled",
    "notifications/initialized",
    "notifications/progress",
    "notifications/roots/list_changed",
];

/// Serves one message.
pub(super) async fn post(
    state: AppState,
    head: RequestHead<'_>,
    message: Message,
) -> Result<Response, Refused> {
    match message {
        Message::Request(request) => {
            let id = request.id.clone();
            serve(state, head, request)
                .await
                .map_err(|error| error.answering(&id))
        }
        Message::Notification(notification) => {
            Box::pin(notified(&state, head, &notification)).await?;
            Ok(accepted())
        }
        Message::Response(_) => Err(RequestError::NotAccepted(
            "in this revision servers ask clients nothing, so there is nothing to answer"
                .to_owned(),
        )
        .into()),
    }
}

/// Passes the notification of an extension on to the handler. The revision asks for none of the headers
/// and fields here that a request must have.
async fn notified(
    state: &AppState,
    head: RequestHead<'_>,
    notification: &Notification,
) -> Result<(), RequestError> {
    if MEANINGLESS.contains(&notification.method.as_str()) {
        return Ok(());
    }
    let version = match versions::in_header(head.headers) {
        Some(version) => version.to_owned(),
        None => version_in_meta(notification.params.view()?)?,
    };
    if !versions::is_served(&version, Era::Modern) {
        return Err(RequestError::unsupported_version(&version));
    }
    state
        .check_policy(head, &notification.method, &notification.params)
        .await?;
    state.admission.notification().await?;
    enqueue_notification(state, head, version, None, notification).await?;
    Ok(())
}

async fn serve(
    state: AppState,
    head: RequestHead<'_>,
    request: Request,
) -> Result<Response, RequestError> {
    let view = request.params.view()?;
    let version = requested_version(view)?;
    view.check(&request.method)?;
    let target = view.target(&request.method)?;
    mirrored_headers::check_standard(head.headers, &version, &request.method, target.as_deref())?;
    if !versions::is_served(&version, Era::Modern) {
        return Err(RequestError::unsupported_version(&version));
    }
    let bytes = request.raw.as_str().len();
    let catalog = state.served(head, bytes, view.timeout()?).await?;
    if !catalog.protocol_versions.contains(&version) {
        return Err(RequestError::UnsupportedVersion {
            requested: version,
            supported: versions::served_with(&catalog.protocol_versions),
        });
    }
    match request.method.as_str() {
        method if REMOVED.contains(&method) => Err(RequestError::MethodNotFound(method.to_owned())),
        "server/discover" => {
            state
                .check_policy(head, "server/discover", &request.params)
                .await?;
            let result = local_answers::discover_result(&catalog)?;
            let body = json_rpc::result(&request.id, &result);
            Ok(json_response(StatusCode::OK, body))
        }
        "subscriptions/listen" => {
            if !takes_events(head.headers) {
                return Err(RequestError::NotAcceptable(EVENTS));
            }
            state
                .check_policy(head, "subscriptions/listen", &request.params)
                .await?;
            let permit = state.admission.stream(head.share(None))?;
            Box::pin(subscription::listen(
                &state,
                head.caller,
                &request,
                &catalog,
                permit,
            ))
            .await
        }
        method if tasks::REMOVED.contains(&method) => {
            Err(RequestError::MethodNotFound(method.to_owned()))
        }
        // Like all that concerns its caller alone, they are open under every policy.
        method if tasks::METHODS.contains(&method) => {
            let name = target.as_deref().unwrap_or_default();
            tasks::answer(&state, head, &request, name, view.takes_tasks()).await
        }
        method => {
            state.check_policy(head, method, &request.params).await?;
            check_tool_headers(&catalog, head.headers, method, target.as_deref(), view)?;
            let takes_task = method == "tools/call" && view.takes_tasks();
            match task_use(&catalog, method, target.as_deref()) {
                TaskUse::Required if !takes_task => {
                    return Err(RequestError::MissingExtension(TASKS));
                }
                // It is never held; what would become a task later is, where there is no room.
                TaskUse::Always | TaskUse::Required if takes_task => {
                    let share = head.caller.principal.share();
                    state.bus.check_task_room(&share).await?;
                    state.bus.check_room(&share).await?;
                }
                _ => {}
            }
            check_room(&state, head, method, view).await?;
            let parts = CallParts {
                stream: StreamId::generate(),
                era: Era::Modern,
                protocol_version: version,
                target,
                timeout: view.timeout()?,
                takes_task,
                request_id: Some(request.id),
                method: request.method,
                message: request.raw,
                session: None,
            };
            let (share, bytes) = (head.share(None), parts.message.as_str().len());
            let permit = state.admission.call(share.clone(), share, bytes).await?;
            if let Some(downstream) = &state.downstream {
                let target = parts.target.as_deref();
                Box::pin(downstream.prepare(&catalog, head, &parts.method, target)).await?;
            }
            call(state, head, parts, permit).await
        }
    }
}

/// What `_meta` must carry (2026-07-28, Basic, Per-request protocol fields).
fn requested_version(view: ParamsView<'_>) -> Result<String, RequestError> {
    let version = version_in_meta(view)?;
    let capabilities = required(view, META_CLIENT_CAPABILITIES)?;
    if !capabilities.starts_with('{') && !is_empty_list(capabilities) {
        return Err(RequestError::InvalidParams(format!(
            "_meta[{META_CLIENT_CAPABILITIES:?}] must be an object"
        )));
    }
    Ok(version)
}

fn version_in_meta(view: ParamsView<'_>) -> Result<String, RequestError> {
    let version = required(view, META_PROTOCOL_VERSION)?;
    serde_json::from_str(version).map_err(|_| {
        RequestError::InvalidParams(format!("_meta[{META_PROTOCOL_VERSION:?}] must be a string"))
    })
}

fn required<'a>(view: ParamsView<'a>, key: &str) -> Result<&'a str, RequestError> {
    view.meta(key)
        .ok_or_else(|| RequestError::InvalidParams(format!("_meta[{key:?}] is missing")))
}

fn check_tool_headers(
    catalog: &CatalogRecord,
    headers: &HeaderMap,
    method: &str,
    target: Option<&str>,
    view: ParamsView<'_>,
) -> Result<(), RequestError> {
    let (true, Some(tool)) = (method == "tools/call", target) else {
        return Ok(());
    };
    match catalog.tools.get(tool) {
        Some(tool) => mirrored_headers::check_params(headers, tool, view.arguments()),
        None => Ok(()),
    }
}

/// When calls of what is called become tasks.
fn task_use(catalog: &CatalogRecord, method: &str, target: Option<&str>) -> TaskUse {
    let tool = target.filter(|_| method == "tools/call");
    let tool = tool.and_then(|tool| catalog.tools.get(tool));
    tool.map_or(TaskUse::AfterATime, |tool| tool.tasks)
}

async fn call(
    state: AppState,
    head: RequestHead<'_>,
    parts: CallParts,
    permit: Permit,
) -> Result<Response, RequestError> {
    let request_id = parts.request_id.clone();
    let turn = state.turns.take().await?;
    let Call { held, cancel } = enqueue(&state, head, parts, turn).await?;
    let stream = CallStream::modern(
        held,
        state.lifetime(head.caller),
        permit,
        request_id,
        cancel,
        head.operation.hand_over(true),
    );
    if !takes_events(head.headers) {
        return Box::pin(stream.into_json_alone(None)).await;
    }
    answer(stream, prefers_events(head.headers)).await
}

/// No status line before the first event, since the worker may decide 400 or 404. A call that stays
/// silent is committed to an event stream all the same, so that comments keep its connection open.
async fn answer(mut stream: CallStream, prefers_events: bool) -> Result<Response, RequestError> {
    let first = match tokio::time::timeout(stream.keep_alive(), stream.next()).await {
        Err(_) => {
            if let Err(error) = stream.open_log().await {
                tracing::debug!(%error, "could not open the log of a call that has said nothing yet; its stream begins all the same");
            }
            return Ok(stream.into_sse(vec![sse::KEEP_ALIVE]));
        }
        // The call may still run; dropping the stream cancels it.
        Ok(None) => return Err(stream.broken(&Broken::Lost)),
        Ok(Some(Err(broken))) => return Err(stream.broken(&broken)),
        Ok(Some(Ok(event))) => event,
    };
    let as_json = !prefers_events || call_stream::is_refusal(&first);
    Ok(if first.ends_stream() && as_json {
        stream.into_json(&first)
    } else {
        stream.into_sse_from(Vec::new(), &first)
    })
}
