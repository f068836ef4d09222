//! Work before a question is done once for all rounds of a call. `buy` numbers its reservations, so the number in a
//! response says how many were made.

use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_everything::Everything;
use prynai_worker_engine::RequestStateKeys;
use serde_json::{Value, json};

use crate::stage::{Stage, message, text};

fn can_ask() -> Value {
    json!({"elicitation": {}})
}

/// A call of `buy`, with what else the client says in `params`.
fn buy(stage: &Stage, arguments: Value, said: Value) -> RequestEnvelope {
    let mut params = json!({"name": "buy", "arguments": arguments});
    let said = said.as_object().expect("an object").clone();
    params.as_object_mut().expect("an object").extend(said);
    stage.modern_with("tools/call", params, can_ask())
}

fn confirmed() -> Value {
    json!({"confirm": {"action": "accept", "content": {"confirm": true}}})
}

/// The question of a round, and the state that it came with.
async fn asked(stage: &mut Stage, request: &RequestEnvelope) -> (String, Value) {
    let response = stage.response(request).await;
    let result = &response["result"];
    let question = &result["inputRequests"]["confirm"]["params"]["message"];
    let question = question.as_str().unwrap_or_else(|| panic!("{response}"));
    (question.to_owned(), result["requestState"].clone())
}

#[tokio::test]
async fn a_client_that_brings_the_state_has_the_work_done_once() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let lamp = || json!({"item": "lamp"});
    let first = buy(&stage, lamp(), json!({}));
    let (question, state) = asked(&mut stage, &first).await;
    assert_eq!(question, "Buy lamp, reservation 1?");

    // Asked again, because the answer is missing.
    let again = buy(&stage, lamp(), json!({"requestState": state}));
    let (question, state) = asked(&mut stage, &again).await;
    assert_eq!(question, "Buy lamp, reservation 1?");

    let answer = json!({"requestState": state, "inputResponses": confirmed()});
    let bought = stage.response(&buy(&stage, lamp(), answer)).await;
    let expected = "Bought: lamp, by reservation 1; 1 sold so far.";
    assert_eq!(text(&bought), expected);

    // The next client, or the same one that begins anew and lost the state.
    let answer = json!({"inputResponses": confirmed()});
    let bought = stage.response(&buy(&stage, lamp(), answer)).await;
    let expected = "Bought: lamp, by reservation 2; 2 sold so far.";
    assert_eq!(text(&bought), expected);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_numbered_order_keeps_its_reservation_when_its_client_begins_anew() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for (caller, order, reservation) in [
        ("alice", "7", 1),
        ("alice", "7", 1),
        ("alice", "8", 2),
        ("bob", "7", 3),
        ("alice", "7", 1),
    ] {
        let arguments = json!({"item": "lamp", "order": order});
        let request = RequestEnvelope {
            principal: Principal::named(caller),
            ..buy(&stage, arguments, json!({}))
        };
        let (question, _) = asked(&mut stage, &request).await;
        let expected = format!("Buy lamp, reservation {reservation}?");
        assert_eq!(question, expected, "{caller} {order}");
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_result_that_the_client_made_up_is_none() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let lamp = || json!({"item": "lamp"});
    for key in ["reservation", "ai.prynai/result:reservation"] {
        let made_up = json!({"inputResponses": {key: 1000}});
        let request = buy(&stage, lamp(), made_up);
        let (question, _) = asked(&mut stage, &request).await;
        assert!(!question.contains("1000"), "{question}");
    }
    // The state of one order is of no use for another.
    let first = buy(&stage, lamp(), json!({}));
    let (_, state) = asked(&mut stage, &first).await;
    let chair = json!({"item": "chair"});
    let stolen = buy(&stage, chair, json!({"requestState": state}));
    let refused = stage.response(&stolen).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn without_a_key_no_work_begins() {
    let mut stage = Stage::new().await;
    let keyless = stage.serve_keyed(Everything::new(), 8, RequestStateKeys::default());
    let lamp = || json!({"item": "lamp"});
    let refused = stage.response(&buy(&stage, lamp(), json!({}))).await;
    assert_eq!(refused["error"]["code"], -32603, "{refused}");
    keyless.stop(&stage).await;

    let worker = stage.serve(Everything::new());
    let request = buy(&stage, lamp(), json!({}));
    let (question, _) = asked(&mut stage, &request).await;
    assert_eq!(question, "Buy lamp, reservation 1?");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn in_a_session_the_work_is_done_while_the_handler_waits() {
    let mut stage = Stage::new().await;
    // A session needs no key: its answers are not carried by the client.
    let worker = stage.serve_keyed(Everything::new(), 8, RequestStateKeys::default());
    let params = json!({"name": "buy", "arguments": {"item": "lamp"}});
    let request = stage.legacy_with("tools/call", &params, &can_ask());
    stage.enqueue(&request).await;
    let question = message(&stage.event().await);
    assert_eq!(question["params"]["message"], "Buy lamp, reservation 1?");
    let session = request.session.as_ref().expect("a session").id.clone();
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": confirmed()["confirm"]});
    stage.post_mail(request.stream, &session, answer).await;
    let last = stage.rest_of(request.stream).await.pop();
    let response = message(&last.expect("a response"));
    let expected = "Bought: lamp, by reservation 1; 1 sold so far.";
    assert_eq!(text(&response), expected);
    worker.stop(&stage).await;
}
