//! Redis does what a process asks, and the process does not hear of it: what a client sees.

use prynai_test_harness::client::{Events, RawClient, legacy, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::replies::{Mishap, TOO_LATE};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// What its reply is known by: a script is called by its digest.
macro_rules! script {
    ($name:literal) => {
        redis::Script::new(include_str!(concat!(
            "../../../shared/redis_bus/src/lua/",
            $name,
            ".lua"
        )))
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
    json!({ "jsonrpc": "2.0", "id": question["id"], "result": sampled })
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
async fn ends_a_session(cluster: &Cluster, client: &RawClient, mishap: Option<Mishap>) {
    let url = cluster.gateway(0);
    let session = client.open_session(&url).await;
    let running = client.legacy(&url, &session, &endless(1)).await.events();
    if let Some(mishap) = mishap {
        cluster
            .replies()
            .hit_reply_to(&script!("session_store/end_session"), mishap);
    }
    let ended = client.end_session(&url, &session).await;
    assert!(ended.is_success(), "{mishap:?}: {ended}");
    assert!(cluster.replies().has_hit(), "{mishap:?}");
    running.rest().await;
    cluster.assert_idle().await;
    let again = client.end_session(&url, &session).await;
    assert_eq!(again, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_that_is_deleted_leaves_no_call_behind() {
    let cluster = Cluster::new().lossy().start().await;
    for mishap in [
        None,
        Some(Mishap::Lost),
        Some(TOO_LATE),
        Some(Mishap::Unasked),
    ] {
        ends_a_session(&cluster, &cluster.client, mishap).await;
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
                .hit_reply_to(&script!("session_store/note_cancel"), mishap);
        }
        let params = json!({ "requestId": id });
        let cancel =
            json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
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
