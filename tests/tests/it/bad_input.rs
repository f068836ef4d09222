//! What is wrong with a request is said in status, code and words, and nothing is left running.

use prynai_tests::client::{BOTH, LEGACY, MODERN, RawClient, legacy, modern, tool};
use prynai_tests::cluster::Cluster;
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

struct Case {
    what: &'static str,
    request: RequestBuilder,
    status: u16,
    code: i64,
}

fn case(what: &'static str, request: RequestBuilder, status: u16, code: i64) -> Case {
    Case {
        what,
        request,
        status,
        code,
    }
}

async fn check(client: &RawClient, cases: Vec<Case>) {
    for Case {
        what,
        request,
        status,
        code,
    } in cases
    {
        let reply = client.send(request).await;
        assert_eq!(reply.status().as_u16(), status, "{what}");
        let body = reply.json().await;
        assert_eq!(body["jsonrpc"], "2.0", "{what}: {body}");
        assert_eq!(body["error"]["code"], code, "{what}: {body}");
        let message = body["error"]["message"].as_str().expect("a message");
        assert!(message.len() > 10, "{what}: {message}");
    }
}

fn ping() -> String {
    legacy(1, "ping", json!({})).to_string()
}

#[tokio::test]
async fn what_is_no_message_over_http_is_refused() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let typed = |media: &str| {
        let request = client
            .request("POST", &url)
            .header("Accept", BOTH)
            .body(ping());
        request.header("Content-Type", media)
    };
    let accepting = |media: &str| {
        let request = client
            .request("POST", &url)
            .header("Accept", media)
            .body(ping());
        request.header("Content-Type", "application/json")
    };
    let large = format!("{}{}", ping(), " ".repeat(4 * 1024 * 1024));
    check(
        client,
        vec![
            case(
                "malformed JSON",
                client.post(&url, "{\"jsonrpc\":"),
                400,
                -32700,
            ),
            case("no JSON", client.post(&url, "hello"), 400, -32700),
            case("empty", client.post(&url, ""), 400, -32700),
            case(
                "not UTF-8",
                client.post(&url, &b"{\"jsonrpc\":\"2.0\",\"method\":\"\xff\"}"[..]),
                400,
                -32700,
            ),
            case("a number", client.post(&url, "42"), 400, -32600),
            case(
                "no version",
                client.post(&url, "{\"id\":1,\"method\":\"ping\"}"),
                400,
                -32600,
            ),
            case(
                "null id",
                client.post(&url, ping().replace(":1,", ":null,")),
                400,
                -32600,
            ),
            case(
                "params list",
                client.post(&url, ping().replace("{}", "[]")),
                400,
                -32600,
            ),
            case("Content-Type", typed("text/plain"), 415, -32600),
            case(
                "Accept JSON only",
                accepting("application/json"),
                406,
                -32600,
            ),
            case("Accept HTML", accepting("text/html"), 406, -32600),
            case("too large", client.post(&url, large), 413, -32600),
            case("PUT", client.request("PUT", &url), 405, -32600),
            case("missing session", client.post(&url, ping()), 400, -32600),
            case(
                "missing session of GET",
                client
                    .request("GET", &url)
                    .header("Accept", "text/event-stream"),
                400,
                -32600,
            ),
            case(
                "unknown session",
                client
                    .post(&url, ping())
                    .header("Mcp-Session-Id", "f".repeat(32)),
                404,
                -32600,
            ),
            case(
                "forged session",
                client.post(&url, ping()).header("Mcp-Session-Id", "../x"),
                404,
                -32600,
            ),
            case(
                "unsupported version",
                client
                    .post(&url, ping())
                    .header("MCP-Protocol-Version", "1999-01-01"),
                400,
                -32022,
            ),
            case(
                "initialize without params",
                client.post(&url, legacy(1, "initialize", json!({})).to_string()),
                400,
                -32602,
            ),
            case(
                "Origin",
                client
                    .post(&url, ping())
                    .header("Origin", "http://evil.example.com"),
                403,
                -32600,
            ),
            case(
                "Host",
                client.post(&url, ping()).header("Host", "evil.example.com"),
                403,
                -32600,
            ),
        ],
    )
    .await;
    cluster.assert_idle().await;
}

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
async fn modern_metadata_must_be_there_and_agree_with_the_headers() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let call = modern(7, "tools/call", tool("echo", json!({ "text": "x" })));
    let without = |key: &str| {
        let mut call = call.clone();
        let meta = call["params"]["_meta"].as_object_mut().expect("an object");
        meta.remove(&format!("io.modelcontextprotocol/{key}"));
        client.modern_request(&url, &call)
    };
    let mut bare = call.clone();
    bare["params"]
        .as_object_mut()
        .expect("an object")
        .remove("_meta");
    let sent = |version: &str, method: &str, name: &str| {
        client
            .post(&url, call.to_string())
            .header("MCP-Protocol-Version", version)
            .header("Mcp-Method", method)
            .header("Mcp-Name", name)
    };
    let unnamed = client
        .post(&url, call.to_string())
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", "tools/call");
    let removed = |method: &str| client.modern_request(&url, &modern(7, method, json!({})));
    check(
        client,
        vec![
            case("no _meta", client.modern_request(&url, &bare), 400, -32602),
            case(
                "no version in _meta",
                without("protocolVersion"),
                400,
                -32602,
            ),
            case(
                "no capabilities in _meta",
                without("clientCapabilities"),
                400,
                -32602,
            ),
            case(
                "no headers",
                client.post(&url, call.to_string()),
                400,
                -32020,
            ),
            case(
                "another version",
                sent(LEGACY, "tools/call", "echo"),
                400,
                -32020,
            ),
            case(
                "another method",
                sent(MODERN, "tools/list", "echo"),
                400,
                -32020,
            ),
            case(
                "another case",
                sent(MODERN, "Tools/Call", "echo"),
                400,
                -32020,
            ),
            case(
                "another name",
                sent(MODERN, "tools/call", "add"),
                400,
                -32020,
            ),
            case("no name", unnamed, 400, -32020),
            case("initialize", removed("initialize"), 404, -32601),
            case("ping", removed("ping"), 404, -32601),
            case("logging/setLevel", removed("logging/setLevel"), 404, -32601),
            case(
                "resources/subscribe",
                removed("resources/subscribe"),
                404,
                -32601,
            ),
            case(
                "GET",
                client
                    .request("GET", &url)
                    .header("MCP-Protocol-Version", MODERN),
                405,
                -32600,
            ),
            case(
                "DELETE",
                client
                    .request("DELETE", &url)
                    .header("MCP-Protocol-Version", MODERN),
                405,
                -32600,
            ),
        ],
    )
    .await;
    let padded = client
        .post(&url, call.to_string())
        .header("mcp-protocol-version", MODERN)
        .header("MCP-METHOD", "tools/call")
        .header("mcp-name", "=?base64?ZWNobw==?=");
    let answer = client.send(padded).await.json().await;
    assert_eq!(answer["result"]["content"][0]["text"], "x", "{answer}");
    cluster.assert_idle().await;
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
