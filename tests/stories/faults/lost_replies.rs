//! Redis does what a process asks, and the process does not hear of it: what a client sees.

use prynai_test_harness::client::{
    Events, RawClient, answering, legacy, modern, notification, tool,
};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::replies::{Mishap, TOO_LATE};
use prynai_test_redis::{LOOK_INTERVAL, PATIENCE, assert_eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// What its reply is known by: a script is called by its digest.
macro_rules! script {
    ($($part:literal),+) => {
        redis::Script::new(concat!($(include_str!(concat!(
            "../../../shared/redis_bus/src/lua/",
            $part,
            ".lua"
        ))),+))
        .get_hash()
        .to_owned()
    };
}

/// A call that would outlast every test.
fn endless(id: u64) -> Value {
    let endless = tool("long_running", json!({ "steps": 1_000, "delay_ms": 1_000 }));
    legacy(id, "tools/call", endless)
}

/// A question to the client, and the answer to it.
async fn asked(events: &mut Events) -> Value {
    let question = events.expect("sampling/createMessage").await;
    let text = json!({ "type": "text", "text": "In short." });
    let sampled = json!({ "role": "assistant", "model": "test", "content": text });
    answering(&question["id"], sampled)
}

async fn ends_with(events: Events, text: &str) {
    let rest = events.rest().await;
    let last = rest.last().expect("a response");
    assert!(last["result"].to_string().contains(text), "{last}");
}

#[tokio::test]
async fn the_answer_to_a_question_reaches_the_tool() {
    let cluster = Cluster::new().lossy().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let session = client.open_session(&url).await;
    let call = tool("summarize", json!({ "text": "A long text." }));
    let (take, post) = (
        script!("signal_channel/take_mail"),
        script!("signal_channel/post_mail"),
    );
    // The first round loads the scripts; a reply that says they are not known would not matter.
    let mishaps = [None, Some(TOO_LATE), Some(Mishap::Lost)];
    for (id, (script, mishap)) in [&take, &post]
        .into_iter()
        .flat_map(|script| mishaps.map(|mishap| (script, mishap)))
        .enumerate()
    {
        let call = legacy(id as u64, "tools/call", call.clone());
        let mut events = client.legacy(&url, &session, &call).await.events();
        let answer = asked(&mut events).await;
        if let Some(mishap) = mishap {
            cluster.replies().hit_reply_to(script, mishap);
        }
        let accepted = client.legacy(&url, &session, &answer).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED, "{mishap:?}");
        ends_with(events, "In short.").await;
        assert!(cluster.replies().has_hit(), "{mishap:?}");
    }
    cluster.assert_idle().await;
}

/// The first round loads the scripts.
async fn ends_a_session(cluster: &Cluster, client: &RawClient, hit: Option<(&str, Mishap)>) {
    let url = cluster.gateway(0);
    let session = client.open_session(&url).await;
    let running = client.legacy(&url, &session, &endless(1)).await.events();
    if let Some((script, mishap)) = hit {
        cluster.replies().hit_reply_to(script, mishap);
    }
    let ended = client.end_session(&url, &session).await;
    assert!(ended.is_success(), "{hit:?}: {ended}");
    assert!(cluster.replies().has_hit(), "{hit:?}");
    running.rest().await;
    cluster.assert_idle().await;
    let again = client.end_session(&url, &session).await;
    assert_eq!(again, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_that_is_deleted_leaves_no_call_behind() {
    let cluster = Cluster::new().lossy().start().await;
    let client = &cluster.client;
    ends_a_session(&cluster, client, None).await;
    for script in [
        script!("session_store/end_session"),
        script!("parts/told_task", "signal_channel/cancel_call"),
    ] {
        for mishap in [Mishap::Lost, TOO_LATE, Mishap::Unasked] {
            ends_a_session(&cluster, client, Some((&script, mishap))).await;
        }
    }
}

#[tokio::test]
async fn a_cancel_reaches_its_call() {
    let cluster = Cluster::new().lossy().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let session = client.open_session(&url).await;
    let mishaps = [None, Some(Mishap::Lost), Some(TOO_LATE)];
    for (id, mishap) in mishaps.into_iter().enumerate() {
        let call = endless(id as u64);
        let running = client.legacy(&url, &session, &call).await.events();
        if let Some(mishap) = mishap {
            cluster
                .replies()
                .hit_reply_to(&script!("session_store/find_calls"), mishap);
        }
        let params = json!({ "requestId": id });
        let cancel = notification("notifications/cancelled", params);
        let accepted = client.legacy(&url, &session, &cancel).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED, "{mishap:?}");
        assert!(cluster.replies().has_hit(), "{mishap:?}");
        running.rest().await;
        cluster.assert_idle().await;
    }
}

/// A tool that may not run twice: lost with its claim it would end as `outcome: unknown`.
#[tokio::test]
async fn a_call_runs_whichever_reply_about_its_entry_is_lost() {
    let cluster = Cluster::new().lossy().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let bump = tool("bump_counter", json!({}));
    let mut bumped = 0;
    for command in [
        "XADD",
        "XREADGROUP",
        "ZCARD",
        &script!("request_queue/finish"),
    ] {
        for mishap in [Mishap::Lost, TOO_LATE] {
            cluster.replies().hit_reply_to(command, mishap);
            let call = modern(1, "tools/call", bump.clone());
            let answer = client.modern(&url, &call).await.response().await;
            bumped += 1;
            let counted = answer["result"].to_string().contains(&bumped.to_string());
            assert!(counted, "{command} {mishap:?}: {answer}");
        }
    }
    cluster.replies().stop();
    cluster.assert_idle().await;
}

/// It says nothing before it ends: only whoever knows where it lies in the queue can tell its worker.
#[tokio::test]
async fn a_cancel_reaches_a_call_whose_queueing_was_not_heard_of() {
    let cluster = Cluster::new().lossy().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let session = client.open_session(&url).await;
    let enqueue = script!("session_store/enqueue_call");
    let hits = [None, Some(TOO_LATE), Some(Mishap::Lost)];
    for (id, hit) in hits.into_iter().enumerate() {
        if let Some(mishap) = hit {
            cluster.replies().hit_reply_to(&enqueue, mishap);
        }
        let silent = tool("long_running", json!({ "steps": 1, "delay_ms": 60_000 }));
        let silent = legacy(id as u64, "tools/call", silent);
        let running = client.legacy(&url, &session, &silent).await.events();
        assert!(cluster.replies().has_hit(), "{hit:?}");
        assert_eventually!(cluster.owners().await.len() == 1);
        let cancel = notification("notifications/cancelled", json!({ "requestId": id }));
        let accepted = client.legacy(&url, &session, &cancel).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED, "{hit:?}");
        running.rest().await;
        cluster.assert_idle().await;
    }
}

/// Whether a worker waits for requests.
async fn a_read_blocks(cluster: &Cluster) -> bool {
    let clients: String = cluster.redis.command(&["CLIENT", "LIST"]).await;
    let blocks = |client: &str| client.contains(" flags=b") && client.contains("=xreadgroup");
    clients.lines().any(blocks)
}

/// Neither the gateway nor its client knows whether it was queued: it was, while no worker looked.
#[tokio::test]
async fn a_call_of_which_nobody_knows_is_not_begun_after_its_refusal() {
    let mut cluster = Cluster::new().lossy().start().await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let bump = modern(1, "tools/call", tool("bump_counter", json!({})));
    client.modern(&url, &bump).await.response().await;
    cluster.assert_idle().await;
    cluster.worker_process(0).signal("-STOP");
    // Nothing is handed to it from then on.
    assert_eventually!(!a_read_blocks(&cluster).await);
    let both = ["XADD", &script!("request_queue/find_or_withdraw")];
    cluster.replies().hit_replies_to(&both, Mishap::Lost);
    let refused = client.modern(&url, &bump).await;
    assert_ne!(refused.status(), StatusCode::OK);
    assert!(cluster.replies().has_hit());
    let marks = async || -> usize {
        let keys: Vec<String> = cluster.redis.command(&["KEYS", "*:cancelled"]).await;
        keys.len()
    };
    assert_eventually!(marks().await == 1, "it is not marked");
    cluster.worker_process(0).signal("-CONT");
    cluster.assert_idle().await;
    let answer = client.modern(&url, &bump).await.response().await;
    let counted = answer["result"].to_string();
    assert!(counted.contains('2') && !counted.contains('3'), "{answer}");
}

/// Its client was refused and has no id of it.
#[tokio::test]
async fn a_session_whose_opening_was_not_answered_does_not_stay() {
    let cluster = Cluster::new().lossy().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let sessions = async || -> usize {
        let keys: Vec<String> = cluster.redis.command(&["KEYS", "*session*"]).await;
        keys.len()
    };
    let session = client.open_session(&url).await;
    assert!(sessions().await > 0);
    client.end_session(&url, &session).await;
    assert_eventually!(sessions().await == 0);
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "raw", "version": "1" },
    });
    let initialize = legacy(1, "initialize", params).to_string();
    cluster.replies().hit_reply_to("EXEC", Mishap::Lost);
    let refused = client.send(client.post(&url, initialize)).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(cluster.replies().has_hit());
    assert_eventually!(sessions().await == 0, "it stays until it is idle");
}

/// It stops while the answer to its last read is lost: what Redis gave it there is for others.
#[tokio::test]
async fn a_worker_that_stops_leaves_nothing_that_it_did_not_hear_of() {
    let mut cluster = Cluster::new()
        .worker_args(&["--lease", "1h"])
        .lossy()
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let bump = modern(1, "tools/call", tool("bump_counter", json!({})));
    // Until Redis gives it to the worker while that stands still: its reads end every second.
    let call = loop {
        cluster.worker_process(0).signal("-STOP");
        cluster.replies().hit_reply_to("XREADGROUP", Mishap::Lost);
        let (client, url, bump) = (client.clone(), url.clone(), bump.clone());
        let call = tokio::spawn(async move { client.modern(&url, &bump).await.response().await });
        let mut looks = 0..50;
        while cluster.owners().await.is_empty() && looks.next().is_some() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        if cluster.owners().await.len() == 1 {
            break call;
        }
        cluster.worker_process(0).signal("-CONT");
        call.await.expect("is answered");
        cluster.assert_idle().await;
    };
    cluster.worker_process(0).signal("-TERM");
    cluster.worker_process(0).signal("-CONT");
    cluster.worker_process(0).ended().await;
    assert!(cluster.replies().has_hit());
    cluster.replace_worker(0).await;
    let answer = tokio::time::timeout(PATIENCE, call).await;
    let answer = answer
        .expect("it waits for the lease of the other")
        .expect("does not panic");
    assert!(answer["result"].is_object(), "{answer}");
    cluster.assert_idle().await;
}
