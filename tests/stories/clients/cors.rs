//! Web pages of other origins: those that are allowed may do everything and read every answer, others nothing.

use prynai_test_harness::client::{BOTH, LEGACY, Reply, legacy, long_running, modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;

/// Named to the gateways; another one is not.
const PAGE: &str = "https://app.example.com";
const OTHER: &str = "https://other.example.com";

/// What a page must be able to send in each era, as a browser asks for it.
const LEGACY_HEADERS: &str =
    "accept,authorization,content-type,last-event-id,mcp-protocol-version,mcp-session-id";
const MODERN_HEADERS: &str = "authorization,baggage,content-type,mcp-method,mcp-name,mcp-param-dry-run,\
     mcp-param-region,mcp-protocol-version,traceparent,tracestate";

fn plan() -> ClusterPlan {
    Cluster::new().gateway_args(&["--allowed-origin", PAGE])
}

/// A header's list of names, in lower case.
fn names(reply: &Reply, header: &str) -> Vec<String> {
    let value = reply.headers().get(header).map(|value| value.to_str());
    let value = value.expect("is there").expect("is text");
    value
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// Whatever the answer is, the page can read it.
fn assert_shared(reply: &Reply, origin: &str) {
    assert_eq!(reply.headers()["access-control-allow-origin"], origin);
    assert_eq!(names(reply, "vary"), ["origin"]);
    let exposed = names(reply, "access-control-expose-headers");
    for name in [
        "mcp-session-id",
        "mcp-protocol-version",
        "retry-after",
        "www-authenticate",
    ] {
        assert!(exposed.iter().any(|exposed| exposed == name), "{exposed:?}");
    }
}

fn assert_not_shared(reply: &Reply) {
    let told = reply.headers().keys();
    let told: Vec<_> = told
        .filter(|name| name.as_str().starts_with("access-control-"))
        .collect();
    assert!(told.is_empty(), "{told:?}");
}

fn asking(
    cluster: &Cluster,
    path: &str,
    origin: &str,
    method: &str,
    headers: &str,
) -> RequestBuilder {
    let url = format!("{}{path}", cluster.origin(0));
    let request = cluster.client.request("OPTIONS", &url);
    request
        .header("Origin", origin)
        .header("Access-Control-Request-Method", method)
        .header("Access-Control-Request-Headers", headers)
}

#[tokio::test]
async fn a_browser_that_asks_is_told_what_pages_of_allowed_origins_may_send() {
    // Without a worker or, soon, a Redis: nobody has to be asked for that.
    let mut cluster = plan().workers(0).start().await;
    cluster.redis.stop();
    for origin in [PAGE, "http://127.0.0.1:3000", "http://localhost"] {
        for path in ["/mcp", "/.well-known/oauth-protected-resource/mcp"] {
            for (method, wanted) in [
                ("POST", LEGACY_HEADERS),
                ("GET", LEGACY_HEADERS),
                ("DELETE", LEGACY_HEADERS),
                ("POST", MODERN_HEADERS),
            ] {
                let request = asking(&cluster, path, origin, method, wanted);
                let reply = cluster.client.send(request).await;
                assert_eq!(reply.status(), StatusCode::NO_CONTENT);
                assert_eq!(reply.headers()["access-control-allow-origin"], origin);
                assert_eq!(names(&reply, "vary"), ["origin"]);
                let methods = names(&reply, "access-control-allow-methods");
                let method = method.to_ascii_lowercase();
                assert!(methods.contains(&method), "{methods:?}");
                let allowed = names(&reply, "access-control-allow-headers");
                for name in wanted.split(',') {
                    assert!(allowed.iter().any(|a| a == name), "{name}: {allowed:?}");
                }
                assert!(reply.headers().contains_key("access-control-max-age"));
                assert_eq!(reply.text().await, "");
            }
        }
    }
    let request = asking(&cluster, "/mcp", PAGE, "POST", "x-other, mcp-param-");
    let reply = cluster.client.send(request).await;
    let allowed = names(&reply, "access-control-allow-headers");
    assert!(
        !allowed.iter().any(|a| a == "x-other" || a == "mcp-param-"),
        "{allowed:?}"
    );
    // Not a question of a browser, but a method that is not served.
    let plain = cluster.client.request("OPTIONS", &cluster.gateway(0));
    let reply = cluster.client.send(plain.header("Origin", PAGE)).await;
    assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_shared(&reply, PAGE);
    cluster.redis.restart().await;
}

#[tokio::test]
async fn a_page_can_read_every_answer_also_why_it_is_refused() {
    let cluster = plan().gateway_args(&["--caller-limit", "1"]).start().await;
    let (client, url) = (&cluster.client, &cluster.gateway(0));
    let from_page = |request: RequestBuilder| client.send(request.header("Origin", PAGE));

    let call = modern(1, "tools/call", tool("add", json!({ "a": 2, "b": 40 })));
    let reply = from_page(client.modern_request(url, &call)).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_shared(&reply, PAGE);

    let initialize = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "page", "version": "1" } });
    let initialize = legacy(0, "initialize", initialize).to_string();
    let reply = from_page(client.post(url, initialize)).await;
    assert_eq!(reply.status(), StatusCode::OK);
    assert_shared(&reply, PAGE);
    let session = reply.headers()["mcp-session-id"].clone();
    let in_session = |request: RequestBuilder| {
        let request = request.header("Mcp-Session-Id", session.clone());
        from_page(request.header("MCP-Protocol-Version", LEGACY))
    };
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let reply = in_session(client.post(url, initialized.to_string())).await;
    assert_eq!(reply.status(), StatusCode::ACCEPTED);
    assert_shared(&reply, PAGE);
    let stream = client
        .request("GET", url)
        .header("Accept", "text/event-stream");
    let stream = in_session(stream).await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_shared(&stream, PAGE);

    let slow = long_running(1_000, 100);
    let slow = modern(2, "tools/call", slow);
    let running = from_page(client.modern_request(url, &slow)).await;
    assert_shared(&running, PAGE);
    let mut events = running.events();
    events.expect("notifications/progress").await;
    let reply = from_page(client.modern_request(url, &call)).await;
    assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(reply.headers().contains_key("retry-after"));
    assert_shared(&reply, PAGE);
    drop(events);

    let nowhere = format!("{}/nowhere", cluster.origin(0));
    for (request, status) in [
        (client.post(url, "{"), 400),
        (client.request("GET", &nowhere), 404),
        (client.request("PUT", url), 405),
        (client.request("POST", url).body("{}"), 415),
    ] {
        let reply = from_page(request).await;
        assert_eq!(reply.status(), status);
        assert_shared(&reply, PAGE);
    }
    // An answer for nobody in particular says that it could be another one.
    let reply = client
        .modern(url, &modern(3, "server/discover", json!({})))
        .await;
    assert_eq!(names(&reply, "vary"), ["origin"]);
    assert_not_shared(&reply);
    // Probes are not for pages.
    let probe = client.request("GET", &format!("{}/readyz", cluster.origin(0)));
    assert_not_shared(&from_page(probe).await);
    drop(stream);
    in_session(client.request("DELETE", url)).await;
    cluster.assert_idle().await;
}

#[tokio::test]
async fn an_unavailable_fleet_is_told_to_pages_as_well() {
    // No request waits for a first worker.
    let cluster = plan().workers(0).gateway_args(&["--worker-grace", "1ms"]);
    let cluster = cluster.start().await;
    let discover = modern(1, "server/discover", json!({}));
    let request = cluster
        .client
        .modern_request(&cluster.gateway(0), &discover);
    let reply = cluster.client.send(request.header("Origin", PAGE)).await;
    assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(reply.headers().contains_key("retry-after"));
    assert_shared(&reply, PAGE);
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_and_told_nothing() {
    let cluster = plan().start().await;
    let (client, url) = (&cluster.client, &cluster.gateway(0));
    let bump = modern(1, "tools/call", tool("bump_counter", json!({})));
    for origin in [
        OTHER,
        "null",
        "https://app.example.com.evil",
        "https://app.example.com:8443",
    ] {
        let asked = asking(&cluster, "/mcp", origin, "POST", MODERN_HEADERS);
        // What a browser sends without asking.
        let simple = client
            .request("POST", url)
            .header("Content-Type", "text/plain");
        for request in [
            asked,
            simple.body(bump.to_string()).header("Origin", origin),
            client.modern_request(url, &bump).header("Origin", origin),
            client
                .request("GET", url)
                .header("Accept", BOTH)
                .header("Origin", origin),
        ] {
            let reply = client.send(request).await;
            assert_eq!(reply.status(), StatusCode::FORBIDDEN, "{origin}");
            assert_not_shared(&reply);
        }
    }
    // An allowed page under a name that is not ours, as after rebinding.
    let rebound = asking(&cluster, "/mcp", PAGE, "POST", MODERN_HEADERS);
    let reply = client
        .send(rebound.header("Host", "rebound.example.com"))
        .await;
    assert_eq!(reply.status(), StatusCode::FORBIDDEN);
    assert_not_shared(&reply);

    let request = client.modern_request(url, &bump).header("Origin", PAGE);
    let answer = client.send(request).await.response().await;
    let count = &answer["result"]["structuredContent"]["value"];
    assert_eq!(*count, 1, "a refused call was run: {answer}");
}
