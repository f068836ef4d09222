//! A call travels: client, gateway, Redis, worker and back, in both eras.

use prynai_test_harness::client::{self, legacy, modern, tool};
use prynai_test_harness::cluster::Cluster;
use reqwest::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_call_is_answered_in_both_eras_whichever_gateway_is_asked() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let url = cluster.proxy();
    let session = client.open_session(&url).await;
    for n in 0..20 {
        let call = tool("echo", json!({ "text": format!("text {n}") }));
        for reply in [
            client
                .modern(&url, &modern(n, "tools/call", call.clone()))
                .await,
            client
                .legacy(&url, &session, &legacy(n, "tools/call", call.clone()))
                .await,
        ] {
            assert_eq!(reply.status(), StatusCode::OK);
            let response = reply.response().await;
            assert_eq!(response["id"], n);
            assert_eq!(
                response["result"]["content"][0]["text"],
                format!("text {n}")
            );
        }
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn structured_output_comes_with_its_schema() {
    let cluster = Cluster::new().start().await;
    let url = cluster.gateway(0);
    let list = modern(1, "tools/list", json!({}));
    let listed = cluster.client.modern(&url, &list).await.response().await;
    let tools = listed["result"]["tools"].as_array().expect("tools");
    let add = tools
        .iter()
        .find(|tool| tool["name"] == "add")
        .expect("add");
    assert_eq!(add["outputSchema"]["properties"]["sum"]["type"], "number");
    let call = modern(2, "tools/call", tool("add", json!({ "a": 2, "b": 40 })));
    let answer = cluster.client.modern(&url, &call).await.response().await;
    assert_eq!(
        answer["result"]["structuredContent"]["sum"].as_f64(),
        Some(42.0)
    );
}

#[tokio::test]
async fn ids_come_back_as_they_were_sent() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let session = client.open_session(&url).await;
    for id in ["0", "-7", "9007199254740993", r#""1""#, r#""é \" ☃""#] {
        let call = tool("echo", json!({ "text": "x" }));
        let body = modern(0, "tools/call", call.clone());
        let body = body
            .to_string()
            .replace(r#""id":0"#, &format!(r#""id":{id}"#));
        let head = modern(0, "tools/call", call.clone());
        let request = client.modern_request(&url, &head).body(body);
        let answer = client.send(request).await.text().await;
        assert!(answer.contains(&format!(r#""id":{id},"#)), "{answer}");

        let body = legacy(0, "tools/call", call).to_string();
        let body = body.replace(r#""id":0"#, &format!(r#""id":{id}"#));
        let request = client
            .post(&url, body)
            .header("Mcp-Session-Id", &session.id);
        let answer = client.send(request).await.text().await;
        assert!(answer.contains(&format!(r#""id":{id},"#)), "{answer}");
    }
}

#[tokio::test]
async fn progress_comes_before_the_result_and_in_order() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let url = cluster.proxy();
    let session = client.open_session(&url).await;
    let mut call = tool("long_running", json!({ "steps": 4, "delay_ms": 20 }));
    call["_meta"]["progressToken"] = json!("token-1");
    let mut modern_call = call.clone();
    modern_call["_meta"]["io.modelcontextprotocol/logLevel"] = json!("info");
    for reply in [
        client
            .modern(&url, &modern(5, "tools/call", modern_call))
            .await,
        client
            .legacy(&url, &session, &legacy(5, "tools/call", call.clone()))
            .await,
    ] {
        assert!(reply.is_event_stream());
        assert_eq!(reply.headers()["x-accel-buffering"], "no");
        let messages = reply.messages().await;
        let of = |method: &str| {
            messages
                .iter()
                .filter(|m| m["method"] == method)
                .collect::<Vec<_>>()
        };
        let progress = of("notifications/progress");
        let steps: Vec<_> = progress
            .iter()
            .map(|m| m["params"]["progress"].as_f64())
            .collect();
        assert_eq!(steps, [1.0, 2.0, 3.0, 4.0].map(Some));
        assert!(
            progress
                .iter()
                .all(|m| m["params"]["progressToken"] == "token-1")
        );
        assert_eq!(of("notifications/message").len(), 4);
        let last = messages.last().expect("a response");
        assert_eq!(last["id"], 5);
        assert!(last["result"].is_object(), "{last}");
    }
    // Without a log level a modern request gets no log (2026-07-28, Logging).
    let silent = client
        .modern(&url, &modern(6, "tools/call", call))
        .await
        .messages()
        .await;
    assert!(
        silent
            .iter()
            .all(|m| m["method"] != "notifications/message")
    );
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_slow_legacy_call_begins_with_a_priming_event() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let call = tool("long_running", json!({ "steps": 1, "delay_ms": 300 }));
    let call = legacy(1, "tools/call", call);
    let session = client.open_session(&url).await;
    let mut events = client.legacy(&url, &session, &call).await.events();
    let first = events.frame().await.expect("a frame");
    assert!(first.id.is_some() && first.retry.is_some(), "{first:?}");
    assert_eq!(first.data.as_deref(), Some(""));
    // Clients of earlier revisions take an empty event for a broken message.
    let can = json!({});
    let session = client.open_session_with(&url, "2025-06-18", can).await;
    let mut events = client.legacy(&url, &session, &call).await.events();
    let first = events.frame().await.expect("a frame");
    assert!(first.comment && first.data.is_none(), "{first:?}");
}

#[tokio::test]
async fn a_tool_that_fails_and_one_that_does_not_exist_are_answered() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let unknown = modern(1, "tools/call", tool("no_such_tool", json!({})));
    let answer = client.modern(&url, &unknown).await.response().await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let reply = client
        .modern(&url, &modern(2, "no/such/method", json!({})))
        .await;
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
    assert_eq!(reply.json().await["error"]["code"], -32601);
    let missing = modern(
        3,
        "resources/read",
        json!({ "uri": "everything://nothing" }),
    );
    let answer = client.modern(&url, &missing).await.response().await;
    assert_eq!(
        answer["error"]["data"]["uri"], "everything://nothing",
        "{answer}"
    );
    cluster.assert_idle().await;
}

#[tokio::test]
async fn discovery_names_the_server_and_every_revision() {
    let cluster = Cluster::new().start().await;
    let url = cluster.gateway(0);
    let discover = modern("d", "server/discover", json!({}));
    let answer = cluster
        .client
        .modern(&url, &discover)
        .await
        .response()
        .await;
    let result = &answer["result"];
    assert_eq!(result["resultType"], "complete");
    assert_eq!(
        result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
        "prynai-everything"
    );
    assert_eq!(
        result["supportedVersions"],
        json!([client::MODERN, client::LEGACY, "2025-06-18", "2025-03-26"])
    );
    assert_eq!(result["capabilities"]["resources"]["subscribe"], true);
}
