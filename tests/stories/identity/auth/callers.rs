//! Callers that are let in, and what is known of them.

use prynai_dev_issuer::{API_URI, DAEMON, INTERACTIVE, Issuer, VS_CODE, Version};
use prynai_test_harness::client::{RawClient, legacy, long_running, modern_with, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use serde_json::{Value, json};

use super::{Guarded, assert_refused, trusting};

#[tokio::test]
async fn a_person_is_the_same_through_every_application_and_version_of_token() {
    let both = ["--auth-audience", API_URI, "--auth-token-version", "v1,v2"];
    let guarded = Guarded::start_with(&both).await;
    let issuer = &guarded.issuer;
    let alice = guarded.caller(&issuer.token().jwt()).await;
    assert_eq!(alice["kind"], "user", "{alice}");
    assert_eq!(alice["client"], INTERACTIVE);
    assert_eq!(alice["scopes"], json!(["mcp.call", "mcp.read"]));
    assert_eq!(alice["roles"], json!(["Mcp.Admin"]));
    let tenant = issuer.tenant();
    let subject = alice["subject"].as_str().expect("is text");
    assert!(
        subject.starts_with(&format!("entra:{tenant}:")),
        "{subject}"
    );
    for token in [
        issuer.token().client(VS_CODE),
        issuer.token().version(Version::V1),
        issuer.token().scopes(&["mcp.call"]).roles(&[]),
    ] {
        assert_eq!(guarded.caller(&token.jwt()).await["subject"], subject);
    }
    let bob = guarded.caller(&issuer.token().user("bob").jwt()).await;
    assert_ne!(bob["subject"], subject);
}

#[tokio::test]
async fn an_application_calls_by_itself_with_a_role() {
    let guarded = Guarded::start().await;
    let daemon = guarded.issuer.token().app_only();
    let caller = guarded.caller(&daemon.clone().jwt()).await;
    assert_eq!(caller["kind"], "app", "{caller}");
    assert_eq!(caller["client"], DAEMON);
    assert_eq!(caller["scopes"], json!([]));
    let reply = guarded.call_with(&daemon.roles(&["Mcp.Read"]).jwt()).await;
    let error = assert_refused(reply, 403, Some("insufficient_scope")).await;
    assert_eq!(error["data"]["scopes"], json!(["mcp.call"]), "{error}");
    assert_eq!(error["data"]["roles"], json!(["Mcp.Call"]), "{error}");
}

#[tokio::test]
async fn people_and_applications_can_be_kept_out() {
    let guarded =
        Guarded::start_with(&["--auth-callers", "users", "--auth-client", INTERACTIVE]).await;
    let issuer = &guarded.issuer;
    assert_eq!(guarded.call_with(&issuer.token().jwt()).await.status(), 200);
    let other = guarded
        .call_with(&issuer.token().client(VS_CODE).jwt())
        .await;
    assert_eq!(other.status(), 403);
    assert!(
        !other.headers().contains_key("www-authenticate"),
        "no other token would help"
    );
    let app = issuer
        .token()
        .app_only()
        .client(INTERACTIVE)
        .roles(&["Mcp.Call"]);
    let reply = guarded.call_with(&app.jwt()).await;
    assert_refused(reply, 403, Some("insufficient_scope")).await;
    assert_eq!(guarded.queued().await, 1);
}

#[tokio::test]
async fn a_session_belongs_to_its_caller_and_outlives_the_token() {
    let guarded = Guarded::start().await;
    let token = |name: &str| guarded.issuer.token().user(name);
    let alice = RawClient::bearing(&token("alice").jwt());
    let session = alice.open_session(&guarded.url).await;
    let call = legacy(1, "tools/call", tool("whoami", json!({})));
    let again = RawClient::bearing(&token("alice").client(VS_CODE).scopes(&["mcp.call"]).jwt());
    for client in [&alice, &again] {
        let answer = client
            .legacy(&guarded.url, &session, &call)
            .await
            .response()
            .await;
        assert_eq!(
            answer["result"]["structuredContent"]["kind"], "user",
            "{answer}"
        );
    }
    let bob = RawClient::bearing(&token("bob").jwt());
    let reply = bob.legacy(&guarded.url, &session, &call).await;
    assert_eq!(reply.status(), 404, "another's session is no session");
    let stranger = RawClient::new().legacy(&guarded.url, &session, &call).await;
    assert_refused(stranger, 401, None).await;
}

#[tokio::test]
async fn the_task_of_another_looks_like_none() {
    let issuer = Issuer::start().await;
    let fleet = Cluster::new().gateway_args(&trusting(&issuer));
    let fleet = fleet.worker_args(&["--task-after", "1s"]).start().await;
    let url = fleet.gateway(0);
    let [alice, bob] =
        ["alice", "bob"].map(|name| RawClient::bearing(&issuer.token().user(name).jwt()));
    let can = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
    let said = |method: &str, params: Value| modern_with(1, method, params, can.clone());
    let call = said("tools/call", long_running(50, 100));
    let called = alice.modern(&url, &call).await.response().await;
    let own = called["result"]["taskId"].clone();
    assert!(own.is_string(), "{called}");
    let get = said("tasks/get", json!({ "taskId": own }));
    let unknown = json!("0198c5f2a7b47c3e9d10b2f4c6e8a012");
    for (method, rest) in [
        ("tasks/get", json!({})),
        ("tasks/update", json!({ "inputResponses": { "a": {} } })),
        ("tasks/cancel", json!({})),
        ("tasks/get", json!({})),
    ] {
        let mut seen = Vec::new();
        for name in [&own, &unknown] {
            let mut params = rest.clone();
            params["taskId"] = name.clone();
            let reply = bob.modern(&url, &said(method, params)).await;
            seen.push((reply.status(), reply.text().await));
        }
        assert_eq!(seen[0], seen[1], "{method}");
        assert!(seen[0].1.contains("-32602"), "{method}: {seen:?}");
    }
    let listen =
        json!({ "notifications": { "taskIds": [own, unknown], "toolsListChanged": true } });
    let listen = said("subscriptions/listen", listen);
    let mut heard = bob.modern(&url, &listen).await.events();
    let acknowledged = heard
        .expect("notifications/subscriptions/acknowledged")
        .await;
    let agreed = &acknowledged["params"]["notifications"];
    assert_eq!(*agreed, json!({ "toolsListChanged": true }));

    // Nothing of that has touched it.
    let now = alice.modern(&url, &get).await.response().await;
    assert_eq!(now["result"]["status"], "working", "{now}");
    assert_eventually!({
        let now = alice.modern(&url, &get).await.response().await;
        now["result"]["status"] == "completed"
    });
}

#[tokio::test]
async fn several_tenants_call_the_same_server_and_are_not_mixed_up() {
    use prynai_dev_issuer::{Directory, Options};
    let second = "0d3b7c52-1f7e-4e5a-9c1d-6a2b8f4e0099";
    let mut directory = Directory::default();
    directory.tenants.push(second.to_owned());
    let options = Options {
        directory,
        ..Options::default()
    };
    let issuer = Issuer::start_with(options).await;
    let fleet = Cluster::new().gateway_args(&super::trusting(&issuer));
    let fleet = fleet.gateway_args(&["--auth-tenant", second]).start().await;
    let url = fleet.gateway(0);
    let guarded = Guarded { issuer, fleet, url };
    let issuer = &guarded.issuer;
    let first = guarded.caller(&issuer.token().jwt()).await;
    let other = guarded.caller(&issuer.token().tenant(second).jwt()).await;
    assert_ne!(first["subject"], other["subject"]);
    let first = issuer.tenant();
    for (iss, tid) in [(first.as_str(), second), (second, &first)] {
        let mixed = issuer.token().tenant(iss).claim("tid", tid).jwt();
        assert_refused(guarded.call_with(&mixed).await, 401, Some("invalid_token")).await;
    }
    let third = "0d3b7c52-1f7e-4e5a-9c1d-6a2b8f4e0100";
    let token = issuer.token().tenant(third).jwt();
    assert_refused(guarded.call_with(&token).await, 401, Some("invalid_token")).await;
}
