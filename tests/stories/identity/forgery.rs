//! A fleet with an envelope key: whoever may only write to Redis is not heard.

use prynai_bus::ids::{GatewayId, StreamId};
use prynai_bus::wire::request::RequestEnvelope;
use prynai_test_harness::client::{answering, legacy, modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan, QUEUE};
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Value, json};

const OLD: &str = "the envelope key that is replaced";
const NEW: &str = "the envelope key that replaces it";
const DEAD: &str = "prynai:{main.0}:dead";

type Fields = Vec<(String, String)>;

fn signed(gateways: &str, workers: &str) -> ClusterPlan {
    let plan = Cluster::new().gateway_args(&["--envelope-key", gateways]);
    plan.worker_args(&["--envelope-key", workers])
}

fn bump(counter: &str) -> Value {
    let call = tool("bump_counter", json!({ "name": counter }));
    modern(1, "tools/call", call)
}

async fn entries(cluster: &Cluster, stream: &str) -> Vec<(String, Fields)> {
    cluster.redis.command(&["XRANGE", stream, "-", "+"]).await
}

async fn put(cluster: &Cluster, fields: &Fields) -> String {
    let mut add = vec!["XADD", QUEUE, "*"];
    add.extend(fields.iter().flat_map(|(name, value)| [&**name, value]));
    cluster.redis.command(&add).await
}

fn with(fields: &Fields, changed: &str, to: &str) -> Fields {
    let mut fields = fields.clone();
    let value = fields.iter_mut().find(|(name, _)| name == changed);
    value.expect("is there").1 = to.to_owned();
    fields
}

#[tokio::test]
async fn a_fleet_works_while_its_key_is_replaced() {
    let plan = signed(&format!("{NEW},{OLD}"), &format!("{OLD},{NEW}"));
    let cluster = plan.gateways(2).start().await;
    let client = &cluster.client;
    let bumped = client.modern(&cluster.gateway(0), &bump("a")).await;
    assert_eq!(
        bumped.response().await["result"]["structuredContent"]["value"],
        1
    );

    // The answer to a question is signed as well.
    let session = client.open_session(&cluster.gateway(0)).await;
    let table = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    let call = legacy("t", "tools/call", table);
    let mut events = client
        .legacy(&cluster.gateway(0), &session, &call)
        .await
        .events();
    let question = events.expect("elicitation/create").await;
    let answer = json!({ "action": "accept", "content": { "confirm": true } });
    let answer = answering(&question["id"], answer);
    client.legacy(&cluster.gateway(1), &session, &answer).await;
    let rest = events.rest().await;
    let text = rest.last().expect("a response")["result"]["content"][0]["text"].to_string();
    assert!(text.contains("Booked"), "{text}");
    assert_eq!(entries(&cluster, DEAD).await, []);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_forged_request_is_not_run() {
    let mut cluster = signed(NEW, NEW).start().await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    // The worker is held, so that there is a genuine request to be seen.
    cluster.worker_process(0).signal("-STOP");
    let asked = {
        let (client, url) = (client.clone(), url.clone());
        tokio::spawn(async move { client.modern(&url, &bump("own")).await.response().await })
    };
    let (own, fields) = eventually!(entries(&cluster, QUEUE).await.pop());
    let victim = r#"{"subject":"the victim"}"#;
    let unsigned: Fields = {
        let envelope = RequestEnvelope::from_fields(fields.iter().map(|(k, v)| (&**k, &**v)));
        let forged = RequestEnvelope {
            stream: StreamId::generate(),
            holder: GatewayId::from("gw-elsewhere"),
            ..envelope.expect("is read")
        };
        let fields = forged.to_fields().expect("is written").into_iter();
        fields
            .map(|(name, value)| (name.to_owned(), value.into_owned()))
            .collect()
    };
    let elsewhere = with(&fields, "holder", "gw-elsewhere");
    let named = with(&fields, "principal", victim);
    let other_stream = with(&fields, "stream", &StreamId::generate().to_string());
    let mut forged = Vec::new();
    for fields in [unsigned, elsewhere, named, other_stream] {
        forged.push(put(&cluster, &fields).await);
    }
    cluster.worker_process(0).signal("-CONT");

    let answer = asked.await.expect("is answered");
    assert_eq!(
        answer["result"]["structuredContent"]["value"], 1,
        "{answer}"
    );
    assert_eventually!(entries(&cluster, DEAD).await.len() == forged.len());
    for (letter, entry) in entries(&cluster, DEAD).await.iter().zip(&forged) {
        assert_eq!(letter.1[0], ("entry".to_owned(), entry.clone()));
        assert!(letter.1[1].1.contains("signed"), "{letter:?}");
    }
    assert!(!forged.contains(&own));
    let again = client.modern(&url, &bump("own")).await.response().await;
    assert_eq!(
        again["result"]["structuredContent"]["value"], 2,
        "a forged one ran"
    );
    let warning = "ignored what no gateway of this fleet signed: somebody else writes to this Redis, or the gateways have \
                   other envelope keys";
    cluster.worker_process(0).logged(warning).await;
    let log = cluster.worker_process(0).log().join("\n");
    for content in ["the victim", "elsewhere", "bump_counter", NEW] {
        assert!(!log.contains(content), "{log}");
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn the_client_of_a_gateway_without_the_key_is_told() {
    let plan = Cluster::new().worker_args(&["--envelope-key", NEW]);
    let cluster = plan.start().await;
    let answer = cluster.client.modern(&cluster.gateway(0), &bump("a")).await;
    let answer = answer.response().await;
    assert_eq!(answer["error"]["data"]["outcome"], "unknown", "{answer}");
    let letters = entries(&cluster, DEAD).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].1[1].1, "it is not signed");
    cluster.assert_idle().await;
}
