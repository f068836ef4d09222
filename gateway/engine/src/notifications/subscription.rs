//! A modern client's stream of changes, `subscriptions/listen` (2026-07-28, Subscriptions).

use std::collections::BTreeSet;

use axum::response::Response;
use bytes::Bytes;
use prynai_bus::wire::message::RawJson;
use serde::Deserialize;
use serde_json::json;

use crate::admission::Permit;
use crate::changes::catalog::Announced;
use super::notifier::{Filter, Notifier};
use crate::changes::{Heard, Listener};
use crate::message::envelope::Request;
use crate::message::json_rpc;
use crate::message::method_params::Object;
use crate::message::request_head::Sender;
use crate::message::size_limits::{MAX_LISTENED_BYTES, MAX_LISTENED_URIS, too_large};
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::lifetime::Lifetime;
use crate::streams::respond::{KEEP_ALIVE, sse_response};
use crate::streams::sse;

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
    notifications: Object,
}

/// `subscriptions/listen`: acknowledged only once every later change is certain to be heard.
pub(crate) async fn listen(
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
    let announced = Announced::of(state.catalog.required().await?.as_ref());
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
    let text = json_rpc::notification("notifications/subscriptions/acknowledged", Some(&params));
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
        let heard = tokio::select! {
            heard = self.listener.next() => heard,
            // Other lists are shown from now on.
            () = self.notifier.policy.changed() => Heard::AssumeAnything,
            () = self.lifetime.over_or_quiet(true, KEEP_ALIVE) => {
                return match self.lifetime.is_over(true) {
                    true => self.last(),
                    false => (vec![sse::KEEP_ALIVE], false),
                };
            }
            () = self.lifetime.stopping() => return self.last(),
        };
        let texts = match heard {
            Heard::Change(change) => Vec::from_iter(self.notifier.notification(&change.change)),
            Heard::AssumeAnything => self.notifier.everything(),
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
        json_rpc::response(&self.id, &result)
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
