//! The rmcp client, in both eras, through the round-robin proxy.

use prynai_tests::cluster::Cluster;
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, ElicitRequestParams, ElicitResult,
    ElicitationAction, Implementation, ProtocolVersion, ReadResourceRequestParams,
};
use rmcp::service::{
    ClientLifecycleMode, RequestContext, RunningService, serve_client_with_lifecycle,
};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::{Value, json};

/// A user who confirms everything.
#[derive(Clone)]
struct Agreeable;

impl ClientHandler for Agreeable {
    fn get_info(&self) -> ClientConfig {
        let can = ClientCapabilities::builder().enable_elicitation().build();
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
}

async fn connect(url: &str, mode: ClientLifecycleMode) -> RunningService<RoleClient, Agreeable> {
    let transport = StreamableHttpClientTransport::from_uri(url);
    let client = serve_client_with_lifecycle(Agreeable, transport, mode).await;
    client.expect("the client connects")
}

async fn use_everything(client: &RunningService<RoleClient, Agreeable>) {
    let call = |name: &'static str, arguments: Value| {
        let arguments = arguments.as_object().expect("an object").clone();
        client.call_tool(CallToolRequestParams::new(name).with_arguments(arguments))
    };
    let tools = client.list_all_tools().await.expect("tools");
    assert!(tools.iter().any(|tool| tool.name == "echo"));
    let sum = call("add", json!({ "a": 1, "b": 2 })).await.expect("a sum");
    assert_eq!(
        sum.structured_content.expect("is structured")["sum"].as_f64(),
        Some(3.0)
    );
    let slow = call("long_running", json!({ "steps": 3, "delay_ms": 30 }))
        .await
        .expect("a result");
    assert_ne!(slow.is_error, Some(true));
    let booked = call("book_table", json!({ "restaurant": "Roma", "people": 2 })).await;
    let booked = serde_json::to_string(&booked.expect("an answer").content).expect("is JSON");
    assert!(!booked.to_lowercase().contains("not booked"), "{booked}");
    let readme = ReadResourceRequestParams::new("everything://readme");
    assert!(
        !client
            .read_resource(readme)
            .await
            .expect("a resource")
            .contents
            .is_empty()
    );
    assert!(!client.list_all_prompts().await.expect("prompts").is_empty());
    assert!(call("no_such_tool", json!({})).await.is_err());
}

#[tokio::test]
async fn the_legacy_client_works() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = connect(&cluster.proxy(), ClientLifecycleMode::Initialize).await;
    use_everything(&client).await;
    client.cancel().await.expect("ends");
    cluster.assert_idle().await;
}

#[tokio::test]
async fn the_modern_client_works() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let preferred_versions = vec![ProtocolVersion::V_2026_07_28];
    let client = connect(
        &cluster.proxy(),
        ClientLifecycleMode::Discover { preferred_versions },
    )
    .await;
    use_everything(&client).await;
    client.cancel().await.expect("ends");
    cluster.assert_idle().await;
}
