//! Change notifications for one client: the feed, filtered.

use std::collections::BTreeSet;
use std::sync::Arc;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::change::Change;
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::task::TaskSight;
use serde_json::json;
use serde_json::value::RawValue;

use crate::changes::catalog::Announced;
use crate::changes::{Interest, Topic};
use crate::policy::Policy;

/// Which changes a client wants and the server announces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uris: BTreeSet<Arc<str>>,
}

/// Writes changes as notifications; tags them with the subscription (2026-07-28, Subscriptions,
/// Receiving Notifications) when there is one.
#[derive(Debug, Clone)]
pub(crate) struct Notifier {
    pub(crate) filter: Filter,
    pub(crate) subscription: Option<RawJson>,
    /// Decides anew with each update what the client may hear of.
    pub(crate) policy: Policy,
    pub(crate) principal: Principal,
}

// === impl Filter ===

impl Filter {
    /// Every list that is announced now: what a legacy GET stream carries besides its session's resources.
    pub(crate) fn set_lists(&mut self, announced: Announced) {
        self.tools = announced.tools_list_changed;
        self.prompts = announced.prompts_list_changed;
        self.resources = announced.resources_list_changed;
    }

    /// What a client with this filter waits for.
    pub(crate) fn interest(&self) -> Interest {
        let lists = [
            (self.tools, Topic::Tools),
            (self.prompts, Topic::Prompts),
            (self.resources, Topic::Resources),
        ];
        let lists = lists.into_iter().filter(|(wanted, _)| *wanted);
        let uris = self.uris.iter().map(|uri| Topic::Resource(uri.clone()));
        lists.map(|(_, topic)| topic).chain(uris).collect()
    }

    /// The part that is announced, too.
    pub(crate) fn supported_by(self, announced: Announced) -> Self {
        Self {
            tools: self.tools && announced.tools_list_changed,
            prompts: self.prompts && announced.prompts_list_changed,
            resources: self.resources && announced.resources_list_changed,
            uris: if announced.resource_subscriptions {
                self.uris
            } else {
                BTreeSet::new()
            },
        }
    }
}

// === impl Notifier ===

impl Notifier {
    /// The notification for a change, if the client wants it.
    pub(crate) fn notification(&self, change: &Change) -> Option<String> {
        let filter = &self.filter;
        let (wanted, method, uri) = match change {
            Change::ToolsListChanged => (filter.tools, "notifications/tools/list_changed", None),
            Change::PromptsListChanged => {
                (filter.prompts, "notifications/prompts/list_changed", None)
            }
            Change::ResourcesListChanged => (
                filter.resources,
                "notifications/resources/list_changed",
                None,
            ),
            Change::ResourceUpdated { uri } => {
                let wanted = filter.uris.contains(uri.as_str()) && self.may_read(uri);
                (wanted, "notifications/resources/updated", Some(uri))
            }
            Change::CatalogChanged
            | Change::SessionChanged { .. }
            | Change::SessionListening { .. }
            | Change::SessionEnded { .. } => return None,
        };
        wanted.then(|| self.write(method, uri))
    }

    /// The notification of what a task is now; `None` when that cannot be read.
    pub(crate) fn task(&self, name: &StreamId, task: &TaskSight) -> Option<String> {
        let meta = self.meta().map(RawValue::from_string);
        let meta = meta.transpose().ok()?;
        match task.told(name, meta.as_deref()) {
            Ok(params) => {
                let method = "notifications/tasks";
                Some(json_rpc::notification(method, Some(params.as_str())))
            }
            Err(error) => {
                tracing::debug!(stream = %name, %error, "a task cannot be shown");
                None
            }
        }
    }

    /// Whether the client may read a resource now.
    pub(crate) fn may_read(&self, uri: &str) -> bool {
        self.policy.may_read(&self.principal, uri)
    }

    /// A notification for everything that may have changed unseen.
    pub(crate) fn everything(&self) -> Vec<String> {
        let updates = self.filter.uris.iter().map(|uri| Change::ResourceUpdated {
            uri: uri.to_string(),
        });
        [
            Change::ToolsListChanged,
            Change::PromptsListChanged,
            Change::ResourcesListChanged,
        ]
        .into_iter()
        .chain(updates)
        .filter_map(|change| self.notification(&change))
        .collect()
    }

    fn write(&self, method: &'static str, uri: Option<&String>) -> String {
        let meta = self.meta().map(|meta| format!(r#""_meta":{meta}"#));
        let uri = uri.map(|uri| format!(r#""uri":{}"#, json!(uri)));
        let members: Vec<String> = uri.into_iter().chain(meta).collect();
        let params = (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")));
        json_rpc::notification(method, params.as_deref())
    }

    /// `_meta` with the subscription's id, when there is one: the client's own, as it was sent.
    pub(crate) fn meta(&self) -> Option<String> {
        let id = self.subscription.as_ref()?.as_str();
        Some(format!(
            r#"{{"io.modelcontextprotocol/subscriptionId":{id}}}"#
        ))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn notifier(uris: &[&str]) -> Notifier {
        Notifier {
            filter: Filter {
                tools: true,
                uris: uris.iter().map(|uri| (*uri).into()).collect(),
                ..Filter::default()
            },
            subscription: None,
            policy: Policy::new(None).0,
            principal: Principal::anonymous(),
        }
    }

    #[test]
    fn a_client_gets_what_it_asked_for_and_nothing_else() {
        let notifier = notifier(&["a://1"]);
        let updated = |uri: &str| Change::ResourceUpdated {
            uri: uri.to_owned(),
        };
        assert!(notifier.notification(&Change::ToolsListChanged).is_some());
        assert!(notifier.notification(&Change::PromptsListChanged).is_none());
        assert!(notifier.notification(&updated("a://2")).is_none());
        assert_eq!(
            notifier.notification(&updated("a://1")).unwrap(),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"a://1"}}"#
        );
    }

    #[test]
    fn a_client_waits_for_what_it_asked_for() {
        let filter = notifier(&["a://1"]).filter;
        let resource = Topic::Resource("a://1".into());
        assert_eq!(filter.interest(), [Topic::Tools, resource].into());
    }

    #[test]
    fn every_notification_of_a_subscription_names_it() {
        let mut notifier = notifier(&["a://1"]);
        let id = "18446744073709551617"; // no integer type holds it
        notifier.subscription = Some(RawJson::parse(id).unwrap());
        let all = notifier.everything();
        assert_eq!(all.len(), 2);
        for text in all {
            assert!(serde_json::from_str::<Value>(&text).unwrap()["params"].is_object());
            let meta = format!(r#""_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}"#);
            assert!(text.contains(&meta), "{text}");
        }
    }
}
