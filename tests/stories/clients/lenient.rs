//! What clients write that is not quite as it should be, and that hurts nobody: it is served.

use prynai_test_harness::client::{
    LEGACY, MODERN, RawClient, Session, legacy, long_running, modern, tool,
};
use prynai_test_harness::cluster::Cluster;
use reqwest::RequestBuilder;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};

/// A POST that takes nothing but JSON, with the headers of its era.
fn json_only(
    client: &RawClient,
    url: &str,
    session: Option<&Session>,
    body: &str,
) -> RequestBuilder {
    let request = client
        .request("POST", url)
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        .body(body.to_owned());
    match session {
        Some(session) => request
            .header("MCP-Protocol-Version", LEGACY)
            .header("Mcp-Session-Id", &session.id),
        None => request,
    }
}

fn modern_json_only(client: &RawClient, url: &str, message: &Value) -> RequestBuilder {
    let request = json_only(client, url, None, &message.to_string())
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", message["method"].as_str().expect("is text"));
    match message["params"]["name"].as_str() {
        Some(name) => request.header("Mcp-Name", name),
        None => request,
    }
}

/// A call that takes long enough to become an event stream, with progress on the way.
fn slow() -> Value {
    long_running(4, 60)
}

#[tokio::test]
async fn who_takes_json_alone_is_answered_with_json() {
    let fleet = Cluster::new().start().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    let hello = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
    let hello = legacy(0, "initialize", hello).to_string();
    let opened = client.send(json_only(client, &url, None, &hello)).await;
    assert_eq!(opened.status(), 200);
    let session = client.open_session(&url).await;
    for (id, method, params) in [
        (1, "ping", json!({})),
        (2, "tools/list", json!({})),
        (3, "tools/call", tool("echo", json!({ "text": "x" }))),
        (4, "tools/call", slow()),
    ] {
        let body = legacy(id, method, params).to_string();
        let reply = client
            .send(json_only(client, &url, Some(&session), &body))
            .await;
        assert_eq!(reply.status(), 200, "{method}");
        assert_eq!(
            reply.headers()["content-type"],
            "application/json",
            "{method}"
        );
        let answer = reply.json().await;
        assert!(
            answer["result"].is_object() && answer["id"] == id,
            "{answer}"
        );
    }
    for call in [tool("echo", json!({ "text": "x" })), slow()] {
        let call = modern(5, "tools/call", call);
        let reply = client.send(modern_json_only(client, &url, &call)).await;
        assert_eq!(reply.status(), 200);
        assert_eq!(reply.headers()["content-type"], "application/json");
        let answer = reply.json().await;
        assert!(
            answer["result"].is_object() && answer["id"] == 5,
            "{answer}"
        );
    }
    // What has no end is no JSON body; nor is a question.
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(6, "subscriptions/listen", listen);
    let refused = client.send(modern_json_only(client, &url, &listen)).await;
    assert_eq!(refused.status(), 406);
    assert_eq!(refused.json().await["id"], 6);
    let asking = legacy(7, "tools/call", tool("summarize", json!({ "text": "x" }))).to_string();
    let refused = client
        .send(json_only(client, &url, Some(&session), &asking))
        .await;
    assert_eq!(refused.status(), 406);
    let refused = refused.json().await;
    assert_eq!(refused["id"], 7);
    let reason = refused["error"]["message"].as_str().expect("is text");
    assert!(reason.contains("text/event-stream"), "{reason}");
    fleet.assert_idle().await;
}

#[tokio::test]
async fn a_slash_at_the_end_is_the_same_endpoint() {
    let fleet = Cluster::new().start().await;
    let (client, url) = (&fleet.client, format!("{}/", fleet.gateway(0)));
    let session = client.open_session(&url).await;
    let call = tool("echo", json!({ "text": "x" }));
    let reply = client
        .legacy(&url, &session, &legacy(1, "tools/call", call.clone()))
        .await;
    assert_eq!(reply.response().await["result"]["isError"], false);
    let reply = client.modern(&url, &modern(2, "tools/call", call)).await;
    assert_eq!(reply.response().await["result"]["isError"], false);
    assert_eq!(client.stream(&url, &session, None).await.status(), 200);
    assert_eq!(client.end_session(&url, &session).await, 204);
    let other = client.request("POST", &format!("{url}x"));
    assert_eq!(client.send(other).await.status(), 404);
}

#[tokio::test]
async fn what_stands_for_something_absent_is_absent_in_both_eras() {
    const VERSION: &str = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    let fleet = Cluster::new().start().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    for capabilities in [
        "[]",
        "null",
        "{\"roots\":[],\"sampling\":null}",
        r#"{"elicitation":{"form":[]}}"#,
    ] {
        let hello = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{LEGACY}","capabilities":{capabilities},"clientInfo":{{"name":"x","version":"1"}}}}}}"#
        );
        let reply = client.send(client.post(&url, hello)).await;
        assert_eq!(reply.status(), 200, "{capabilities}");
    }
    let session = client.open_session(&url).await;
    let post = |body: String| {
        let request = client
            .post(&url, body)
            .header("Mcp-Session-Id", &session.id);
        request.header("MCP-Protocol-Version", LEGACY)
    };
    for (method, params) in [
        ("ping", "null"),
        ("ping", "[]"),
        ("tools/list", "null"),
        ("tools/list", "[]"),
        ("tools/list", r#"{"cursor":null,"_meta":[]}"#),
        ("prompts/list", r#"{"_meta":null}"#),
        ("tools/call", r#"{"name":"whoami","arguments":[]}"#),
        (
            "tools/call",
            r#"{"name":"whoami","arguments":null,"_meta":{"progressToken":null}}"#,
        ),
    ] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let reply = client.send(post(body)).await;
        assert_eq!(reply.status(), 200, "{method} {params}");
        let answer = reply.response().await;
        assert!(answer["result"].is_object(), "{method} {params}: {answer}");
    }
    for params in ["null", "[]"] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/initialized","params":{params}}}"#
        );
        assert_eq!(client.send(post(body)).await.status(), 202, "{params}");
    }
    for (method, name, params, capabilities) in [
        ("tools/list", None, "", "[]"),
        ("tools/list", None, r#""cursor":null,"#, "{\"roots\":[]}"),
        (
            "tools/call",
            Some("whoami"),
            r#""name":"whoami","arguments":[],"#,
            "{}",
        ),
        (
            "tools/call",
            Some("whoami"),
            r#""name":"whoami","inputResponses":[],"#,
            "{\"sampling\":null}",
        ),
        (
            "tools/call",
            Some("summarize"),
            r#""name":"summarize","arguments":{"text":"x"},"#,
            "{\"sampling\":[]}",
        ),
    ] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}"_meta":{{{VERSION},"progressToken":null,"{CAPABILITIES}":{capabilities}}}}}}}"#
        );
        let request = client.post(&url, body);
        let mut request = request
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Method", method);
        if let Some(name) = name {
            request = request.header("Mcp-Name", name);
        }
        let reply = client.send(request).await;
        let status = reply.status();
        let answer = reply.response().await;
        assert!(
            status == 200 && answer["result"].is_object(),
            "{params} {capabilities}: {answer}"
        );
        // A capability that is an empty list is one, and its question is put.
        let asks = name == Some("summarize");
        assert_eq!(
            answer["result"]["resultType"] == "input_required",
            asks,
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_refusal_names_the_request_whose_id_could_be_read() {
    let fleet = Cluster::new().start().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    for (body, id) in [
        (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, json!("a")),
        (r#"{"jsonrpc":"2.0","id":7,"method":7}"#, json!(7)),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":"x"}"#,
            json!(7),
        ),
        (
            r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#,
            json!(7),
        ),
        (r#"{"jsonrpc":"2.0","id":[7],"method":"ping"}"#, Value::Null),
        (r#"{"jsonrpc":"2.0","id":7,"method":"#, Value::Null),
    ] {
        let reply = client.send(client.post(&url, body)).await;
        assert_eq!(reply.status(), 400, "{body}");
        let answer = reply.json().await;
        assert_eq!(answer["id"], id, "{body}: {answer}");
    }
}

#[tokio::test]
async fn initialize_is_negotiated_by_its_body() {
    let fleet = Cluster::new().start().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    for header in [
        "1999-01-01",
        "2024-11-05",
        "DRAFT-2026-v1",
        "2027-01-01",
        "9999-99-99",
        "latest",
    ] {
        for asked in [LEGACY, "2027-01-01"] {
            let hello = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
            let body = legacy(0, "initialize", hello).to_string();
            let request = client
                .post(&url, body)
                .header("MCP-Protocol-Version", header);
            let reply = client.send(request).await;
            assert_eq!(reply.status(), 200, "{header}");
            let version = &reply.json().await["result"]["protocolVersion"];
            assert_eq!(version, LEGACY, "{header} {asked}");
        }
    }
}

#[tokio::test]
async fn a_body_in_another_form_is_refused_with_what_to_send() {
    let fleet = Cluster::new().start().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    for (media, coding, reason) in [
        ("application/json", Some("gzip"), "Content-Encoding"),
        ("application/json", Some("br"), "Content-Encoding"),
        ("application/json; charset=latin1", None, "UTF-8"),
        ("application/json; charset=utf-16", None, "UTF-8"),
        ("text/plain", None, "Content-Type"),
    ] {
        let request = client.request("POST", &url).header(CONTENT_TYPE, media);
        let request = match coding {
            Some(coding) => request.header("Content-Encoding", coding),
            None => request,
        };
        let reply = client.send(request.body("{}")).await;
        assert_eq!(reply.status(), 415, "{media} {coding:?}");
        let message = reply.json().await["error"]["message"].clone();
        assert!(
            message.as_str().is_some_and(|text| text.contains(reason)),
            "{message}"
        );
    }
    let hello = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } });
    let request = client
        .request("POST", &url)
        .header(CONTENT_TYPE, "application/json; charset=\"UTF-8\"")
        .header("Content-Encoding", "identity")
        .body(legacy(0, "initialize", hello).to_string());
    assert_eq!(client.send(request).await.status(), 200);
}
