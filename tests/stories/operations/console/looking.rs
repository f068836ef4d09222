//! A fleet and its calls, as a browser shows them.

use prynai_test_harness::client::{RawClient, legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::json;

use super::{ADMIN, admin, get, page};

/// The first call of the queue page, by the link to it.
async fn linked_calls(client: &RawClient, console: &str) -> Vec<String> {
    let queue = page(client, &format!("{console}/queue")).await;
    let links = queue.split(r#"href="/console/call?id="#).skip(1);
    let ids = links.filter_map(|rest| rest.split('"').next());
    ids.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_call_is_followed_from_the_queue_to_its_end() {
    let mut fleet = Cluster::new()
        .gateway_args(&ADMIN)
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let (client, gateway) = (fleet.client.clone(), fleet.gateway(0));
    let overview = page(&client, &console).await;
    assert!(overview.contains("Nothing needs attention."), "{overview}");
    let session = client.open_session(&gateway).await;
    fleet.assert_idle().await;
    let running = modern(1, "tools/call", long_running(1000, 100));
    let mut running = client.modern(&gateway, &running).await.events();
    running.expect("notifications/progress").await;
    let ask = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    let asked = legacy("t", "tools/call", ask);
    let mut asking = client.legacy(&gateway, &session, &asked).await.events();

    let calls = eventually!({
        let calls = linked_calls(&client, &console).await;
        (calls.len() == 2).then_some(calls)
    });
    // A page may be a second old.
    let told = [
        "tools/call long_running",
        "tools/call book_table",
        ">waits<",
        ">runs<",
    ];
    assert_eventually!({
        let overview = page(&client, &console).await;
        told.iter().all(|told| overview.contains(told))
    });
    let [first, second] = [0, 1].map(|at| format!("{console}/call?id={}", calls[at]));
    let told = page(&client, &first).await;
    for part in [
        "<h1>tools/call long_running</h1>",
        "has it, attempt 1",
        "notifications/progress",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    // What tools say is not shown.
    assert!(!told.contains("step 1"), "{told}");
    let told = page(&client, &second).await;
    assert!(told.contains("no worker has claimed it yet"), "{told}");
    let filtered = page(
        &client,
        &format!("{console}/queue?state=waiting&tool=book_table"),
    )
    .await;
    assert!(filtered.contains("book_table") && !filtered.contains("long_running"));
    let of_session = page(&client, &format!("{console}/queue?session={}", session.id)).await;
    assert!(of_session.contains("book_table") && !of_session.contains("long_running"));
    assert!(!of_session.contains(&session.id), "{of_session}");

    // The connection breaks, so the first call is cancelled; the second runs, asks, and its client hangs up.
    drop(running);
    asking.expect("elicitation/create").await;
    assert_eventually!(
        page(&client, &second)
            .await
            .contains("waits for the answer")
    );
    let sessions = page(&client, &format!("{console}/sessions")).await;
    assert!(
        sessions.contains("raw 1") && !sessions.contains(&session.id),
        "{sessions}"
    );
    let gone = format!("{console}/call?id=00000000000070008000000000000000");
    assert_eq!(get(&client, &gone).await.status(), 404);
    assert_eq!(
        get(&client, &format!("{console}/call?id=x")).await.status(),
        404
    );
    assert_eq!(
        get(&client, &format!("{console}/other")).await.status(),
        404
    );
    // The audit has what has ended.
    let recent = format!("{console}/recent");
    assert_eventually!({
        let told = page(&client, &recent).await;
        told.contains("tools/call long_running") && told.contains(">cancelled<")
    });
    for list in ["workers", "gateways", "dead", "doctor"] {
        page(&client, &format!("{console}/{list}")).await;
    }
}

#[tokio::test]
async fn a_process_without_redis_shows_the_same() {
    let args = ["--listen", "127.0.0.1:0", "--concurrency", "1"];
    let mut process = Process::start("prynai-mcp", &[&args[..], &ADMIN].concat()).await;
    let url = format!("http://{}/mcp", process.address().await);
    let console = admin(&mut process).await + "/console";
    let client = RawClient::new();
    // What is over is known by the audit.
    let echo = modern(1, "tools/call", tool("echo", json!({ "text": "said" })));
    client.modern(&url, &echo).await.response().await;
    let link = eventually!({
        let recent = page(&client, &format!("{console}/recent")).await;
        let link = recent.split(r#"href="/console/call?id="#).nth(1);
        link.and_then(|rest| rest.split('"').next())
            .map(str::to_owned)
    });
    let over = eventually!({
        let told = page(&client, &format!("{console}/call?id={link}")).await;
        told.contains("A call that is over").then_some(told)
    });
    assert!(
        over.contains("tools/call echo") && over.contains(">ok<"),
        "{over}"
    );
    assert!(!over.contains("said"), "{over}");
    let session = client.open_session(&url).await;
    let call = legacy(7, "tools/call", long_running(1000, 100));
    let mut running = client.legacy(&url, &session, &call).await.events();
    running.expect("notifications/progress").await;
    let calls = linked_calls(&client, &console).await;
    assert_eq!(calls.len(), 1, "{calls:?}");
    let told = page(&client, &format!("{console}/call?id={}", calls[0])).await;
    assert!(told.contains("has it, attempt 1"), "{told}");
    let sessions = page(&client, &format!("{console}/sessions")).await;
    assert!(
        sessions.contains("raw 1") && !sessions.contains(&session.id),
        "{sessions}"
    );
    // There is no Redis to be examined.
    let doctor = page(&client, &format!("{console}/doctor")).await;
    assert!(
        doctor.contains("leases") && !doctor.contains("INFO"),
        "{doctor}"
    );
    for list in ["", "/workers", "/gateways"] {
        let shown = page(&client, &format!("{console}{list}")).await;
        assert!(
            shown.contains(">alive<") && !shown.contains(">deaf<"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn while_redis_is_away_it_says_so_and_comes_back() {
    let mut fleet = Cluster::new().durable().gateway_args(&ADMIN).start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    assert_eq!(get(&client, &console).await.status(), 200);
    fleet.redis.stop();
    let away = eventually!({
        let shown = get(&client, &console).await;
        (shown.status() == 503).then_some(shown)
    });
    let told = away.text().await;
    assert!(told.contains("cannot be reached"), "{told}");
    assert!(told.contains(r#"http-equiv="refresh""#), "{told}");
    fleet.redis.restart().await;
    assert_eventually!(get(&client, &console).await.status() == 200);
}
