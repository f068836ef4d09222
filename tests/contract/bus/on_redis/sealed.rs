//! A bus with keys that seal tasks: who reads Redis reads nothing that a task was told or says.

use std::collections::BTreeMap;
use std::time::Duration;

use prynai_bus::operations::TaskStatus;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::task::{Answer, Inputs, Parking, Promotion, Question, TaskBirth, TaskState};
use prynai_bus::{Answered, BusError, Claim, KeyState, KeyUse, Ownership};
use prynai_test_redis::server::{RedisServer, unique_prefix};
use redis::Value;
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, finish, json, redis_dead_letters};
use crate::task_store::{OWNER, promotion};

/// Stands in everything that nobody must read.
const SECRET: &str = "a secret of the client";

const KEPT: Duration = Duration::from_secs(600);

struct Fleet {
    server: std::sync::Arc<RedisServer>,
    prefix: String,
    scene: Scene,
}

impl Fleet {
    async fn with_keys(sides: [&[&str]; 2]) -> Self {
        let server = RedisServer::shared().await;
        let prefix = unique_prefix();
        let scene = Scene::sealed(&server, &prefix, sides).await;
        Self {
            server,
            prefix,
            scene,
        }
    }

    /// All that lies in Redis of this fleet, as text.
    async fn raw(&self) -> String {
        let mut all = String::new();
        let keys: Vec<String> = self
            .server
            .command(&["KEYS", &format!("{}*", self.prefix)])
            .await;
        for key in &keys {
            let kind: String = self.server.command(&["TYPE", key]).await;
            let read: &[&str] = match kind.as_str() {
                "string" => &["GET", key],
                "hash" => &["HGETALL", key],
                "list" => &["LRANGE", key, "0", "-1"],
                "zset" => &["ZRANGE", key, "0", "-1"],
                "stream" => &["XRANGE", key, "-", "+"],
                other => panic!("{key} is a {other}, which this test cannot read"),
            };
            all.push_str(key);
            spell(&self.server.command::<Value>(read).await, &mut all);
        }
        all
    }

    /// Nothing that nobody must read lies in Redis, and this finds what does lie there.
    async fn is_sealed(&self, at: &str) {
        let raw = self.raw().await;
        assert!(!raw.contains(SECRET), "{at}: {raw}");
        assert!(raw.contains(OWNER), "{at}: {raw}");
    }

    /// A request whose client takes a task.
    fn request(&self) -> RequestEnvelope {
        let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"to":"SECRET"}}}"#;
        RequestEnvelope {
            method: "tools/call".to_owned(),
            name: Some("pay".to_owned()),
            takes_task: true,
            principal: prynai_bus::wire::principal::Principal::named(OWNER),
            headers: [("mcp-param-to".to_owned(), SECRET.to_owned())].into(),
            message: json(&message.replace("SECRET", SECRET)),
            ..self.scene.request()
        }
    }

    async fn end(&self, owner: &Ownership, offset: u64) -> Result<(), prynai_bus::Refusal> {
        self.end_with(owner, offset, &result()).await
    }

    async fn end_with(
        &self,
        owner: &Ownership,
        offset: u64,
        response: &str,
    ) -> Result<(), prynai_bus::Refusal> {
        let message = json(response);
        let end = StreamEvent::new(owner.stream, offset, EventKind::Final, message);
        let end = self.scene.workers.at_rest(end);
        let ended = self.scene.workers.finish(&[finish(owner, &end)]).await;
        ended.expect("finished").remove(0)
    }

    async fn claims(&self) -> Vec<Claim> {
        let never = CancellationToken::new();
        let scene = &self.scene;
        let claim = scene
            .workers
            .claim(&scene.worker, 9, Duration::ZERO, &never);
        claim.await.expect("claimed")
    }
}

fn spell(value: &Value, into: &mut String) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| spell(value, into)),
        Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            spell(key, into);
            spell(value, into);
        }),
        Value::BulkString(bytes) => into.push_str(&String::from_utf8_lossy(bytes)),
        other => into.push_str(&format!("{other:?}")),
    }
    into.push('\n');
}

fn result() -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":"{SECRET}"}}}}"#)
}

fn asks() -> Parking {
    Parking {
        questions: vec![Question {
            key: "name".to_owned(),
            name: format!("for {SECRET}"),
            request: json(&format!(r#"{{"method":"x","params":"{SECRET}"}}"#)),
        }],
        left: Some(format!("left {SECRET}")),
        record: None,
    }
}

#[tokio::test]
async fn nothing_that_a_task_was_told_or_says_can_be_read_in_redis() {
    let fleet = Fleet::with_keys([&["a"], &["a"]]).await;
    let (scene, request) = (&fleet.scene, fleet.request());
    let claim = scene.claimed(&request).await;
    assert_eq!(claim.request, request);
    fleet.is_sealed("queued").await;
    let owner = claim.ownership(&scene.worker);
    scene.promote(&owner, 1).await;
    let said = scene.workers.note_status(&owner, SECRET).await;
    assert_eq!(said.expect("noted"), Ok(()));
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(task.message.as_deref(), Some(SECRET));
    fleet.is_sealed("running").await;

    let parked = scene.workers.park(&owner, &asks()).await;
    assert_eq!(parked.expect("parked"), Ok(()));
    fleet.is_sealed("asking").await;
    let task = scene.task(owner.stream).await.expect("is there");
    let asked = BTreeMap::from([("name".to_owned(), asks().questions.remove(0).request)]);
    assert_eq!(task.state, TaskState::Asking(asked));
    let given = json(&format!(r#"{{"told":"{SECRET}"}}"#));
    let answers = BTreeMap::from([("name".to_owned(), given.clone())]);
    let answered = scene.gateways.answer(&owner.stream, OWNER, &answers).await;
    assert_eq!(answered.expect("answered"), Some(Answered::Taken));
    fleet.is_sealed("answered").await;

    let (claim, again) = scene.come_back(&scene.worker).await;
    assert_eq!(claim.request.message, request.message);
    let inputs = scene.workers.inputs(&again).await.expect("read");
    let told = Inputs {
        round: 1,
        left: asks().left,
        answers: vec![Answer {
            key: "name".to_owned(),
            name: format!("for {SECRET}"),
            answer: given,
        }],
    };
    assert_eq!(inputs, Ok(told));
    assert_eq!(fleet.end(&again, 2).await, Ok(()));
    fleet.is_sealed("ended").await;
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(task.state, TaskState::Ended(json(&result())));
}

#[tokio::test]
async fn an_outcome_of_a_task_is_sealed_under_its_key_too() {
    let fleet = Fleet::with_keys([&["a"], &["a"]]).await;
    let once = KeyUse {
        record: OWNER.to_owned(),
        fingerprint: "the same".to_owned(),
        stream: fleet.request().stream,
        delivery: 1,
        takes_task: true,
        share: fleet.request().principal.share(),
    };
    let workers = &fleet.scene.workers;
    let outcome = Outcome::result(json(&format!(r#"{{"content":"{SECRET}"}}"#)));
    let begun = workers.begin_once(&once, KEPT).await;
    assert_eq!(begun.expect("begun"), KeyState::Yours);
    let recorded = workers.record_outcome(&once, &outcome, KEPT).await;
    assert!(recorded.expect("recorded"));
    fleet.is_sealed("recorded").await;
    let again = workers.begin_once(&once, KEPT).await;
    assert_eq!(again.expect("is there"), KeyState::Ended(outcome));
}

#[tokio::test]
async fn a_call_that_takes_no_task_is_as_it_was() {
    let fleet = Fleet::with_keys([&["a"], &["a"]]).await;
    let plain = RequestEnvelope {
        takes_task: false,
        ..fleet.request()
    };
    let claim = fleet.scene.claimed(&plain).await;
    assert_eq!(claim.request, plain);
    assert!(fleet.raw().await.contains(SECRET));
}

#[tokio::test]
async fn who_has_another_key_or_none_is_told_and_reads_nothing() {
    for sides in [[&["a"][..], &["b"]], [&["a"], &[]], [&[], &["b"]]] {
        let fleet = Fleet::with_keys(sides).await;
        let scene = &fleet.scene;
        // The request does not run, and its client is answered.
        let request = fleet.request();
        let queued = scene.gateways.enqueue(&request).await;
        queued.expect("queued");
        assert_eq!(fleet.claims().await, [], "{sides:?}");
        let letters = redis_dead_letters(&fleet.server, &fleet.prefix).await;
        let reason = "sealed";
        assert!(letters[0].contains(reason), "{sides:?} {letters:?}");
        let (events, _) = scene.log(request.stream).await.expect("was answered");
        assert_eq!(events[0].kind, EventKind::Final, "{sides:?}");

        // What the workers' tasks say reaches no client.
        let owner = scene.owned().await;
        scene.promote(&owner, 1).await;
        let parked = scene.workers.park(&owner, &asks()).await;
        assert_eq!(parked.expect("parked"), Ok(()));
        cannot_be_read(scene, &owner, &format!("{sides:?} asking")).await;
        let answers = BTreeMap::from([("name".to_owned(), json("{}"))]);
        let answered = scene.gateways.answer(&owner.stream, OWNER, &answers).await;
        assert_eq!(answered.expect("answered"), Some(Answered::Taken));
        // Nor do the answers reach the workers' tools.
        let (_, again) = scene.come_back(&scene.worker).await;
        let inputs = scene.workers.inputs(&again).await;
        assert!(matches!(inputs, Err(BusError::Wire(_))), "{inputs:?}");
        assert_eq!(fleet.end(&again, 2).await, Ok(()));
        cannot_be_read(scene, &owner, &format!("{sides:?} ended")).await;
    }
}

async fn cannot_be_read(scene: &Scene, task: &Ownership, at: &str) {
    let read = scene.gateways.task(&task.stream, OWNER).await;
    assert!(matches!(read, Err(BusError::Wire(_))), "{at}: {read:?}");
}

#[tokio::test]
async fn operators_are_told_whether_a_task_failed_and_not_what_it_said() {
    let fleet = Fleet::with_keys([&["a"], &["a"]]).await;
    let scene = &fleet.scene;
    let failed = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"SECRET"}}"#;
    for response in [result(), failed.replace("SECRET", SECRET)] {
        let claim = scene.claimed(&fleet.request()).await;
        let owner = claim.ownership(&scene.worker);
        let birth = TaskBirth::new(scene.workers.now_ms(), Duration::from_secs(2));
        let promotion = Promotion {
            birth,
            ..promotion(&owner, 1)
        };
        let promoted = scene.workers.promote(&owner, &promotion).await;
        assert_eq!(promoted.expect("promoted"), Ok(()));
        assert_eq!(fleet.end_with(&owner, 2, &response).await, Ok(()));
    }
    fleet.is_sealed("ended").await;
    let page = scene.operations().await.tasks(None).await.expect("told");
    let told: Vec<_> = page.tasks.iter().map(|(_, task)| task.status).collect();
    assert_eq!(told, [TaskStatus::Completed, TaskStatus::Failed]);
}

#[tokio::test]
async fn a_key_is_replaced_in_steps() {
    type Keys = &'static [&'static str];
    let steps: [[Keys; 2]; 6] = [
        [&["a"], &["a", "b"]],
        [&["a", "b"], &["a"]],
        [&["a", "b"], &["b", "a"]],
        [&["b", "a"], &["a", "b"]],
        [&["b", "a"], &["b"]],
        [&["b"], &["b", "a"]],
    ];
    for sides in steps {
        let fleet = Fleet::with_keys(sides).await;
        let scene = &fleet.scene;
        let claim = scene.claimed(&fleet.request()).await;
        let owner = claim.ownership(&scene.worker);
        scene.promote(&owner, 1).await;
        assert_eq!(fleet.end(&owner, 2).await, Ok(()));
        let task = scene.task(owner.stream).await.expect("is there");
        assert_eq!(task.state, TaskState::Ended(json(&result())), "{sides:?}");
    }
}
