//! Notifications of a client reach the handler and leave nothing behind.

use prynai_bus::RequestQueue;
use prynai_bus::wire::message::RawJson;
use rmcp::model::ServerConfig;
use rmcp::service::NotificationContext;
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;
use tokio::sync::mpsc;

use crate::stage::{Stage, soon};

/// Tells what it was notified of.
struct Attentive(mpsc::UnboundedSender<&'static str>);

impl ServerHandler for Attentive {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::default()
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let client = context
            .peer
            .peer_info()
            .map(|info| info.client_info.name.clone());
        assert_eq!(client.as_deref(), Some("test"));
        self.0.send("initialized").expect("the test listens");
    }

    async fn on_roots_list_changed(&self, _: NotificationContext<RoleServer>) {
        self.0.send("roots").expect("the test listens");
    }
}

#[tokio::test]
async fn notifications_of_a_session_reach_the_handler() {
    let stage = Stage::new().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let serving = stage.serve(Attentive(told));
    for (method, name) in [
        ("notifications/initialized", "initialized"),
        ("notifications/roots/list_changed", "roots"),
    ] {
        let capabilities = json!({ "roots": { "listChanged": true } });
        let mut request = stage.legacy_with(method, &json!({}), &capabilities);
        request.request_id = None;
        let message = json!({ "jsonrpc": "2.0", "method": method });
        request.message = RawJson::from_value(&message).expect("JSON");
        stage.bus.enqueue(&request).await.expect("is queued");
        assert_eq!(soon(name, heard.recv()).await, Some(name));
    }
    serving.stop(&stage).await;
}

#[tokio::test]
async fn a_notification_is_not_begun_after_its_deadline() {
    let stage = Stage::new().await;
    let (told, mut heard) = mpsc::unbounded_channel();
    let serving = stage.serve(Attentive(told));
    for (method, deadline) in [
        ("notifications/roots/list_changed", Some(1)),
        ("notifications/initialized", None),
    ] {
        let mut request = stage.legacy_with(method, &json!({}), &json!({}));
        request.request_id = None;
        request.deadline_ms = deadline;
        let message = json!({ "jsonrpc": "2.0", "method": method });
        request.message = RawJson::from_value(&message).expect("JSON");
        stage.bus.enqueue(&request).await.expect("is queued");
    }
    assert_eq!(soon("the other", heard.recv()).await, Some("initialized"));
    serving.stop(&stage).await;
    assert_eq!(heard.recv().await, None);
}
