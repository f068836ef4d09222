use std::sync::atomic::Ordering;
use std::time::Duration;

use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_everything::Everything;
use serde_json::{Value, json};

use crate::probe::probe;
use crate::stage::{Stage, message, soon, text};

fn booking() -> Value {
    json!({"name": "book_table", "arguments": {"restaurant": "Roma", "people": 2}})
}

/// Enqueues a call of a legacy session and reads its question.
async fn question(stage: &mut Stage, request: &RequestEnvelope) -> Value {
    stage.enqueue(request).await;
    let event = stage.event().await;
    assert_eq!((event.kind, event.offset), (EventKind::Message, 1));
    message(&event)
}

async fn answer(stage: &mut Stage, request: &RequestEnvelope, id: &Value, said: Value) -> Value {
    let session = request.session.as_ref().expect("a session").id.clone();
    let mut mail = json!({"jsonrpc": "2.0", "id": id});
    mail.as_object_mut()
        .expect("an object")
        .extend(said.as_object().expect("an object").clone());
    stage.post_mail(request.stream, &session, mail).await;
    let events = stage.rest_of(request.stream).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].offset, 2);
    message(&events[0])
}

#[tokio::test]
async fn a_question_is_put_and_answered_in_a_session() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for (said, expected) in [
        (
            json!({"result": {"action": "accept", "content": {"confirm": true, "time": "20:00"}}}),
            "Booked: Roma on today at 20:00 for 2 people.",
        ),
        (
            json!({"result": {"action": "accept", "content": {"confirm": false}}}),
            "Not booked: it was not confirmed.",
        ),
        (
            json!({"result": {"action": "decline"}}),
            "Not booked: you declined.",
        ),
        (
            json!({"result": {"action": "cancel"}}),
            "Not booked: you cancelled.",
        ),
    ] {
        let request = stage.legacy_with("tools/call", &booking(), &json!({"elicitation": {}}));
        let question = question(&mut stage, &request).await;
        assert_eq!(question["method"], "elicitation/create");
        assert_eq!(question["id"], format!("{}.1.0", request.stream));
        let response = answer(&mut stage, &request, &question["id"], said).await;
        assert_eq!(text(&response), expected);
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_client_may_answer_with_an_error() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let request = stage.legacy_with("tools/call", &booking(), &json!({"elicitation": {}}));
    let question = question(&mut stage, &request).await;
    let said = json!({"error": {"code": -1, "message": "no user here"}});
    let response = answer(&mut stage, &request, &question["id"], said).await;
    assert_eq!(response["error"]["message"], "no user here");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn progress_of_an_answer_keeps_the_call_waiting() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let request = stage.legacy_with("tools/call", &booking(), &json!({"elicitation": {}}));
    let question = question(&mut stage, &request).await;
    let token = &question["params"]["_meta"]["progressToken"];
    assert_eq!(*token, format!("{}.1.0", request.stream));
    let session = request.session.as_ref().expect("a session").id.clone();
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": token, "progress": 0.5}});
    stage.post_mail(request.stream, &session, progress).await;
    let noise = json!({"jsonrpc": "2.0", "id": "somebody else's", "result": {}});
    stage.post_mail(request.stream, &session, noise).await;
    let said = json!({"result": {"action": "decline"}});
    let response = answer(&mut stage, &request, &question["id"], said).await;
    assert_eq!(text(&response), "Not booked: you declined.");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn the_clients_model_is_asked_in_a_session() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let params = json!({"name": "summarize", "arguments": {"text": "A long text."}});
    let request = stage.legacy_with("tools/call", &params, &json!({"sampling": {}}));
    let question = question(&mut stage, &request).await;
    assert_eq!(question["method"], "sampling/createMessage");
    let said = json!({"result": {"role": "assistant", "model": "m",
        "content": {"type": "text", "text": "Short."}}});
    let response = answer(&mut stage, &request, &question["id"], said).await;
    assert_eq!(text(&response), "Short.");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_question_is_a_round_in_a_modern_request() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let able = json!({"elicitation": {"form": {}}});
    let first = stage.modern_with("tools/call", booking(), able.clone());
    let response = stage.response(&first).await;
    let result = &response["result"];
    assert_eq!(result["resultType"], "input_required", "{response}");
    let question = &result["inputRequests"]["confirm"];
    assert_eq!(question["method"], "elicitation/create");
    assert!(question["params"]["requestedSchema"]["properties"]["confirm"].is_object());
    let mut params = booking();
    params["inputResponses"] =
        json!({"confirm": {"action": "accept", "content": {"confirm": true}}});
    let second = stage.modern_with("tools/call", params, able);
    let response = stage.response(&second).await;
    assert_eq!(
        text(&response),
        "Booked: Roma on today at 19:30 for 2 people."
    );
    worker.stop(&stage).await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_understood_is_refused() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let mut params = booking();
    params["inputResponses"] = json!({"confirm": {"action": "perhaps"}});
    let request = stage.modern_with("tools/call", params, json!({"elicitation": {}}));
    let response = stage.response(&request).await;
    assert_eq!(response["error"]["code"], -32602, "{response}");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn clients_without_the_capability_get_a_substitute_or_a_reason() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let summarize = json!({"name": "summarize", "arguments": {"text": "One. Two."}});
    for request in [
        stage.modern("tools/call", summarize.clone()),
        stage.legacy_with("tools/call", &summarize, &json!({})),
    ] {
        let response = stage.response(&request).await;
        assert_eq!(text(&response), "[mock summary] One.");
    }
    for request in [
        stage.modern("tools/call", booking()),
        stage.legacy_with("tools/call", &booking(), &json!({})),
        stage.legacy_with(
            "tools/call",
            &booking(),
            &json!({"elicitation": {"url": {}}}),
        ),
    ] {
        let response = stage.response(&request).await;
        assert_eq!(response["result"]["isError"], true, "{response}");
        assert!(text(&response).contains("elicitation"), "{response}");
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn calls_that_wait_for_their_clients_let_others_run() {
    let mut stage = Stage::new().await;
    let worker = stage.serve_at_once(Everything::new(), 1);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let request = stage.legacy_with("tools/call", &booking(), &json!({"elicitation": {}}));
        let question = question(&mut stage, &request).await;
        waiting.push((request, question["id"].clone()));
    }
    let add = stage.modern_call("add", json!({"a": 2, "b": 40}));
    assert!(stage.response(&add).await["result"].is_object());
    for (request, id) in waiting {
        let said = json!({"result": {"action": "decline"}});
        let response = answer(&mut stage, &request, &id, said).await;
        assert_eq!(text(&response), "Not booked: you declined.");
    }
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_answered_call_waits_for_its_turn() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve_at_once(probe, 1);
    let params = json!({"name": "ask, then hold"});
    let asks = stage.legacy_with("tools/call", &params, &json!({"roots": {}}));
    let question = question(&mut stage, &asks).await;
    let holds = stage.modern_call("hold", json!({}));
    stage.enqueue(&holds).await;
    for _ in 0..2 {
        soon("the call", watch.begun.recv()).await;
    }
    let session = asks.session.as_ref().expect("a session").id.clone();
    let mail = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": []}});
    stage.post_mail(asks.stream, &session, mail).await;
    // Long enough for a call that would not wait.
    tokio::time::sleep(Duration::from_secs(60)).await;
    for waits in [holds.stream, asks.stream] {
        watch.release.add_permits(1);
        stage.rest_of(waits).await;
    }
    assert_eq!(watch.most_at_once.load(Ordering::SeqCst), 1);
    worker.stop(&stage).await;
}
