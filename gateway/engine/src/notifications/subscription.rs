//! A modern client's stream of changes, `subscriptions/listen` (2026-07-28, Subscriptions).

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::{TASKS, TaskSight};
use serde::Deserialize;
use serde_json::json;

use super::listened_tasks::ListenedTasks;
use super::notifier::{Filter, Notifier};
use crate::admission::Permit;
use crate::changes::catalog::Announced;
use crate::changes::{FeedReader, Heard};
use crate::message::envelope::Request;
use crate::message::method_params::Object;
use crate::message::request_head::Caller;
use crate::message::size_limits::{
    MAX_LISTENED_BYTES, MAX_LISTENED_TASKS, MAX_LISTENED_URIS, too_large,
};
use crate::metrics::metrics;
use crate::metrics::open::Open;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::event_stream::{EventSource, Step, Wait, event_stream};
use crate::streams::lifetime::{Closing, soon_after};
use crate::streams::sse;

/// `params.notifications` of `subscriptions/listen`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RequestedFilter {
    tools_list_changed: Option<bool>,
    prompts_list_changed: Option<bool>,
    resources_list_changed: Option<bool>,
    resource_subscriptions: Option<BTreeSet<String>>,
    task_ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct ListenParams {
    notifications: Object,
}

/// `subscriptions/listen`: acknowledged only once every later change is certain to be heard.
pub(crate) async fn listen(
    state: &AppState,
    caller: &Caller,
    request: &Request,
    catalog: &CatalogRecord,
    permit: Permit,
) -> Result<Response, RequestError> {
    let ListenParams { notifications } = request.params.read()?;
    let mut notifications: RequestedFilter = notifications
        .0
        .read()
        .map_err(|error| RequestError::InvalidParams(error.to_string()))?;
    if notifications.task_ids.is_some() && !request.params.view()?.takes_tasks() {
        return Err(RequestError::MissingExtension(TASKS));
    }
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
    let asked = asked_tasks(notifications.task_ids.take())?;
    let announced = Announced::of(catalog);
    let mut notifier = Notifier {
        filter: notifications.into_filter().supported_by(announced),
        subscription: Some(request.id.clone()),
        policy: state.policy.watch(),
        principal: caller.principal.clone(),
    };
    let mut uris = std::mem::take(&mut notifier.filter.uris);
    uris.retain(|uri| notifier.may_read(uri));
    notifier.filter.uris = uris;
    let reader = state.changes.reader(None, notifier.filter.interest());
    let subject = &caller.principal.subject;
    // Most ask for none, and the bus is asked for nothing then.
    let (tasks, agreed) = match asked.is_empty() {
        true => (None, Vec::new()),
        false => {
            let (tasks, agreed) = ListenedTasks::of(state.bus.clone(), &asked, subject).await?;
            (Some(tasks), agreed)
        }
    };
    let acknowledged = acknowledgement(&notifier, &agreed);
    let subscription = Subscription {
        reader,
        tasks,
        notifier,
        id: request.id.clone(),
        _open: Open::new(&metrics().subscriptions),
        _permit: permit,
    };
    let lifetime = state.lifetime(caller);
    Ok(event_stream(subscription, lifetime, vec![acknowledged]))
}

/// The tasks that a client names; what names none is left out.
fn asked_tasks(names: Option<Vec<String>>) -> Result<Vec<StreamId>, RequestError> {
    let names = names.unwrap_or_default();
    if names.len() > MAX_LISTENED_TASKS {
        return Err(RequestError::InvalidParams(format!(
            "taskIds may name {MAX_LISTENED_TASKS} tasks at most"
        )));
    }
    let mut seen = HashSet::new();
    let names = names.iter().filter_map(|name| name.parse().ok());
    Ok(names.filter(|name| seen.insert(*name)).collect())
}

fn acknowledgement(notifier: &Notifier, tasks: &[StreamId]) -> Bytes {
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
    if !tasks.is_empty() {
        let names: Vec<_> = tasks.iter().map(StreamId::to_string).collect();
        agreed.insert("taskIds".to_owned(), json!(names));
    }
    let meta = notifier.meta().unwrap_or_else(|| "{}".to_owned());
    let params = format!(r#"{{"_meta":{meta},"notifications":{}}}"#, json!(agreed));
    let text = json_rpc::notification("notifications/subscriptions/acknowledged", Some(&params));
    sse::event(None, None, &text)
}

/// One open `subscriptions/listen` stream.
struct Subscription {
    reader: FeedReader,
    tasks: Option<ListenedTasks>,
    notifier: Notifier,
    id: RawJson,
    _open: Open,
    _permit: Permit,
}

/// What a subscription hears.
enum Told {
    Change(Heard),
    Task(StreamId, Box<TaskSight>),
}

impl EventSource for Subscription {
    type News = Told;

    async fn prepare(&mut self, keep_alive: Duration) -> Option<Wait> {
        Some(Wait {
            quiet_until: soon_after(keep_alive),
            closing: Closing {
                by_age: true,
                by_expiry: true,
                by_stop: true,
            },
        })
    }

    async fn next(&mut self) -> Told {
        let tasks = async {
            match &mut self.tasks {
                Some(tasks) => tasks.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            heard = self.reader.next() => Told::Change(heard),
            // Other lists are shown from now on.
            () = self.notifier.policy.changed() => Told::Change(Heard::AssumeAnything),
            (name, task) = tasks => Told::Task(name, Box::new(task)),
        }
    }

    async fn tell(&mut self, told: Told) -> Step {
        let texts = match told {
            Told::Change(Heard::Change(change)) => {
                Vec::from_iter(self.notifier.notification(&change.change))
            }
            Told::Change(Heard::AssumeAnything) => self.notifier.everything(),
            Told::Task(name, task) => Vec::from_iter(self.notifier.task(&name, &task)),
        };
        let frames = texts.iter().map(|text| sse::event(None, None, text));
        Step::Frames(frames.collect())
    }

    fn farewell(&mut self) -> Bytes {
        sse::event(None, None, &self.closing())
    }
}

impl Subscription {
    /// The complete result that tells the client of an orderly end (Subscriptions, Graceful Closure).
    fn closing(&self) -> String {
        let meta = self.notifier.meta().unwrap_or_else(|| "{}".to_owned());
        let result = format!(r#"{{"resultType":"complete","_meta":{meta}}}"#);
        json_rpc::result(&self.id, &result)
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
