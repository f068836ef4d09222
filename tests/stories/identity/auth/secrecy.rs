//! Tokens stay at the gateway: no log has one, and neither Redis nor a worker sees one.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use prynai_dev_issuer::{Issuer, SignWith};
use prynai_test_harness::client::{BOTH, MODERN, RawClient, legacy, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use serde_json::json;

use super::{Guarded, assert_refused, trusting, whoami};

/// Every command that a Redis runs from now on.
pub(in crate::identity) async fn overheard(redis: &RedisServer) -> Arc<Mutex<String>> {
    let client = redis::Client::open(redis.url()).expect("is a URL");
    let mut monitor = client.get_async_monitor().await.expect("connects");
    let heard = Arc::new(Mutex::new(String::new()));
    let all = heard.clone();
    tokio::spawn(async move {
        let mut commands = monitor.on_message::<String>();
        while let Some(command) = commands.next().await {
            all.lock().expect("is never poisoned").push_str(&command);
        }
    });
    heard
}

/// Sends a request over HTTP/2, whose headers go another way through the libraries; gives the status.
pub(in crate::identity) async fn over_http2(request: Request<Full<Bytes>>) -> u16 {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    let response = client.request(request).await.expect("is answered");
    let status = response.status().as_u16();
    response.into_body().collect().await.expect("has a body");
    status
}

/// A call over HTTP/2; gives the status.
async fn call_over_http2(url: &str, query: &str, credentials: &str) -> u16 {
    let body = modern(1, "tools/call", tool("whoami", json!({})));
    let request = Request::post(format!("{url}{query}"))
        .header("Content-Type", "application/json")
        .header("Accept", BOTH)
        .header("MCP-Protocol-Version", MODERN)
        .header("Mcp-Method", "tools/call")
        .header("Mcp-Name", "whoami")
        .header("Authorization", credentials)
        .body(Full::from(body.to_string()));
    over_http2(request.expect("is a request")).await
}

#[tokio::test]
async fn tokens_are_in_no_log_and_never_leave_the_gateway() {
    let issuer = Issuer::start().await;
    let fleet = Cluster::new()
        .env("RUST_LOG", "trace,rmcp=trace")
        .gateway_args(&trusting(&issuer));
    let fleet = fleet.start().await;
    let url = fleet.gateway(0);
    let mut guarded = Guarded { issuer, fleet, url };
    let heard = overheard(&guarded.fleet.redis).await;
    let issuer = &guarded.issuer;
    let good = issuer.token().jwt();
    let bad = issuer.token().sign_with(SignWith::Foreign).jwt();
    let client = &guarded.fleet.client;
    let url = guarded.url.clone();

    assert_eq!(guarded.call_with(&good).await.status(), 200);
    assert_eq!(
        call_over_http2(&url, "", &format!("Bearer {good}")).await,
        200
    );
    let alice = RawClient::bearing(&good);
    let session = alice.open_session(&url).await;
    let call = legacy(1, "tools/call", tool("whoami", json!({})));
    assert_eq!(alice.legacy(&url, &session, &call).await.status(), 200);
    assert_refused(guarded.call_with(&bad).await, 401, Some("invalid_token")).await;
    assert_eq!(
        call_over_http2(&url, "", &format!("Bearer {bad}")).await,
        401
    );
    let in_url = format!("?access_token={good}");
    assert_eq!(
        call_over_http2(&url, &in_url, &format!("Bearer {good}")).await,
        401
    );
    let in_url = whoami(client, &format!("{url}?access_token={good}"));
    assert_refused(client.send(in_url).await, 401, Some("invalid_request")).await;
    let basic = guarded.call().basic_auth("alice", Some("the-password"));
    assert_refused(client.send(basic).await, 401, None).await;
    let cookie = guarded.call().header("Cookie", format!("session={good}"));
    assert_refused(client.send(cookie).await, 401, None).await;

    let secrets: Vec<String> = [&good, &bad]
        .iter()
        .flat_map(|token| token.split('.'))
        .map(str::to_owned)
        .chain(["dGhlLXBhc3N3b3Jk".to_owned(), "the-password".to_owned()])
        .collect();
    assert_untold(&mut guarded.fleet, &heard, "whoami", &secrets).await;
}

/// No process and no command of Redis has one of these. `ours`: what Redis has heard of once it has heard all.
pub(in crate::identity) async fn assert_untold(
    fleet: &mut Cluster,
    heard: &Mutex<String>,
    ours: &str,
    secrets: &[String],
) {
    let heard_of_us = || heard.lock().expect("is never poisoned").contains(ours);
    assert_eventually!(heard_of_us(), "Redis was not overheard");
    let heard = heard.lock().expect("is never poisoned").clone();
    let mut said = vec![("Redis".to_owned(), heard)];
    for process in fleet.processes() {
        let log = process.log().join("\n");
        assert!(log.contains("TRACE"), "nothing is traced");
        said.push((format!("process {}", process.pid()), log));
    }
    for (who, text) in &said {
        for secret in secrets {
            if let Some(at) = text.find(secret.as_str()) {
                let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
                panic!("{who} has {secret}: {}", &text[from..at]);
            }
        }
    }
}
