//! Probes tell whether a process does its work, and whoever may know why not.

use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::client::{RawClient, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use serde_json::{Value, json};

use super::GUARDED;

/// The status and the body of a probe.
async fn probe(client: &RawClient, url: &str) -> (u16, Value) {
    let reply = client.send(client.request("GET", url)).await;
    let status = reply.status().as_u16();
    (status, reply.json().await)
}

#[tokio::test]
async fn a_gateway_is_not_ready_when_work_waits_and_no_worker_has_come_for_too_long() {
    let mut fleet = Cluster::new()
        .gateway_args(&["--worker-grace", "1s"])
        .start()
        .await;
    let ready = format!("{}/readyz", fleet.origin(0));
    let (status, body) = probe(&fleet.client, &ready).await;
    assert_eq!((status, &body["workerSeenSecondsAgo"]), (200, &json!(0)));
    fleet.worker_process(0).signal("-TERM");
    fleet.worker_process(0).ended().await;
    // Scaled to zero, for longer than the grace.
    let client = &fleet.client;
    let seen = async || {
        let (status, body) = probe(client, &ready).await;
        assert_eq!(status, 200, "{body}");
        body["workerSeenSecondsAgo"].as_u64()
    };
    assert_eventually!(seen().await.is_none_or(|seconds| seconds > 1));
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    let waiting = {
        let (client, url) = (client.clone(), fleet.gateway(0));
        tokio::spawn(async move { client.modern(&url, &call).await.response().await })
    };
    let is_missed = async || {
        let (status, body) = probe(client, &ready).await;
        let reason = body["reason"].as_str().unwrap_or_default();
        status == 503 && reason.contains("no worker") && reason.contains("1 requests wait")
    };
    assert_eventually!(is_missed().await);
    fleet.replace_worker(0).await;
    let answer = waiting.await.expect("is answered");
    assert_eq!(answer["result"]["content"][0]["text"], "x");
    assert_eventually!(probe(&fleet.client, &ready).await.0 == 200);
}

#[tokio::test]
async fn a_gateway_that_can_let_nobody_in_is_not_ready() {
    let fleet = Cluster::new()
        .workers(0)
        .gateway_args(&GUARDED)
        .start()
        .await;
    let (status, body) = probe(&fleet.client, &format!("{}/readyz", fleet.origin(0))).await;
    let reason = body["reason"].as_str().unwrap_or_default();
    assert_eq!(status, 503);
    assert!(reason.contains("issuer"), "{reason}");
}

#[tokio::test]
async fn a_worker_tells_whether_it_takes_requests_and_why_not_only_to_those_who_have_the_token() {
    let token = "the token of this test, long enough";
    let mut fleet = Cluster::new()
        .worker_args(&["--admin-listen", "127.0.0.1:0"])
        .worker_env(&[("PRYNAI_ADMIN_TOKEN".to_owned(), token.to_owned())])
        .start()
        .await;
    let metrics = fleet.worker_process(0).metrics_url().await;
    let url = |name| metrics.replace("metrics", name);
    let (client, trusted) = (fleet.client.clone(), RawClient::bearing(token));
    let ok = (200, json!({ "status": "ok" }));
    assert_eventually!(probe(&client, &url("readyz")).await == ok);
    assert_eq!(probe(&client, &url("livez")).await, ok);
    fleet.redis.stop();
    assert_eventually!(probe(&client, &url("readyz")).await.0 == 503);
    let (_, told) = probe(&client, &url("readyz")).await;
    assert_eq!(told, json!({ "status": "unready" }));
    let (_, told) = probe(&trusted, &url("readyz")).await;
    assert!(
        told["reason"].as_str().is_some_and(|why| !why.is_empty()),
        "{told}"
    );
    assert_eq!(probe(&client, &url("livez")).await, ok);
    fleet.redis.restart().await;
    assert_eventually!(probe(&client, &url("readyz")).await == ok);
}

#[tokio::test]
async fn a_worker_that_waits_for_redis_says_so() {
    let mut worker = Process::start(
        "prynai-worker",
        &[
            "--redis-url",
            "redis://127.0.0.1:9",
            "--admin-listen",
            "127.0.0.1:0",
        ],
    )
    .await;
    let ready = worker.metrics_url().await.replace("metrics", "readyz");
    let client = RawClient::new();
    let waits = async || {
        let (status, body) = probe(&client, &ready).await;
        let reason = body["reason"].as_str().unwrap_or_default();
        status == 503 && reason.starts_with("waiting for Redis: ")
    };
    assert_eventually!(waits().await);
}

/// Runs `PROGRAM … health`, and gives its exit code and what it said on standard output and standard error.
async fn health(program: &str, args: &[&str]) -> (Option<i32>, String) {
    let args: Vec<&str> = args.iter().copied().chain(["health"]).collect();
    let ended = Process::run(program, &args).await;
    (ended.status.code(), ended.output)
}

#[tokio::test]
async fn a_gateway_is_asked_for_its_health_by_its_own_program_over_http_and_https() {
    let (certificates, _) = Certificates::mounted();
    let tls = certificates.args();
    for tls in [&[][..], &tls] {
        let mut plan = Cluster::new();
        if !tls.is_empty() {
            plan = plan.tls(&certificates);
        }
        let mut fleet = plan.start().await;
        let address = fleet.address(0).to_string();
        let mut args = vec!["--listen", &address];
        args.extend(tls.iter().map(String::as_str));
        assert_eventually!(
            health("prynai-gateway", &args).await == (Some(0), "ready\n".to_owned())
        );
        // As a container has it: the same settings as variables.
        let env = [("PRYNAI_LISTEN", &*address)].into_iter().chain(
            ["PRYNAI_TLS_CERT", "PRYNAI_TLS_KEY"]
                .into_iter()
                .zip(tls.iter().skip(1).step_by(2).map(String::as_str)),
        );
        let env: Vec<_> = env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let ended = Process::run_with("prynai-gateway", &["health"], &env).await;
        assert!(ended.status.success(), "{}", ended.output);
        fleet.redis.stop();
        let is_unready = async || {
            let (code, said) = health("prynai-gateway", &args).await;
            code == Some(1) && said.starts_with("Error: not ready: ") && said.trim_end().len() > 20
        };
        assert_eventually!(is_unready().await);
        fleet.gateway_process(0).kill().await;
        let (code, said) = health("prynai-gateway", &args).await;
        assert_eq!(code, Some(1));
        assert!(said.contains("nobody answers at"), "{said}");
    }
}

#[tokio::test]
async fn a_worker_is_asked_for_its_health_at_its_administration_listener() {
    let token = "the token of this test, long enough";
    let mut fleet = Cluster::new()
        .worker_args(&["--admin-listen", "127.0.0.1:0"])
        .worker_env(&[("PRYNAI_ADMIN_TOKEN".to_owned(), token.to_owned())])
        .start()
        .await;
    let metrics = fleet.worker_process(0).metrics_url().await;
    let address = metrics
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let args = ["--admin-listen", address];
    let trusted = ["--admin-listen", address, "--admin-token", token];
    assert_eventually!(health("prynai-worker", &args).await == (Some(0), "ready\n".to_owned()));
    fleet.redis.stop();
    assert_eventually!(health("prynai-worker", &args).await.0 == Some(1));
    let (_, said) = health("prynai-worker", &args).await;
    assert!(said.contains("to those who have --admin-token"), "{said}");
    let (_, said) = health("prynai-worker", &trusted).await;
    assert!(
        said.starts_with("Error: not ready: ") && !said.contains("--admin-token"),
        "{said}"
    );
    assert!(!said.contains(token), "{said}");
}

#[tokio::test]
async fn what_cannot_be_asked_says_so_instead_of_seeming_well() {
    for (program, args, reason) in [
        ("prynai-worker", &[][..], "--admin-listen"),
        (
            "prynai-worker",
            &["--admin-listen", "127.0.0.1:0"],
            "port 0",
        ),
        ("prynai-gateway", &["--listen", "127.0.0.1:0"], "port 0"),
        ("prynai-mcp", &["--listen", "127.0.0.1:0"], "port 0"),
    ] {
        let (code, said) = health(program, args).await;
        assert_eq!(code, Some(64), "{program} {args:?}: {said}");
        assert!(said.contains(reason), "{said}");
    }
    // Somebody takes connections and is silent, or is no program of ours.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let address = silent.local_addr().expect("is bound").to_string();
    let (code, said) = health("prynai-mcp", &["--listen", &address]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("did not answer within 2 s"), "{said}");
    let fleet = Cluster::new().start().await;
    let plain = fleet.address(0).to_string();
    let (certificates, _) = Certificates::mounted();
    let tls = certificates.args();
    let mut args = vec!["--listen", &*plain];
    args.extend(tls.iter().map(String::as_str));
    let (code, said) = health("prynai-mcp", &args).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("nobody answers at https://"), "{said}");
}

#[tokio::test]
async fn the_standalone_server_is_asked_for_its_health_too() {
    let mut server = Process::start(
        "prynai-mcp",
        &["--listen", "127.0.0.1:0", "--insecure-no-auth"],
    )
    .await;
    server.logged("ready").await;
    let address = server.address().await.to_string();
    let args = ["--listen", &*address];
    assert_eventually!(health("prynai-mcp", &args).await == (Some(0), "ready\n".to_owned()));
}
