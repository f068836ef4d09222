//! What operators change, and what changes nothing.

use prynai_test_harness::client::{RawClient, Reply, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::json;

use super::super::ops::tasks::{begun, taking_tasks};
use super::{ADMIN, DEAD, TOKEN, add, admin, get, hidden, page, put_aside, writing};

/// A form as a browser sends it from a page of the console.
async fn send(client: &RawClient, console: &str, form: &[(&str, &str)], site: &str) -> Reply {
    let request = client
        .request("POST", &format!("{console}/do"))
        .basic_auth("me", Some(TOKEN))
        .header("sec-fetch-site", site)
        .form(form);
    client.send(request).await
}

/// Asks, agrees, and gives the page that is shown then.
async fn agree(client: &RawClient, console: &str, act: &str, id: &str) -> String {
    let question = page(client, &format!("{console}/ask?do={act}&id={id}")).await;
    let (until, proof) = (hidden(&question, "until"), hidden(&question, "proof"));
    let form = [
        ("do", act),
        ("id", id),
        ("until", &until),
        ("proof", &proof),
    ];
    let done = send(client, console, &form, "same-origin").await;
    assert_eq!(done.status(), 200);
    done.text().await
}

#[tokio::test]
async fn without_the_setting_nothing_is_changed() {
    let token = [("PRYNAI_ADMIN_TOKEN".to_owned(), TOKEN.to_owned())];
    let plan = Cluster::new().gateway_args(&ADMIN).gateway_env(&token);
    let mut fleet = plan.start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    let letter = put_aside(&fleet.redis, &add(), "of a test").await;
    let shown = page(&client, &format!("{console}/dead")).await;
    assert!(
        shown.contains(&letter) && !shown.contains("/console/ask"),
        "{shown}"
    );
    let asked = get(&client, &format!("{console}/ask?do=drop&id={letter}")).await;
    assert_eq!(asked.status(), 403);
    let form = [
        ("do", "drop"),
        ("id", &letter),
        ("until", "9999999"),
        ("proof", "AAAA"),
    ];
    let refused = send(&client, &console, &form, "same-origin").await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.contains("--admin-write"));
    assert_eq!(fleet.redis.command::<u64>(&["XLEN", DEAD]).await, 1);
}

#[tokio::test]
async fn no_other_page_has_a_browser_change_anything() {
    let mut fleet = writing().start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    let letter = put_aside(&fleet.redis, &add(), "of a test").await;
    let other = put_aside(&fleet.redis, &add(), "of a test").await;
    let question = page(&client, &format!("{console}/ask?do=drop&id={letter}")).await;
    let (until, proof) = (hidden(&question, "until"), hidden(&question, "proof"));
    let good = [
        ("do", "drop"),
        ("id", letter.as_str()),
        ("until", &until),
        ("proof", &proof),
    ];
    // A form of another page; its browser knows the password, and sends it.
    for site in ["cross-site", "same-site", "none"] {
        let refused = send(&client, &console, &good, site).await;
        assert_eq!(refused.status(), 403, "{site}");
    }
    let by_origin = async |origin: &str| {
        let request = client
            .request("POST", &format!("{console}/do"))
            .basic_auth("me", Some(TOKEN))
            .header("origin", origin)
            .form(&good);
        client.send(request).await.status()
    };
    for origin in ["null", "http://evil.example", "http://127.0.0.1:1"] {
        assert_eq!(by_origin(origin).await, 403, "{origin}");
    }
    // What nobody was asked about.
    for form in [
        &good[..2],
        &[("do", "replay"), good[1], good[2], good[3]],
        &[good[0], ("id", &other), good[2], good[3]],
        &[good[0], good[1], ("until", "99999999"), good[3]],
        &[("do", "all"), good[1], good[2], good[3]],
    ] {
        let refused = send(&client, &console, form, "same-origin").await;
        assert_eq!(refused.status(), 409, "{form:?}");
    }
    let get_it = format!("{console}/do?do=drop&id={letter}&until={until}&proof={proof}");
    let overview = page(&client, &get_it).await;
    assert!(overview.contains("<h1>Overview</h1>"), "{overview}");
    let put = client.request("PUT", &format!("{console}/do"));
    let put = client.send(put.basic_auth("me", Some(TOKEN))).await;
    assert_eq!(put.status(), 405);
    assert_eq!(put.headers()["allow"], "GET, HEAD, POST");
    let large = "x".repeat(5_000);
    let too_large = [good[0], ("id", large.as_str())];
    assert_eq!(
        send(&client, &console, &too_large, "same-origin")
            .await
            .status(),
        413
    );
    let without = client.request("POST", &format!("{console}/do")).form(&good);
    assert_eq!(client.send(without).await.status(), 401);
    assert_eq!(fleet.redis.command::<u64>(&["XLEN", DEAD]).await, 2);
    // A browser that tells only where it comes from.
    let own = console.trim_end_matches("/console");
    assert_eq!(by_origin(own).await, 200);
    assert_eq!(fleet.redis.command::<u64>(&["XLEN", DEAD]).await, 1);
    // Once more: there is no such letter.
    assert_eq!(by_origin(own).await, 404);
}

#[tokio::test]
async fn a_call_is_cancelled() {
    let mut fleet = writing().start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let (client, gateway) = (fleet.client.clone(), fleet.gateway(0));
    let slow = modern(1, "tools/call", long_running(1000, 100));
    let mut running = client.modern(&gateway, &slow).await.events();
    running.expect("notifications/progress").await;
    let queue = page(&client, &format!("{console}/queue")).await;
    let id = queue.split(r#"href="/console/call?id="#).nth(1);
    let id = id.and_then(|rest| rest.split('"').next()).expect("a link");
    let call = page(&client, &format!("{console}/call?id={id}")).await;
    let link = call.split(r#"href="/console/ask?do=cancel&amp;id="#).nth(1);
    let stream = link
        .and_then(|rest| rest.split('"').next())
        .expect("a button");
    let shown = agree(&client, &console, "cancel", stream).await;
    assert!(shown.contains("The call is cancelled."), "{shown}");
    running.rest().await;
    fleet.assert_idle().await;
    let told = fleet
        .gateway_process(0)
        .logged("an operator used the console")
        .await;
    assert_eq!(
        (&told["action"], &told["target_id"], &told["operator"]),
        (&"cancel".into(), &stream.into(), &"me".into())
    );
    let again = get(&client, &format!("{console}/ask?do=cancel&id={stream}")).await;
    assert_eq!(again.status(), 404);
}

#[tokio::test]
async fn a_task_that_waits_for_its_client_is_seen_and_cancelled() {
    let fleet = writing().worker_binary("prynai-conformance-worker");
    let mut fleet = fleet.start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let task = begun(&client, &url, tool("multi_input", json!({}))).await;
    let list = format!("{console}/tasks?state=input_required&tool=multi_input&caller=anonymous");
    let listed = eventually!({
        let shown = page(&client, &list).await;
        shown.contains(&task).then_some(shown)
    });
    assert!(listed.contains("tools/call multi_input"), "{listed}");
    let open = "open: 0 run, 0 queued, 1 waits for its client (oldest ";
    assert_eventually!(page(&client, &console).await.contains(open));
    let others = page(&client, &format!("{console}/tasks?age=1h")).await;
    assert!(others.contains("None of the 1 tasks"), "{others}");
    let shown = page(&client, &format!("{console}/call?id={task}")).await;
    for told in [
        "waits for its client",
        "As a task",
        "and now for 2 answers",
        "Cancel this task",
    ] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert!(
        !shown.contains("first name"),
        "what it asks is not shown: {shown}"
    );
    let shown = agree(&client, &console, "cancel", &task).await;
    assert!(shown.contains("The task is cancelled."), "{shown}");
    assert!(!shown.contains("/console/ask"), "{shown}");
    let asked = taking_tasks("tasks/get", json!({ "taskId": task }));
    let told = client.modern(&url, &asked).await.response().await;
    assert_eq!(told["result"]["status"], "cancelled", "{told}");
    let again = get(&client, &format!("{console}/ask?do=cancel&id={task}")).await;
    assert_eq!(again.status(), 404);
    fleet.assert_idle().await;
}

#[tokio::test]
async fn a_dead_letter_runs_again_and_another_is_dropped() {
    let mut fleet = writing().start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    let letter = put_aside(&fleet.redis, &add(), "of a test").await;
    let shown = agree(&client, &console, "replay", &letter).await;
    assert!(shown.contains("The request is queued once more"), "{shown}");
    let stream = shown.split("<dt>Stream</dt><dd>").nth(1);
    let stream = stream
        .and_then(|rest| rest.split('<').next())
        .expect("its stream");
    let call = format!("{console}/call?id={stream}");
    // Its log is kept for a minute.
    let ended = eventually!({
        let shown = page(&client, &call).await;
        shown.contains(">ended<").then_some(shown)
    });
    assert!(ended.contains("it ended with a result"), "{ended}");
    assert_eq!(fleet.redis.command::<u64>(&["XLEN", DEAD]).await, 0);

    let letter = put_aside(&fleet.redis, &add(), "of a test").await;
    let shown = agree(&client, &console, "drop", &letter).await;
    assert!(shown.contains("The dead letter is dropped."), "{shown}");
    assert_eq!(fleet.redis.command::<u64>(&["XLEN", DEAD]).await, 0);
    let gone = get(&client, &format!("{console}/ask?do=drop&id={letter}")).await;
    assert_eq!(gone.status(), 404);
}

#[tokio::test]
async fn if_redis_hangs_nobody_is_told_that_nothing_was_done() {
    let mut fleet = writing().start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    let letter = put_aside(&fleet.redis, &add(), "of a test").await;
    let question = page(&client, &format!("{console}/ask?do=drop&id={letter}")).await;
    let (until, proof) = (hidden(&question, "until"), hidden(&question, "proof"));
    let form = [
        ("do", "drop"),
        ("id", letter.as_str()),
        ("until", &until),
        ("proof", &proof),
    ];
    fleet.redis.freeze();
    let answer = send(&client, &console, &form, "same-origin").await;
    assert_eq!(answer.status(), 503);
    let told = answer.text().await;
    assert!(
        told.contains("It is not known whether it was done."),
        "{told}"
    );
    assert!(!told.contains("http-equiv"), "{told}");
    assert!(told.contains(r#"href="/console/dead""#), "{told}");
    fleet.redis.thaw();
    // It was under way.
    assert_eventually!(fleet.redis.command::<u64>(&["XLEN", DEAD]).await == 0);
}

#[tokio::test]
async fn a_worker_is_drained() {
    let mut fleet = writing().start().await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let client = fleet.client.clone();
    let worker = fleet.worker_process(0).logged("ready").await["worker"].clone();
    let worker = worker.as_str().expect("text");
    let shown = agree(&client, &console, "drain", worker).await;
    assert!(shown.contains("was told to drain"), "{shown}");
    assert!(fleet.worker_process(0).ended().await.success());
    let ask = format!("{console}/ask?do=drain&id={worker}");
    assert_eventually!(get(&client, &ask).await.status() == 404);
}
