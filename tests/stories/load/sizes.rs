//! What is large arrives over a narrow way, once, and holds nobody else up; what is too large is refused before it is
//! sent.

use std::time::{Duration, Instant};

use prynai_test_fixtures::bulk::CATALOG;
use prynai_test_harness::client::{RawClient, Session, answering, legacy, modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_redis::assert_eventually;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Mutex;

const MB: usize = 1_000_000;

/// 96 Mbit/s.
const WAY: u64 = 12 * MB as u64;

/// How long a large message may take that needs one or two seconds on the way. Before, it took minutes.
const SOON: Duration = Duration::from_secs(20);

/// One at a time: what is measured is the narrow way, not the machine.
static TURN: Mutex<()> = Mutex::const_new(());

fn plan() -> ClusterPlan {
    let plan = Cluster::new().gateways(2).throttled(WAY);
    plan.worker_binary("prynai-bulk-worker")
}

fn give(bytes: usize) -> Value {
    tool("give", json!({ "bytes": bytes }))
}

/// The text of an answer.
fn text(response: &Value) -> &str {
    let text = response["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {response}"))
}

/// Whether every gateway is ready and answers small calls, in both eras, until something is done.
async fn meanwhile<T>(cluster: &Cluster, sessions: &[Session], work: impl Future<Output = T>) -> T {
    let bystanders = async {
        let mut round = 0;
        loop {
            for (index, session) in sessions.iter().enumerate() {
                bystand(&cluster.client, &cluster.origin(index), session, round).await;
            }
            round += 1;
            // Their pace: they look on, and are not the load.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = bystanders => unreachable!("they go on"),
    }
}

async fn bystand(client: &RawClient, origin: &str, session: &Session, round: u32) {
    let url = format!("{origin}/mcp");
    let ready = client.request("GET", &format!("{origin}/readyz"));
    assert_eq!(
        client.send(ready).await.status(),
        StatusCode::OK,
        "unready in round {round}"
    );
    let call = tool("measure", json!({ "text": "abc" }));
    let answer = client
        .modern(&url, &modern(1, "tools/call", call.clone()))
        .await;
    assert_eq!(
        answer.status(),
        StatusCode::OK,
        "a bystander in round {round}"
    );
    assert_eq!(text(&answer.response().await), "3");
    let answer = client
        .legacy(&url, session, &legacy(1, "tools/call", call))
        .await;
    assert_eq!(
        answer.status(),
        StatusCode::OK,
        "a bystander in round {round}"
    );
    assert_eq!(text(&answer.response().await), "3");
}

async fn sessions(cluster: &Cluster) -> Vec<Session> {
    let mut sessions = Vec::new();
    for index in 0..cluster.gateway_count() {
        sessions.push(cluster.client.open_session(&cluster.gateway(index)).await);
    }
    sessions
}

#[tokio::test]
async fn a_large_result_is_sent_once_and_harms_nobody() {
    let _turn = TURN.lock().await;
    let mut cluster = plan().start().await;
    let sessions = sessions(&cluster).await;
    let bytes = 16 * MB;
    for era in ["modern", "legacy"] {
        let (client, url) = (&cluster.client, cluster.gateway(0));
        let before = cluster.throttle().passed();
        let begun = Instant::now();
        let large = async {
            match era {
                "modern" => {
                    client
                        .modern(&url, &modern(2, "tools/call", give(bytes)))
                        .await
                }
                _ => {
                    client
                        .legacy(&url, &sessions[0], &legacy(2, "tools/call", give(bytes)))
                        .await
                }
            }
            .response()
            .await
        };
        let answer = meanwhile(&cluster, &sessions, large).await;
        assert_eq!(text(&answer).len(), bytes, "{era}");
        assert!(begun.elapsed() < SOON, "{era}: {:?}", begun.elapsed());
        let (there, back) = cluster.throttle().passed();
        for (direction, passed) in [("there", there - before.0), ("back", back - before.1)] {
            let least = bytes as u64;
            let most = least + 2 * MB as u64;
            assert!(
                (least..most).contains(&passed),
                "{era}: {passed} bytes {direction}"
            );
        }
    }
    for process in cluster.processes() {
        let log = process.log().join("\n");
        for trouble in ["lost", "unknown", "cannot be delivered"] {
            assert!(!log.contains(trouble), "{log}");
        }
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn many_large_results_at_a_time_all_arrive() {
    let _turn = TURN.lock().await;
    let cluster = plan().start().await;
    let sessions = sessions(&cluster).await;
    let bytes = MB;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let all = (0..12).map(async |id| {
        let message = modern(id, "tools/call", give(bytes));
        client.modern(&url, &message).await.response().await
    });
    let answers = meanwhile(&cluster, &sessions, futures::future::join_all(all)).await;
    for answer in answers {
        assert_eq!(text(&answer).len(), bytes);
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_result_is_as_large_as_the_operator_allows() {
    let _turn = TURN.lock().await;
    let mut cluster = plan().worker_args(&["--max-result", "48MiB"]).start().await;
    let sessions = sessions(&cluster).await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let large = async {
        let answer = client
            .modern(&url, &modern(2, "tools/call", give(40 * MB)))
            .await;
        answer.response().await
    };
    let answer = meanwhile(&cluster, &sessions, large).await;
    assert_eq!(text(&answer).len(), 40 * MB);
    let log = cluster.gateway_process(0).log().join("\n");
    assert!(!log.contains("subscription lost"), "{log}");
    cluster.assert_idle().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_sent() {
    let _turn = TURN.lock().await;
    let cluster = plan()
        .worker_args(&["--max-result", "100KiB"])
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let can = json!({ "elicitation": {} });
    let session = client.open_session_with(&url, "2025-11-25", can).await;
    let before = cluster.throttle().passed();
    let bytes = 5 * MB;
    let call = |name, bytes: usize| {
        let mut call = tool(name, json!({ "bytes": bytes }));
        call["_meta"]["progressToken"] = json!("p");
        call
    };
    for key in ["", "a-key"] {
        let mut call = call("give", bytes);
        if !key.is_empty() {
            call["_meta"]["ai.prynai/idempotencyKey"] = json!(key);
        }
        let new = client
            .modern(&url, &modern(1, "tools/call", call.clone()))
            .await;
        let old = client
            .legacy(&url, &session, &legacy(1, "tools/call", call))
            .await;
        for reply in [new, old] {
            assert_eq!(reply.status(), StatusCode::OK);
            let error = reply.response().await["error"].clone();
            assert_eq!(error["data"]["reason"], "result_too_large", "{error}");
            assert_eq!(error["data"]["limit"], 100 * 1024);
            assert!(
                error["message"]
                    .as_str()
                    .expect("is text")
                    .contains("too large")
            );
        }
    }
    // A notification is left out, and the call goes on.
    let tell = legacy(2, "tools/call", call("tell", bytes));
    let told = client.legacy(&url, &session, &tell).await.messages().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(text(&told[0]), "told");
    // A question is refused to the handler that would ask it, and so is one in the result.
    let ask = legacy(3, "tools/call", call("ask", bytes));
    let asked = client.legacy(&url, &session, &ask).await.messages().await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0]["error"].is_object(), "{asked:?}");
    let ask = modern(4, "tools/call", call("ask", bytes));
    let asked = client.modern(&url, &ask).await.response().await;
    assert!(asked["error"].is_object(), "{asked}");
    let (there, back) = cluster.throttle().passed();
    assert!(there - before.0 < MB as u64 && back - before.1 < MB as u64);
    // What is allowed still passes.
    let answer = client
        .modern(&url, &modern(5, "tools/call", give(90_000)))
        .await;
    assert_eq!(text(&answer.response().await).len(), 90_000);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn large_requests_arrive_as_well() {
    let _turn = TURN.lock().await;
    let cluster = plan().start().await;
    let sessions = sessions(&cluster).await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    // Just below the limit for bodies.
    let large = "x".repeat(4 * 1024 * 1024 - 1000);
    let calls = (0..4).map(async |id| {
        let call = tool("measure", json!({ "text": large }));
        match id % 2 {
            0 => client.modern(&url, &modern(id, "tools/call", call)).await,
            _ => {
                client
                    .legacy(&url, &sessions[0], &legacy(id, "tools/call", call))
                    .await
            }
        }
        .response()
        .await
    });
    let answers = meanwhile(&cluster, &sessions, futures::future::join_all(calls)).await;
    for answer in answers {
        assert_eq!(text(&answer), large.len().to_string());
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn large_answers_of_clients_arrive_as_well() {
    let _turn = TURN.lock().await;
    let cluster = plan().start().await;
    let sessions = sessions(&cluster).await;
    let (client, session) = (&cluster.client, &sessions[0]);
    let call = async {
        let ask = legacy(2, "tools/call", tool("ask", json!({ "bytes": 10 })));
        let mut events = client
            .legacy(&cluster.gateway(0), session, &ask)
            .await
            .events();
        let question = events.expect("elicitation/create").await;
        // Just below the limit for bodies.
        let said = "x".repeat(4 * 1024 * 1024 - 1000);
        let answer = json!({ "action": "accept", "content": { "said": said } });
        let answer = answering(&question["id"], answer);
        let taken = client.legacy(&cluster.gateway(1), session, &answer).await;
        assert_eq!(taken.status(), StatusCode::ACCEPTED);
        let (_, response) = events.message().await.expect("a response");
        (response, json!({ "said": said }).to_string().len())
    };
    let (response, bytes) = meanwhile(&cluster, &sessions, call).await;
    assert_eq!(text(&response), bytes.to_string());
    cluster.assert_idle().await;
}

#[tokio::test]
async fn large_values_and_catalogs_arrive_as_well() {
    let _turn = TURN.lock().await;
    let catalog = 12 * MB;
    let cluster = plan().env(CATALOG, &catalog.to_string()).start().await;
    let (client, url) = (&cluster.client, cluster.gateway(1));
    let discovered = async || {
        let discover = modern(0, "server/discover", json!({}));
        let answer = client.modern(&url, &discover).await.response().await;
        answer["result"]["instructions"].as_str().map(str::len)
    };
    assert_eventually!(discovered().await == Some(catalog));
    let session = client.open_session(&url).await;
    let keep = legacy(1, "tools/call", tool("keep", json!({ "bytes": 16 * MB })));
    let kept = client.legacy(&url, &session, &keep).await.response().await;
    assert_eq!(text(&kept), "16000000 16000000");
}
