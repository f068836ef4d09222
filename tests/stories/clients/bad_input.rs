//! What a client is told that asked for something it cannot have; `hostile` has what is malformed or forged.

use prynai_test_harness::client::{LEGACY, MODERN, modern, tool};
use prynai_test_harness::cluster::Cluster;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn an_unsupported_version_names_the_supported_ones() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let mut message = modern("v", "tools/list", json!({}));
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("v999.0.0");
    let request = client
        .post(&url, message.to_string())
        .header("MCP-Protocol-Version", "v999.0.0")
        .header("Mcp-Method", "tools/list");
    let reply = client.send(request).await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    let body = reply.json().await;
    assert_eq!(body["id"], "v");
    assert_eq!(body["error"]["code"], -32022);
    assert_eq!(body["error"]["data"]["requested"], "v999.0.0");
    let supported = body["error"]["data"]["supported"]
        .as_array()
        .expect("a list");
    assert!(
        [MODERN, LEGACY]
            .iter()
            .all(|v| supported.contains(&json!(v))),
        "{body}"
    );
}

#[tokio::test]
async fn an_origin_of_this_machine_is_allowed() {
    let cluster = Cluster::new().start().await;
    let url = cluster.gateway(0);
    let discover = modern(1, "server/discover", json!({}));
    let request = cluster.client.modern_request(&url, &discover);
    let reply = cluster
        .client
        .send(request.header("Origin", "http://localhost:3000"))
        .await;
    assert_eq!(reply.status(), StatusCode::OK);
}

#[tokio::test]
async fn arguments_of_the_wrong_type_are_the_callers_fault_and_logged_nowhere_as_ours() {
    let mut cluster = Cluster::new().start().await;
    let url = cluster.gateway(0);
    for params in [
        tool("echo", json!({ "text": 7 })),
        tool("echo", json!("text")),
        tool("add", json!({ "a": "one" })),
        json!({ "name": 7 }),
        json!({}),
    ] {
        let mut call = modern(1, "tools/call", params.clone());
        // `name` is not always a string here, so the header is set by hand.
        call["params"]["_meta"]["progressToken"] = json!("t");
        let request = cluster.client.modern_request(&url, &call);
        let request = match params["name"].as_str() {
            Some(_) => request,
            None => request.header("Mcp-Name", "7"),
        };
        let body = cluster.client.send(request).await.response().await;
        let told = body["error"]["code"].as_i64().is_some() || body["result"]["isError"] == true;
        assert!(told, "{params}: {body}");
    }
    cluster.assert_idle().await;
    let logs = [
        cluster.gateway_process(0).log(),
        cluster.worker_process(0).log(),
    ]
    .concat();
    let errors = |line: &&String| {
        let line: Value = serde_json::from_str(line).expect("log lines are JSON");
        line["level"] == "ERROR"
    };
    assert_eq!(logs.iter().filter(errors).count(), 0, "{logs:?}");
}
