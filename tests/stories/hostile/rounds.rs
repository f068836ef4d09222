//! What a modern client carries from round to round: servers must take it for an attacker's (2026-07-28, Multi
//! Round-Trip Requests, Server Requirements).

use std::time::Duration;

use prynai_test_harness::cluster::STATE_KEY;
use rmcp::model::{RequestStateCodec, SealOptions};
use serde_json::{Value, json};

use super::{Modern, Target, refused, request, taken};

const TRIP: &str = "tools/call plan_trip";

/// Seals the answer "sea" to the first question of `plan_trip`, as a worker with `key` would for a request that is
/// bound to `binding`.
fn sealed(key: &str, binding: &Value, ttl: Option<Duration>) -> String {
    let codec = RequestStateCodec::try_new(key.as_bytes()).expect("is long enough");
    let answers = json!({ "place": { "action": "accept", "content": { "choice": "sea" } } });
    let binding = binding.to_string();
    let options = SealOptions::new().associated_data(binding.as_bytes());
    let options = match ttl {
        Some(ttl) => options.ttl(ttl),
        None => options,
    };
    codec.seal_json_with(&answers, &options).expect("is JSON")
}

/// Who asks for what: the call whose state it is.
fn own() -> Value {
    json!(["anonymous", "tools/call", "plan_trip", {}])
}

fn round(state: &str) -> String {
    let answer = r#"{"activity":{"action":"accept","content":{"choice":"sail"}}}"#;
    let state = json!(state);
    let params = format!(
        r#""name":"plan_trip","arguments":{{}},"requestState":{state},"inputResponses":{answer}"#
    );
    request(Modern, "tools/call", &params)
}

#[tokio::test]
async fn state_that_is_not_as_it_was_signed_is_refused() {
    let mut target = Target::start().await;
    let good = sealed(STATE_KEY, &own(), Some(Duration::from_secs(60)));
    let expired = sealed(STATE_KEY, &own(), Some(Duration::ZERO));
    let foreign = sealed(&"another key ".repeat(3), &own(), None);
    let other = |position: usize, value: Value| {
        let mut binding = own();
        binding[position] = value;
        sealed(STATE_KEY, &binding, None)
    };
    let mut flipped = good.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let states = [
        ("none", String::new()),
        ("nonsense", "state".to_owned()),
        ("JSON", r#"{"place":{"action":"accept"}}"#.to_owned()),
        ("half", good[..middle].to_owned()),
        ("twice", good.repeat(2)),
        ("a tail", format!("{good}A")),
        ("a flipped bit", String::from_utf8(flipped).expect("ASCII")),
        ("another case", good.to_uppercase()),
        ("expired", expired),
        ("another server's", foreign),
        ("another caller's", other(0, json!("somebody"))),
        ("nobody's", other(0, json!(null))),
        ("another method's", other(1, json!("prompts/get"))),
        ("another tool's", other(2, json!("book_table"))),
        ("other arguments'", other(3, json!({ "a": 1 }))),
        ("large", "A".repeat(500 * 1024)),
    ];
    for (what, state) in states {
        // The handler is asked: whether it needs the state is its own affair.
        let request = target.post(Modern, "tools/call", Some("plan_trip"), round(&state));
        target
            .attack([refused(what, request, 200, -32602).reaching(TRIP)])
            .await;
    }
    let honest = target.post(Modern, "tools/call", Some("plan_trip"), round(&good));
    target
        .attack([taken("its own", honest, 200).reaching(TRIP)])
        .await;
    target.assert_unharmed().await;
}

/// Answers that cannot be understood: -32602, and the question stays open.
const ANSWERS: [&str; 7] = [
    "null",
    "7",
    "\"accept\"",
    "[]",
    "{}",
    r#"{"action":7}"#,
    r#"{"action":"steal"}"#,
];

#[tokio::test]
async fn answers_that_say_nothing_are_refused() {
    let mut target = Target::start().await;
    for answer in ANSWERS {
        let params =
            format!(r#""name":"plan_trip","arguments":{{}},"inputResponses":{{"place":{answer}}}"#);
        let request = target.post(
            Modern,
            "tools/call",
            Some("plan_trip"),
            request(Modern, "tools/call", &params),
        );
        target
            .attack([refused(answer, request, 200, -32602).reaching(TRIP)])
            .await;
    }
    target.assert_unharmed().await;
}
