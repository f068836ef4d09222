//! What one principal said, did or stored is nothing to another.

use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_everything::Everything;
use serde_json::{Value, json};

use crate::probe::probe;
use crate::stage::{Stage, text};

/// A request of somebody else than the stage's usual caller.
fn of(subject: &str, request: RequestEnvelope) -> RequestEnvelope {
    RequestEnvelope {
        principal: Principal::named(subject),
        ..request
    }
}

fn chosen(choice: &str) -> Value {
    json!({"action": "accept", "content": {"choice": choice}})
}

#[tokio::test]
async fn answers_given_by_one_are_no_answers_of_another() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let trip = |stage: &Stage, said: Value| {
        let mut params = json!({"name": "plan_trip", "arguments": {}});
        let said = said.as_object().expect("an object").clone();
        params.as_object_mut().expect("an object").extend(said);
        stage.modern_with("tools/call", params, json!({"elicitation": {}}))
    };
    let first = trip(&stage, json!({"inputResponses": {"place": chosen("sea")}}));
    let asked = stage.response(&of("alice", first)).await;
    let state = asked["result"]["requestState"].clone();
    assert!(state.is_string(), "{asked}");

    let second = json!({"requestState": state, "inputResponses": {"activity": chosen("sail")}});
    for stranger in ["bob", "", "alice ", "Alice", "anonymous"] {
        let stolen = of(stranger, trip(&stage, second.clone()));
        let refused = stage.response(&stolen).await;
        assert_eq!(refused["error"]["code"], -32602, "{stranger}: {refused}");
        assert!(
            !refused.to_string().contains("sea"),
            "{stranger}: {refused}"
        );
    }
    let own = of("alice", trip(&stage, second));
    assert_eq!(text(&stage.response(&own).await), "You sail in the sea.");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn one_key_of_two_principals_is_two_keys() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let meta = json!({"ai.prynai/idempotencyKey": "order-1"});
    let params = json!({"name": "bump_counter", "arguments": {}, "_meta": meta});
    for (caller, value) in [("alice", "1"), ("bob", "2"), ("alice", "1"), ("bob", "2")] {
        let call = of(caller, stage.modern("tools/call", params.clone()));
        assert_eq!(text(&stage.response(&call).await), value, "{caller}");
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn the_state_of_a_principal_is_its_own() {
    let mut stage = Stage::new().await;
    let (probe, _watch) = probe();
    let worker = stage.serve(probe);
    for count in ["1", "2"] {
        for caller in ["alice", "bob", "", "a}:state:count", "global"] {
            let call = of(caller, stage.modern_call("count mine", json!({})));
            assert_eq!(text(&stage.response(&call).await), count, "{caller}");
        }
    }
    worker.stop(&stage).await;
}
