//! The modern era (2026-07-28): POST only, every request for itself, a broken connection is the
//! cancel.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use prynai_shared::ids::StreamId;
use prynai_shared::wire::absent::is_empty_list;
use prynai_shared::wire::message::RawJson;
use prynai_shared::wire::request::Era;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::enqueue::{Call, CallParts, enqueue, enqueue_notification};
use super::{EVENTS, META_PROTOCOL_VERSION, check_room, prefers_events, takes_events};
use crate::admission::Permit;
use crate::catalog::Announced;
use crate::changes::{Heed, Listener};
use crate::edge;
use crate::envelope::{META_CLIENT_CAPABILITIES, Message, Notification, ParamsView, Request};
use crate::error::{Refused, RequestError};
use crate::field_bounds::{MAX_LISTENED_BYTES, MAX_LISTENED_URIS, too_large};
use crate::head::{Head, Sender};
use crate::lifetime::Lifetime;
use crate::listening::{Filter, Notifier};
use crate::mirrored;
use crate::policy;
use crate::respond::{self, CallStream, KEEP_ALIVE, accepted, json_response, sse_response};
use crate::sse;
use crate::state::AppState;
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

/// `params.notifications` of `subscriptions/listen`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RequestedFilter {
    tools_list_changed: Option<bool>,
    prompts_list_changed: Option<bool>,
    resources_list_changed: Option<bool>,
    resource_subscriptions: Option<BTreeSet<String>>,
}

#[derive(Debug, Deserialize)]
struct ListenParams {
    notifications: edge::Object,
}

/// Serves one message.
pub(super) async fn post(
    state: AppState,
    head: Head<'_>,
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
            notified(&state, head, &notification).await?;
            Ok(accepted())
        }
        Message::Response(_) => Err(RequestError::NotAccepted(
            "this revision has no questions to clients, so there is nothing to answer".to_owned(),
        )
        .into()),
    }
}

/// Passes the notification of an extension on to the handler. The revision asks for none of the headers
/// and fields here that a request must have.
async fn notified(
    state: &AppState,
    head: Head<'_>,
    notification: &Notification,
) -> Result<(), RequestError> {
    if MEANINGLESS.contains(&notification.method.as_str()) {
        return Ok(());
    }
    let version = match mirrored::protocol_version(head.headers) {
        Some(version) => version.to_owned(),
        None => version_in_meta(&notification.params.view()?)?,
    };
    if !versions::is_served(&version, Era::Modern) {
        return Err(RequestError::unsupported_version(&version));
    }
    let principal = &head.sender.principal;
    policy::check(state, principal, &notification.method, &notification.params).await?;
    state.admission.notification().await?;
    enqueue_notification(state, head, version, None, notification).await?;
    Ok(())
}

async fn serve(
    state: AppState,
    head: Head<'_>,
    request: Request,
) -> Result<Response, RequestError> {
    let view = request.params.view()?;
    let version = requested_version(&view)?;
    view.check(&request.method)?;
    let target = view.target(&request.method)?;
    mirrored::check_standard(head.headers, &version, &request.method, target.as_deref())?;
    if !versions::is_served(&version, Era::Modern) {
        return Err(RequestError::unsupported_version(&version));
    }
    let catalog = edge::catalog(&state).await?;
    if !catalog.protocol_versions.contains(&version) {
        return Err(RequestError::UnsupportedVersion {
            requested: version,
            supported: versions::served_with(&catalog.protocol_versions),
        });
    }
    match request.method.as_str() {
        method if REMOVED.contains(&method) => Err(RequestError::MethodNotFound(method.to_owned())),
        "server/discover" => {
            let result = edge::discover_result(edge::catalog(&state).await?.as_ref())?;
            let body = edge::response(&request.id, &result);
            Ok(json_response(StatusCode::OK, body))
        }
        "subscriptions/listen" => {
            if !takes_events(head.headers) {
                return Err(RequestError::NotAcceptable(EVENTS));
            }
            let permit = state.admission.stream(head.caller(None))?;
            listen(&state, head.sender, &request, permit).await
        }
        method => {
            let principal = &head.sender.principal;
            policy::check(&state, principal, method, &request.params).await?;
            check_tool_headers(&state, head.headers, method, target.as_deref(), &view).await?;
            check_room(&state, head, method, &view).await?;
            let parts = CallParts {
                stream: StreamId::generate(),
                era: Era::Modern,
                protocol_version: version,
                target,
                timeout: view.timeout()?,
                request_id: Some(request.id),
                method: request.method,
                message: request.raw,
                session: None,
            };
            let (caller, bytes) = (head.caller(None), parts.message.as_str().len());
            let sender = caller.clone();
            let permit = state.admission.call(caller, sender, bytes).await?;
            call(state, head, parts, permit).await
        }
    }
}

/// What `_meta` must carry (2026-07-28, Basic, Per-request protocol fields).
fn requested_version(view: &ParamsView<'_>) -> Result<String, RequestError> {
    let version = version_in_meta(view)?;
    let capabilities = required(view, META_CLIENT_CAPABILITIES)?;
    if !capabilities.get().starts_with('{') && !is_empty_list(capabilities.get()) {
        return Err(RequestError::InvalidParams(format!(
            "_meta[{META_CLIENT_CAPABILITIES:?}] must be an object"
        )));
    }
    Ok(version)
}

fn version_in_meta(view: &ParamsView<'_>) -> Result<String, RequestError> {
    let version = required(view, META_PROTOCOL_VERSION)?;
    serde_json::from_str(version.get()).map_err(|_| {
        RequestError::InvalidParams(format!("_meta[{META_PROTOCOL_VERSION:?}] must be a string"))
    })
}

fn required<'a>(view: &'a ParamsView<'_>, key: &str) -> Result<&'a RawValue, RequestError> {
    view.meta(key)
        .ok_or_else(|| RequestError::InvalidParams(format!("_meta[{key:?}] is missing")))
}

async fn check_tool_headers(
    state: &AppState,
    headers: &HeaderMap,
    method: &str,
    target: Option<&str>,
    view: &ParamsView<'_>,
) -> Result<(), RequestError> {
    let (true, Some(tool)) = (method == "tools/call", target) else {
        return Ok(());
    };
    match state
        .catalog
        .get()
        .await?
        .as_ref()
        .and_then(|c| c.tools.get(tool))
    {
        Some(tool) => mirrored::check_params(headers, tool, view.arguments),
        None => Ok(()),
    }
}

async fn call(
    state: AppState,
    head: Head<'_>,
    parts: CallParts,
    permit: Permit,
) -> Result<Response, RequestError> {
    let request_id = parts.request_id.clone();
    let Call { held, cancel, .. } = enqueue(&state, head, parts, None).await?;
    let stream = CallStream {
        held,
        cancel,
        resumable: false,
        session: None,
        lifetime: state.lifetime(head.sender),
        request_id,
        era: Era::Modern,
        _permit: permit,
    };
    if !takes_events(head.headers) {
        return stream.into_json_alone(None).await;
    }
    answer(stream, prefers_events(head.headers)).await
}

/// No status line before the first event, since the worker may decide 400 or 404. A call that stays
/// silent is committed to an event stream all the same, so that comments keep its connection open.
async fn answer(mut stream: CallStream, prefers_events: bool) -> Result<Response, RequestError> {
    let first = match tokio::time::timeout(KEEP_ALIVE, stream.held.next()).await {
        Err(_) => {
            if let Err(error) = stream.held.open_log(Era::Modern).await {
                tracing::debug!(%error, "the log of a silent call cannot be opened now");
            }
            return Ok(stream.into_sse(vec![sse::KEEP_ALIVE]));
        }
        // The call may still run; dropping the stream cancels it.
        Ok(None | Some(Err(_))) => return Err(RequestError::AnswerLost),
        Ok(Some(Ok(event))) => event,
    };
    let as_json = !prefers_events || respond::is_refusal(&first);
    Ok(if first.ends_stream() && as_json {
        stream.into_json(&first)
    } else {
        stream.into_sse_from(Vec::new(), &first)
    })
}

/// `subscriptions/listen`: acknowledged only once every later change is certain to be heard.
async fn listen(
    state: &AppState,
    sender: &Sender,
    request: &Request,
    permit: Permit,
) -> Result<Response, RequestError> {
    let ListenParams { notifications } = request.params.read()?;
    let notifications: RequestedFilter = notifications
        .0
        .read()
        .map_err(|error| RequestError::InvalidParams(error.to_string()))?;
    let uris = notifications.resource_subscriptions.iter().flatten();
    if uris.clone().count() > MAX_LISTENED_URIS {
        return Err(RequestError::InvalidParams(format!(
            "resourceSubscriptions may name {MAX_LISTENED_URIS} resources at most"
        )));
    }
    let bytes: usize = uris.map(String::len).sum();
    if bytes > MAX_LISTENED_BYTES {
        let field = "resourceSubscriptions";
        return Err(too_large(field, bytes, MAX_LISTENED_BYTES));
    }
    let announced = Announced::of(edge::catalog(state).await?.as_ref());
    let mut notifier = Notifier {
        filter: notifications.into_filter().supported_by(announced),
        subscription: Some(request.id.clone()),
        policy: state.policy.watch(),
        principal: sender.principal.clone(),
    };
    let mut uris = std::mem::take(&mut notifier.filter.uris);
    uris.retain(|uri| notifier.may_read(uri));
    notifier.filter.uris = uris;
    let listener = state.changes.listen(None, notifier.filter.interest());
    let acknowledged = acknowledgement(&notifier);
    let feed = Subscription {
        listener,
        notifier,
        lifetime: state.lifetime(sender),
        id: request.id.clone(),
        _permit: permit,
    };
    Ok(sse_response(feed.frames(acknowledged)))
}

fn acknowledgement(notifier: &Notifier) -> Bytes {
    let filter = &notifier.filter;
    let mut agreed = serde_json::Map::new();
    for (name, wanted) in [
        ("toolsListChanged", filter.tools),
        ("promptsListChanged", filter.prompts),
        ("resourcesListChanged", filter.resources),
    ] {
        if wanted {
            agreed.insert(name.to_owned(), json!(true));
        }
    }
    if !filter.uris.is_empty() {
        agreed.insert("resourceSubscriptions".to_owned(), json!(filter.uris));
    }
    let meta = notifier.meta().unwrap_or_else(|| "{}".to_owned());
    let params = format!(r#"{{"_meta":{meta},"notifications":{}}}"#, json!(agreed));
    let text = edge::notification("notifications/subscriptions/acknowledged", Some(&params));
    sse::event(None, None, &text)
}

/// One open `subscriptions/listen` stream.
struct Subscription {
    listener: Listener,
    notifier: Notifier,
    lifetime: Lifetime,
    id: RawJson,
    _permit: Permit,
}

impl Subscription {
    fn frames(self, first: Bytes) -> impl futures::Stream<Item = Bytes> + Send + 'static {
        futures::stream::unfold(
            (Some(self), vec![first]),
            |(mut feed, mut ready)| async move {
                while ready.is_empty() {
                    let (frames, ends) = feed.as_mut()?.step().await;
                    ready = frames;
                    ready.reverse();
                    if ends {
                        feed = None;
                    }
                }
                Some((ready.pop()?, (feed, ready)))
            },
        )
    }

    /// The next frames, and whether the stream ends with them.
    async fn step(&mut self) -> (Vec<Bytes>, bool) {
        let heed = tokio::select! {
            heed = self.listener.next() => heed,
            // Other lists are shown from now on.
            () = self.notifier.policy.changed() => Heed::AssumeAnything,
            () = self.lifetime.over_or_quiet(true, KEEP_ALIVE) => {
                return match self.lifetime.is_over(true) {
                    true => self.last(),
                    false => (vec![sse::KEEP_ALIVE], false),
                };
            }
            () = self.lifetime.stopping() => return self.last(),
        };
        let texts = match heed {
            Heed::Change(change) => Vec::from_iter(self.notifier.notification(&change.change)),
            Heed::AssumeAnything => self.notifier.everything(),
        };
        let frames = texts.iter().map(|text| sse::event(None, None, text));
        (frames.collect(), false)
    }

    fn last(&self) -> (Vec<Bytes>, bool) {
        (vec![sse::event(None, None, &self.closing())], true)
    }

    /// The complete result that tells the client of an orderly end (Subscriptions, Graceful Closure).
    fn closing(&self) -> String {
        let meta = self.notifier.meta().unwrap_or_else(|| "{}".to_owned());
        let result = format!(r#"{{"resultType":"complete","_meta":{meta}}}"#);
        edge::response(&self.id, &result)
    }
}

impl RequestedFilter {
    fn into_filter(self) -> Filter {
        Filter {
            tools: self.tools_list_changed.unwrap_or_default(),
            prompts: self.prompts_list_changed.unwrap_or_default(),
            resources: self.resources_list_changed.unwrap_or_default(),
            uris: self
                .resource_subscriptions
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
        }
    }
}
