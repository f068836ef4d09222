//! The rmcp client, in both eras, through the round-robin proxy: what `tests/clients` asks of every client.
//! `scripts/clients` takes the capabilities from the names of these tests.

use std::time::Duration;

use prynai_test_harness::client::{legacy, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan, QUEUE};
use prynai_test_harness::policy_file::PolicyFile;
use prynai_test_redis::assert_eventually;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, ClientCapabilities, ClientConfig, ClientRequest,
    ElicitRequestParams, ElicitResult, ElicitationAction, Implementation,
    ProgressNotificationParam, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
    ResourceUpdatedNotificationParam, ServerNotification, SubscriptionFilter,
};
use rmcp::service::{
    ClientLifecycleMode, NotificationContext, PeerRequestOptions, RequestContext, RequestHandle,
    RunningService, serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

const NOTE: &str = "everything://notes/resume";
const SUMMARY: &str = "Two halves. \u{2028}\u{2029}\u{85}";

/// A user who confirms everything, with a model that always says the same.
#[derive(Clone)]
struct Agreeable {
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
struct Scene {
    cluster: Cluster,
    client: RunningService<RoleClient, Agreeable>,
    progress: mpsc::UnboundedReceiver<f64>,
    updates: mpsc::UnboundedReceiver<String>,
    may_answer: watch::Sender<bool>,
}

impl Scene {
    async fn open(mode: ClientLifecycleMode) -> Self {
        Self::on(Cluster::new().gateways(2).workers(2), mode).await
    }

    async fn on(plan: ClusterPlan, mode: ClientLifecycleMode) -> Self {
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
    async fn call(&self, name: &'static str, arguments: Value) -> String {
        let result = self.client.call_tool(calling(name, arguments)).await;
        let result = result.expect("a result");
        assert_ne!(result.is_error, Some(true), "{result:?}");
        let text = result.content.first().and_then(|content| content.as_text());
        text.expect("a text").text.clone()
    }

    /// The client must be told, and go on.
    async fn is_refused(&self, name: &'static str, arguments: Value) {
        let refused = self.client.call_tool(calling(name, arguments)).await;
        assert!(refused.is_err(), "{refused:?}");
    }

    async fn lives(&self) {
        assert_eq!(self.call("echo", json!({ "text": "x" })).await, "x");
    }

    /// A gateway takes a moment to know that it can serve.
    async fn lives_again(&self) {
        let echo = || calling("echo", json!({ "text": "x" }));
        assert_eventually!(self.client.call_tool(echo()).await.is_ok());
    }

    async fn begin(&self, name: &'static str, arguments: Value) -> RequestHandle<RoleClient> {
        let call = CallToolRequest::new(calling(name, arguments));
        let request = ClientRequest::CallToolRequest(call);
        let options = PeerRequestOptions::no_options();
        let begun = self.client.send_cancellable_request(request, options).await;
        begun.expect("sent")
    }

    /// Returns when no call waits or runs.
    async fn is_idle(&self) {
        let redis = &self.cluster.redis;
        assert_eventually!(redis.command::<i64>(&["XLEN", QUEUE]).await == 0);
    }

    async fn touch(&self) {
        self.call("touch_resource", json!({ "uri": NOTE })).await;
    }

    async fn close(self) {
        self.client.cancel().await.expect("ends");
        self.cluster.assert_idle().await;
    }
}

fn calling(name: &'static str, arguments: Value) -> CallToolRequestParams {
    let arguments = arguments.as_object().expect("an object").clone();
    CallToolRequestParams::new(name).with_arguments(arguments)
}

async fn lists(scene: &mut Scene) {
    let tools = scene.client.list_all_tools().await.expect("tools");
    assert!(tools.iter().any(|tool| tool.name == "echo"));
    let prompts = scene.client.list_all_prompts().await.expect("prompts");
    assert!(!prompts.is_empty());
}

async fn calls(scene: &mut Scene) {
    let sum = scene.call("add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(sum, r#"{"sum":3}"#);
    let unknown = calling("no_such_tool", json!({}));
    assert!(scene.client.call_tool(unknown).await.is_err());
}

async fn hears_progress(scene: &mut Scene) {
    let work = json!({ "steps": 3, "delay_ms": 100 });
    assert_eq!(scene.call("long_running", work).await, "done after 3 steps");
    for step in [1.0, 2.0, 3.0] {
        assert_eq!(scene.progress.recv().await, Some(step));
    }
}

async fn samples(scene: &mut Scene) {
    let text = json!({ "text": "Gateways hold sockets. Workers run tools." });
    assert_eq!(scene.call("summarize", text).await, SUMMARY);
}

async fn elicits(scene: &mut Scene) {
    let order = json!({ "restaurant": "Roma", "people": 2, "date": "2026-12-24" });
    let booked = scene.call("book_table", order).await;
    assert_eq!(booked, "Booked: Roma on 2026-12-24 at 19:30 for 2 people.");
}

async fn reads(scene: &mut Scene) {
    let readme = ReadResourceRequestParams::new("everything://readme");
    let read = scene
        .client
        .read_resource(readme)
        .await
        .expect("a resource");
    let [ResourceContents::TextResourceContents { text, .. }] = &read.contents[..] else {
        panic!("not one text: {read:?}");
    };
    assert!(text.starts_with("# PrynAI reference server"), "{text}");
}

#[expect(deprecated, reason = "the subscriptions of the legacy era")]
async fn hears_updates_of_a_session(scene: &mut Scene) {
    let subscription = rmcp::model::SubscribeRequestParams::new(NOTE);
    scene
        .client
        .subscribe(subscription)
        .await
        .expect("subscribed");
    // The client opens the session's GET stream by itself and does not tell when: it need not hear of
    // the first changes.
    let heard = async |scene: &mut Scene| {
        scene.touch().await;
        scene.updates.try_recv().ok()
    };
    assert_eq!(prynai_test_redis::eventually!(heard(scene).await), NOTE);
}

async fn hears_updates_while_it_listens(scene: &mut Scene) {
    let filter = SubscriptionFilter::builder().resource_subscription(NOTE);
    let subscribed = scene.client.listen(filter.build()).await;
    let mut subscription = subscribed.expect("acknowledged");
    scene.touch().await;
    match subscription.next().await {
        Ok(Some(ServerNotification::ResourceUpdatedNotification(updated))) => {
            assert_eq!(updated.params.uri, NOTE);
        }
        other => panic!("not an update: {other:?}"),
    }
}

async fn cancels(scene: &mut Scene) {
    let endless = json!({ "steps": 1_000, "delay_ms": 100 });
    let running = scene.begin("long_running", endless).await;
    scene.progress.recv().await.expect("progress");
    running.cancel(None).await.expect("cancelled");
    // Still connected: it is the cancel that ended the call, not the client's going away.
    scene.is_idle().await;
}

/// One test for each capability, in a module that is named after the era.
macro_rules! capabilities {
    ($era:ident, $mode:expr, $($capability:ident: $check:ident),+ $(,)?) => {
        mod $era {
            $(
                #[tokio::test]
                async fn $capability() {
                    let mut scene = super::Scene::open($mode).await;
                    super::$check(&mut scene).await;
                    scene.close().await;
                }
            )+
        }
    };
}

capabilities!(
    legacy,
    super::ClientLifecycleMode::Initialize,
    list: lists,
    call: calls,
    progress: hears_progress,
    sampling: samples,
    elicitation: elicits,
    read: reads,
    update: hears_updates_of_a_session,
    cancel: cancels,
);

capabilities!(
    modern,
    super::ClientLifecycleMode::Discover {
        preferred_versions: vec![super::ProtocolVersion::V_2026_07_28],
    },
    list: lists,
    call: calls,
    progress: hears_progress,
    sampling: samples,
    elicitation: elicits,
    read: reads,
    update: hears_updates_while_it_listens,
    cancel: cancels,
);

/// What a client in a session is refused, or left without an answer to, and must outlive.
mod endings {
    use super::*;

    const MODE: ClientLifecycleMode = ClientLifecycleMode::Initialize;

    /// Clients are told to wait for half a second.
    const LONGER_THAN_A_RETRY: Duration = Duration::from_secs(4);

    #[tokio::test]
    async fn policy() {
        let rules = "[[allow]]\ntools = [\"*\"]\nresources = [\"everything://readme\"]";
        let policy = PolicyFile::mounted(rules);
        let plan = Cluster::new()
            .gateways(2)
            .gateway_args(&["--policy", policy.path()]);
        let scene = Scene::on(plan, MODE).await;
        let closed = ReadResourceRequestParams::new("everything://counter");
        let refused = scene.client.read_resource(closed).await;
        assert!(refused.is_err(), "{refused:?}");
        scene.lives().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn too_large() {
        let scene = Scene::open(MODE).await;
        let text = "x".repeat(5 << 20);
        scene.is_refused("echo", json!({ "text": text })).await;
        scene.lives().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn queue_full() {
        let limits = ["--queue-limit", "4", "--caller-limit", "4"];
        let plan = Cluster::new().gateways(2).gateway_args(&limits);
        let scene = Scene::on(plan, MODE).await;
        let (other, url) = (&scene.cluster.client, scene.cluster.proxy());
        let endless = json!({ "steps": 1_000, "delay_ms": 100 });
        let mut fillers = Vec::new();
        // In a row: each gateway had its turn. What ends soon, and would leave room, is not counted.
        let (mut begun, mut refused) = (0, 0);
        while begun < 4 || refused < 4 {
            let session = other.open_session(&url).await;
            let call = legacy(1, "tools/call", tool("long_running", endless.clone()));
            let reply = other.legacy(&url, &session, &call).await;
            if reply.is_event_stream() {
                (begun, refused) = (begun + 1, 0);
            } else {
                refused += 1;
            }
            fillers.push((session, reply));
        }
        scene.is_refused("echo", json!({ "text": "x" })).await;
        for (session, _) in fillers {
            other.end_session(&url, &session).await;
        }
        scene.is_idle().await;
        scene.lives_again().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn share() {
        let limits = ["--caller-limit", "2"];
        let plan = Cluster::new().gateways(2).gateway_args(&limits);
        let scene = Scene::on(plan, MODE).await;
        let endless = json!({ "steps": 1_000, "delay_ms": 100 });
        let mut calls = Vec::new();
        // Two at each gateway.
        for _ in 0..4 {
            calls.push(scene.begin("long_running", endless.clone()).await);
        }
        let redis = &scene.cluster.redis;
        assert_eventually!(redis.command::<i64>(&["XLEN", QUEUE]).await == 4);
        scene.is_refused("echo", json!({ "text": "x" })).await;
        for call in calls {
            call.cancel(None).await.expect("cancelled");
        }
        scene.is_idle().await;
        scene.lives_again().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn deadline() {
        let plan = Cluster::new().gateway_args(&["--request-timeout", "1s"]);
        let scene = Scene::on(plan, MODE).await;
        let endless = json!({ "steps": 1_000, "delay_ms": 100 });
        scene.is_refused("long_running", endless).await;
        scene.lives().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn large_result() {
        let plan = Cluster::new().worker_args(&["--max-result", "64KiB"]);
        let scene = Scene::on(plan, MODE).await;
        let text = "x".repeat(80 << 10);
        scene.is_refused("echo", json!({ "text": text })).await;
        scene.lives().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn away() {
        let scene = Scene::open(MODE).await;
        scene.lives().await;
        scene.cluster.redis.freeze();
        scene.is_refused("echo", json!({ "text": "x" })).await;
        scene.cluster.redis.thaw();
        scene.lives_again().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn late_answer() {
        let scene = Scene::open(MODE).await;
        scene.may_answer.send_replace(false);
        let call = scene.begin("summarize", json!({ "text": "x" })).await;
        assert_eventually!(scene.may_answer.receiver_count() > 1, "nobody asked");
        call.cancel(None).await.expect("cancelled");
        scene.is_idle().await;
        scene.may_answer.send_replace(true);
        assert_eventually!(scene.may_answer.receiver_count() == 1, "nobody answered");
        scene.lives().await;
        scene.close().await;
    }

    #[tokio::test]
    async fn cancelled_stream() {
        let mut scene = Scene::open(MODE).await;
        super::hears_updates_of_a_session(&mut scene).await;
        let endless = json!({ "steps": 1_000, "delay_ms": 100 });
        let call = scene.begin("long_running", endless).await;
        scene.progress.recv().await.expect("progress");
        call.cancel(None).await.expect("cancelled");
        scene.is_idle().await;
        // If it resumes, it is told that nothing follows, and does not come again.
        tokio::time::sleep(LONGER_THAN_A_RETRY).await;
        let resumes = scene.cluster.resumes();
        assert!(resumes <= 1, "it came {resumes} times");
        // Neither the client nor the stream of its session has suffered.
        scene.touch().await;
        assert_eq!(scene.updates.recv().await.as_deref(), Some(NOTE));
        scene.close().await;
    }
}
