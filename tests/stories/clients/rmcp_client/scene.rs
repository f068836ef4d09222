//! An rmcp client on a fleet of its own, with a user who agrees to everything.

use prynai_test_harness::cluster::{Cluster, ClusterPlan, QUEUE};
use prynai_test_redis::assert_eventually;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
    ElicitRequestParams, ElicitResult, ElicitationAction, Implementation,
    ProgressNotificationParam, ResourceUpdatedNotificationParam,
};
use rmcp::service::{
    ClientLifecycleMode, NotificationContext, PeerRequestOptions, RequestContext, RequestHandle,
    RunningService, serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

/// The resource that the client subscribes to.
pub(super) const NOTE: &str = "everything://notes/resume";

/// What the model of the client says.
pub(super) const SUMMARY: &str = "Two halves. \u{2028}\u{2029}\u{85}";

/// A user who confirms everything, with a model that always says the same.
#[derive(Clone)]
pub(super) struct Agreeable {
    progress: mpsc::UnboundedSender<f64>,
    updates: mpsc::UnboundedSender<String>,
    /// Whether the model may answer yet; tells who looks when it is asked.
    may_answer: watch::Receiver<bool>,
}

impl ClientHandler for Agreeable {
    #[expect(
        deprecated,
        reason = "sampling is deprecated in 2026-07-28 and in force in every revision"
    )]
    fn get_info(&self) -> ClientConfig {
        let can = ClientCapabilities::builder()
            .enable_elicitation()
            .enable_sampling()
            .enable_tasks()
            .build();
        ClientConfig::new(can, Implementation::new("agreeable", "1"))
    }

    async fn create_elicitation(
        &self,
        _: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let content = json!({ "confirm": true });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(content))
    }

    #[expect(
        deprecated,
        reason = "sampling is deprecated in 2026-07-28 and in force in every revision"
    )]
    async fn create_message(
        &self,
        _: rmcp::model::CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<rmcp::model::CreateMessageResult, ErrorData> {
        let mut may_answer = self.may_answer.clone();
        may_answer.wait_for(|may| *may).await.expect("is let go");
        let said = rmcp::model::SamplingMessage::assistant_text(SUMMARY);
        Ok(rmcp::model::CreateMessageResult::new(
            said,
            "test-model".to_owned(),
        ))
    }

    async fn on_progress(
        &self,
        progress: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.progress.send(progress.progress);
    }

    async fn on_resource_updated(
        &self,
        updated: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        let _ = self.updates.send(updated.uri);
    }
}

/// A client on a fleet of its own.
pub(super) struct Scene {
    pub(super) cluster: Cluster,
    pub(super) client: RunningService<RoleClient, Agreeable>,
    pub(super) progress: mpsc::UnboundedReceiver<f64>,
    pub(super) updates: mpsc::UnboundedReceiver<String>,
    pub(super) may_answer: watch::Sender<bool>,
}

impl Scene {
    pub(super) async fn open(mode: ClientLifecycleMode) -> Self {
        Self::on(Cluster::new().gateways(2).workers(2), mode).await
    }

    pub(super) async fn on(plan: ClusterPlan, mode: ClientLifecycleMode) -> Self {
        let cluster = plan.start().await;
        let (heard_progress, progress) = mpsc::unbounded_channel();
        let (heard_updates, updates) = mpsc::unbounded_channel();
        let may_answer = watch::Sender::new(true);
        let handler = Agreeable {
            progress: heard_progress,
            updates: heard_updates,
            may_answer: may_answer.subscribe(),
        };
        let transport = StreamableHttpClientTransport::from_uri(cluster.proxy());
        let client = serve_client_with_lifecycle(handler, transport, mode).await;
        Self {
            cluster,
            client: client.expect("the client connects"),
            progress,
            updates,
            may_answer,
        }
    }

    /// The text of a tool's result.
    pub(super) async fn call(&self, name: &'static str, arguments: Value) -> String {
        let result = self.client.call_tool(calling(name, arguments)).await;
        let result = result.expect("a result");
        assert_ne!(result.is_error, Some(true), "{result:?}");
        let text = result.content.first().and_then(|content| content.as_text());
        text.expect("a text").text.clone()
    }

    /// The client must be told, and go on.
    pub(super) async fn is_refused(&self, name: &'static str, arguments: Value) {
        let refused = self.client.call_tool(calling(name, arguments)).await;
        assert!(refused.is_err(), "{refused:?}");
    }

    pub(super) async fn lives(&self) {
        assert_eq!(self.call("echo", json!({ "text": "x" })).await, "x");
    }

    /// A gateway takes a moment to know that it can serve.
    pub(super) async fn lives_again(&self) {
        let echo = || calling("echo", json!({ "text": "x" }));
        assert_eventually!(self.client.call_tool(echo()).await.is_ok());
    }

    pub(super) async fn begin(
        &self,
        name: &'static str,
        arguments: Value,
    ) -> RequestHandle<RoleClient> {
        let call = CallToolRequest::new(calling(name, arguments));
        let request = ClientRequest::CallToolRequest(call);
        let options = PeerRequestOptions::no_options();
        let begun = self.client.send_cancellable_request(request, options).await;
        begun.expect("sent")
    }

    /// Returns when no call waits or runs.
    pub(super) async fn is_idle(&self) {
        let redis = &self.cluster.redis;
        assert_eventually!(redis.command::<i64>(&["XLEN", QUEUE]).await == 0);
    }

    pub(super) async fn touch(&self) {
        self.call("touch_resource", json!({ "uri": NOTE })).await;
    }

    pub(super) async fn close(self) {
        self.client.cancel().await.expect("ends");
        self.cluster.assert_idle().await;
    }
}

pub(super) fn calling(name: &'static str, arguments: Value) -> CallToolRequestParams {
    let arguments = arguments.as_object().expect("an object").clone();
    CallToolRequestParams::new(name).with_arguments(arguments)
}
