//! Questions of a tool to the client: the answer arrives at any gateway and finds the call.

use prynai_bus::ids::StreamId;
use prynai_test_harness::client::{answering, legacy, modern, modern_with, notification, tool};
use prynai_test_harness::cluster::Cluster;
use reqwest::StatusCode;
use serde_json::{Value, json};

fn sampled(text: &str) -> Value {
    json!({ "role": "assistant", "model": "test", "content": { "type": "text", "text": text } })
}

#[tokio::test]
async fn sampling_is_answered_on_the_other_gateway() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let call = legacy(
        1,
        "tools/call",
        tool("summarize", json!({ "text": "A long text." })),
    );
    let mut events = client
        .legacy(&cluster.gateway(0), &session, &call)
        .await
        .events();
    let question = events.expect("sampling/createMessage").await;
    let answer = answering(&question["id"], sampled("In short."));
    let accepted = client.legacy(&cluster.gateway(1), &session, &answer).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let rest = events.rest().await;
    let result = &rest.last().expect("a response")["result"];
    assert!(
        result["content"][0]["text"]
            .as_str()
            .expect("text")
            .contains("In short."),
        "{result}"
    );
    cluster.assert_idle().await;
}

#[tokio::test]
async fn elicitation_is_answered_on_the_other_gateway() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let table = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    for (answer, booked) in [
        (
            json!({ "action": "accept", "content": { "confirm": true } }),
            true,
        ),
        (json!({ "action": "decline" }), false),
    ] {
        let call = legacy("t", "tools/call", table.clone());
        let mut events = client
            .legacy(&cluster.gateway(1), &session, &call)
            .await
            .events();
        let question = events.expect("elicitation/create").await;
        assert!(
            question["params"]["requestedSchema"].is_object(),
            "{question}"
        );
        let answer = answering(&question["id"], answer);
        client.legacy(&cluster.gateway(0), &session, &answer).await;
        let rest = events.rest().await;
        let text = rest.last().expect("a response")["result"]["content"][0]["text"].to_string();
        assert_eq!(
            !text.to_lowercase().contains("not booked"),
            booked,
            "{text}"
        );
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn concurrent_questions_do_not_mix_up_their_answers() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let mut open = Vec::new();
    for n in 0..8 {
        let call = tool("summarize", json!({ "text": format!("text {n}") }));
        let reply = client
            .legacy(&cluster.proxy(), &session, &legacy(n, "tools/call", call))
            .await;
        let mut events = reply.events();
        let question = events.expect("sampling/createMessage").await;
        open.push((n, question["id"].clone(), events));
    }
    for (n, id, _) in open.iter().rev() {
        let result = sampled(&format!("summary {n}"));
        let answer = answering(id, result);
        client.legacy(&cluster.proxy(), &session, &answer).await;
    }
    for (n, _, events) in open {
        let last = events.rest().await.pop().expect("a response");
        assert_eq!(last["id"], n);
        let text = last["result"]["content"][0]["text"].to_string();
        assert!(text.contains(&format!("summary {n}")), "{text}");
    }
}

#[tokio::test]
async fn an_answer_nobody_asked_for_is_refused() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let session = client.open_session(&url).await;
    let stranger = client.open_session(&url).await;
    let call = legacy(1, "tools/call", tool("summarize", json!({ "text": "x" })));
    let mut events = client.legacy(&url, &session, &call).await.events();
    let asked = events.expect("sampling/createMessage").await["id"].clone();
    let answer = |id: &Value| answering(id, sampled("forged"));
    for id in [json!(0), json!("x"), json!(format!("{}x", text(&asked)))] {
        let reply = client.legacy(&url, &session, &answer(&id)).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{id}");
    }
    // Another session's question looks like one that is over.
    let dropped = client.legacy(&url, &stranger, &answer(&asked)).await;
    assert_eq!(dropped.status(), StatusCode::ACCEPTED);
    let honest = answering(&asked, sampled("honest"));
    client.legacy(&url, &session, &honest).await;
    let text = format!("{:?}", events.rest().await);
    assert!(
        text.contains("honest") && !text.contains("forged"),
        "{text}"
    );
}

/// An error as the answer to a request would have broken off more than the request: some clients give up the session.
#[tokio::test]
async fn an_answer_that_comes_too_late_is_taken_and_dropped() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let (url, other) = (cluster.gateway(0), cluster.gateway(1));
    let session = client.open_session(&url).await;
    let ask = async |id: u64| {
        let call = legacy(id, "tools/call", tool("summarize", json!({ "text": "x" })));
        let mut events = client.legacy(&url, &session, &call).await.events();
        let question = events.expect("sampling/createMessage").await;
        (question["id"].clone(), events)
    };
    let answer = |id: &Value| answering(id, sampled("late"));

    // The call was answered, was cancelled, ended with its session.
    let (answered, events) = ask(1).await;
    client.legacy(&url, &session, &answer(&answered)).await;
    events.rest().await;
    let (cancelled, events) = ask(2).await;
    let cancel = notification("notifications/cancelled", json!({ "requestId": 2 }));
    client.legacy(&url, &session, &cancel).await;
    events.rest().await;
    let ended_session = client.open_session(&url).await;
    let call = legacy(3, "tools/call", tool("summarize", json!({ "text": "x" })));
    let mut events = client.legacy(&url, &ended_session, &call).await.events();
    let ended = events.expect("sampling/createMessage").await["id"].clone();
    client.end_session(&other, &ended_session).await;
    events.rest().await;
    // Nobody knows of a call that was forgotten, and its ids look like this one's.
    let forgotten = json!(format!("{}.1.0", StreamId::generate()));

    for id in [answered, cancelled, ended, forgotten] {
        let refusal =
            json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -1, "message": "no" } });
        let progress = notification(
            "notifications/progress",
            json!({ "progressToken": id, "progress": 1 }),
        );
        let cancel = notification("notifications/cancelled", json!({ "requestId": id }));
        for message in [answer(&id), refusal, progress, cancel] {
            let reply = client.legacy(&other, &session, &message).await;
            assert_eq!(reply.status(), StatusCode::ACCEPTED, "{message}");
        }
    }
    let (asked, events) = ask(4).await;
    client.legacy(&other, &session, &answer(&asked)).await;
    let told = format!("{:?}", events.rest().await);
    assert!(told.contains("late"), "{told}");
    cluster.assert_idle().await;
}

fn text(id: &Value) -> &str {
    id.as_str().expect("is text")
}

#[tokio::test]
async fn a_client_without_a_model_gets_the_mock_summary() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let session = client
        .open_session_with(&url, "2025-11-25", json!({}))
        .await;
    let call = tool(
        "summarize",
        json!({ "text": "First sentence. Second sentence." }),
    );
    let old = client
        .legacy(&url, &session, &legacy(1, "tools/call", call.clone()))
        .await;
    let new = client.modern(&url, &modern(1, "tools/call", call)).await;
    let (old, new) = (old.response().await, new.response().await);
    assert_eq!(old["result"]["content"], new["result"]["content"]);
    assert!(
        old["result"]["content"][0]["text"]
            .to_string()
            .contains("First"),
        "{old}"
    );
}

#[tokio::test]
async fn a_modern_client_is_asked_by_a_result_and_answers_with_the_next_request() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let mut table = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    let can = json!({ "elicitation": {} });
    let first = modern_with(1, "tools/call", table.clone(), can.clone());
    let asked = client
        .modern(&cluster.gateway(0), &first)
        .await
        .response()
        .await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let requests = asked["result"]["inputRequests"]
        .as_object()
        .expect("questions");
    let (key, question) = requests.iter().next().expect("a question");
    assert_eq!(question["method"], "elicitation/create");
    table["inputResponses"][key] = json!({ "action": "accept", "content": { "confirm": true } });
    if let Some(state) = asked["result"].get("requestState") {
        table["requestState"] = state.clone();
    }
    let second = modern_with(2, "tools/call", table, can);
    let booked = client
        .modern(&cluster.gateway(1), &second)
        .await
        .response()
        .await;
    assert_eq!(booked["result"]["resultType"], "complete", "{booked}");
    assert!(
        !booked["result"]["content"]
            .to_string()
            .to_lowercase()
            .contains("not booked")
    );
    cluster.assert_idle().await;
}

fn chosen(choice: &str) -> Value {
    json!({ "action": "accept", "content": { "choice": choice } })
}

#[tokio::test]
async fn a_question_that_depends_on_another_is_asked_in_a_legacy_session() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let call = legacy(1, "tools/call", tool("plan_trip", json!({})));
    let reply = client.legacy(&cluster.proxy(), &session, &call).await;
    let mut events = reply.events();
    for choice in ["sea", "sail"] {
        let question = events.expect("elicitation/create").await;
        let options = &question["params"]["requestedSchema"]["properties"]["choice"]["enum"];
        let offered = options.as_array().expect("options");
        assert!(offered.contains(&json!(choice)), "{question}");
        let answer = answering(&question["id"], chosen(choice));
        client.legacy(&cluster.proxy(), &session, &answer).await;
    }
    let last = events.rest().await.pop().expect("a response");
    assert_eq!(last["result"]["content"][0]["text"], "You sail in the sea.");
}

/// A call of `plan_trip` of a client that can ask its user, as the next round of `before`.
fn next_round(id: u64, before: &Value, key: &str, choice: &str) -> Value {
    let mut params = tool("plan_trip", json!({}));
    params["inputResponses"][key] = chosen(choice);
    if let Some(state) = before["result"].get("requestState") {
        params["requestState"] = state.clone();
    }
    modern_with(id, "tools/call", params, json!({ "elicitation": {} }))
}

#[tokio::test]
async fn a_question_that_depends_on_another_is_asked_in_rounds_on_any_worker() {
    let mut cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = cluster.client.clone();
    let url = cluster.proxy();
    let first = tool("plan_trip", json!({}));
    let first = modern_with(1, "tools/call", first, json!({ "elicitation": {} }));
    let first = client.modern(&url, &first).await.response().await;
    assert_eq!(first["result"]["resultType"], "input_required", "{first}");
    assert!(
        first["result"]["inputRequests"]["place"].is_object(),
        "{first}"
    );
    let second = next_round(2, &first, "place", "mountains");
    let second = client.modern(&url, &second).await.response().await;
    let asked = &second["result"]["inputRequests"]["activity"]["params"]["requestedSchema"];
    assert_eq!(
        asked["properties"]["choice"]["enum"],
        json!(["hike", "ski"]),
        "{second}"
    );
    // Every worker that was there is replaced: the state lies with the client.
    cluster.restart_worker(0).await;
    cluster.restart_worker(1).await;
    let third = next_round(3, &second, "activity", "hike");
    let third = client.modern(&url, &third).await.response().await;
    assert_eq!(
        third["result"]["content"][0]["text"], "You hike in the mountains.",
        "{third}"
    );
}

#[tokio::test]
async fn a_state_that_was_changed_or_is_of_another_request_is_refused() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let nothing = json!({ "result": {} });
    let asked = client
        .modern(&url, &next_round(1, &nothing, "place", "sea"))
        .await
        .response()
        .await;
    let state = asked["result"]["requestState"].as_str().expect("a state");
    let changed = json!({ "result": { "requestState": format!("{state}-TAMPERED") } });
    let refused = client
        .modern(&url, &next_round(2, &changed, "activity", "sail"))
        .await;
    assert_eq!(refused.response().await["error"]["code"], -32602);
    let mut other = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    other["requestState"] = json!(state);
    let other = modern_with(3, "tools/call", other, json!({ "elicitation": {} }));
    assert_eq!(
        client.modern(&url, &other).await.response().await["error"]["code"],
        -32602
    );
}

#[tokio::test]
async fn a_client_without_the_capability_is_told_in_the_way_of_its_era() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let call = tool("plan_trip", json!({}));
    let refused = client
        .modern(&url, &modern(1, "tools/call", call.clone()))
        .await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let error = refused.json().await["error"].clone();
    assert_eq!(error["code"], -32021);
    assert_eq!(
        error["data"]["requiredCapabilities"],
        json!({ "elicitation": {} })
    );
    let session = client
        .open_session_with(&url, "2025-11-25", json!({}))
        .await;
    let answer = client
        .legacy(&url, &session, &legacy(1, "tools/call", call))
        .await
        .response()
        .await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(
        answer["result"]["content"][0]["text"]
            .to_string()
            .contains("elicitation"),
        "{answer}"
    );
}
