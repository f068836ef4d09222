//! A fleet with a policy, for callers without credentials: what may be listed and called, and how a change of the
//! file is followed.

use prynai_test_fixtures::witness;
use prynai_test_harness::client::{Events, RawClient, Reply, Session, legacy, modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_harness::policy_file::PolicyFile;
use prynai_test_harness::process::Process;
use prynai_test_redis::{assert_eventually, eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};

const POLICY: &str = r#"
[[allow]]
tools = ["echo", "long_*", "touch_resource"]
prompts = ["greet"]
resources = ["everything://readme", "everything://notes/re*", "skill://demo-skill/SKILL.md"]

[[allow]]
tools = ["*"]
read_only = true
to = "users"
"#;

const NOTE: &str = "everything://notes/retry";
const OTHER_NOTE: &str = "everything://notes/resume";
const SKILL: &str = "skill://demo-skill/SKILL.md";
const CLOSED_NOTE: &str = "everything://notes/cancel";

fn fleet(policy: &PolicyFile) -> ClusterPlan {
    let fleet = Cluster::new().gateways(2).workers(2);
    fleet.gateway_args(&["--policy", policy.path()])
}

/// Sends a request in the modern era, and then in a session.
async fn in_both_eras(cluster: &Cluster, method: &str, params: Value) -> [Reply; 2] {
    let (client, url) = (&cluster.client, cluster.proxy());
    let session = client.open_session(&url).await;
    let in_session = legacy(2, method, params.clone());
    [
        client.modern(&url, &modern(1, method, params)).await,
        client.legacy(&url, &session, &in_session).await,
    ]
}

fn names(entries: &Value, key: &str) -> Vec<String> {
    let entries = entries
        .as_array()
        .unwrap_or_else(|| panic!("no list: {entries}"));
    let name = |entry: &Value| entry[key].as_str().expect("a name").to_owned();
    let mut names: Vec<String> = entries.iter().map(name).collect();
    names.sort();
    names
}

async fn tools(client: &RawClient, url: &str) -> Vec<String> {
    let list = modern("list", "tools/list", json!({}));
    let answer = client.modern(url, &list).await.response().await;
    names(&answer["result"]["tools"], "name")
}

async fn touch(client: &RawClient, url: &str, uri: &str) {
    let call = tool("touch_resource", json!({ "uri": uri }));
    let answer = client
        .modern(url, &modern("touch", "tools/call", call))
        .await;
    let answer = answer.response().await;
    assert_ne!(answer["result"]["isError"], true, "{answer}");
}

async fn updated(events: &mut Events) -> Value {
    let message = events.expect("notifications/resources/updated").await;
    message["params"]["uri"].clone()
}

#[tokio::test]
async fn lists_show_what_may_be_called() {
    let policy = PolicyFile::mounted(POLICY);
    let cluster = fleet(&policy).start().await;
    for (method, member, key, expected) in [
        (
            "tools/list",
            "tools",
            "name",
            &["echo", "long_running", "touch_resource"][..],
        ),
        ("prompts/list", "prompts", "name", &["greet"]),
        (
            "resources/list",
            "resources",
            "uri",
            &["everything://readme", SKILL],
        ),
        ("skills/list", "skills", "uri", &[SKILL]),
        (
            "resources/templates/list",
            "resourceTemplates",
            "uriTemplate",
            &["everything://notes/{name}"],
        ),
    ] {
        for reply in in_both_eras(&cluster, method, json!({})).await {
            assert_eq!(reply.status(), StatusCode::OK);
            let result = reply.response().await["result"].clone();
            assert_eq!(names(&result[member], key), expected, "{method}");
            assert_ne!(result["cacheScope"], "public");
        }
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn what_may_not_be_called_reaches_no_handler() {
    let policy = PolicyFile::mounted(POLICY);
    let fleet = fleet(&policy).workers(1);
    let mut cluster = fleet.worker_binary("prynai-witness-worker").start().await;
    let completion = json!({
        "ref": { "type": "ref/resource", "uri": "everything://notes/{name}" },
        "argument": { "name": "name", "value": "" },
    });
    for (method, params) in [
        ("tools/call", tool("bump_counter", json!({}))),
        ("tools/call", tool("no_such_tool", json!({}))),
        ("prompts/get", json!({ "name": "review_code" })),
        ("resources/read", json!({ "uri": CLOSED_NOTE })),
        (
            "resources/read",
            json!({ "uri": "everything://notes/../counter" }),
        ),
        (
            "skills/get",
            json!({ "uri": "skill://demo-skill/scripts/run.sh" }),
        ),
        (
            "resources/directory/read",
            json!({ "uri": "skill://demo-skill" }),
        ),
        ("completion/complete", completion),
    ] {
        let replies = in_both_eras(&cluster, method, params.clone()).await;
        let statuses = replies.each_ref().map(Reply::status);
        // In a session as the answer to one request, which leaves the session alone.
        let expected = [StatusCode::FORBIDDEN, StatusCode::OK];
        assert_eq!(statuses, expected, "{method} {params}");
        for reply in replies {
            // Without credentials there is nothing to ask for.
            assert_eq!(reply.headers().get("www-authenticate"), None);
            let error = reply.json().await["error"].clone();
            assert_eq!(error["code"], -32600, "{error}");
            assert_eq!(error["data"]["reason"], "policy");
        }
    }
    for reply in in_both_eras(&cluster, "tools/call", tool("echo", json!({ "text": "x" }))).await {
        assert_eq!(reply.response().await["result"]["content"][0]["text"], "x");
    }
    let mut seen = |call: &'static str| {
        let log = cluster.worker_process(0).log();
        let seen = |line: &&String| line.contains(witness::SEEN) && line.contains(call);
        log.iter().filter(seen).count()
    };
    assert_eventually!(seen("tools/call echo") == 2);
    for call in [
        "bump_counter",
        "no_such_tool",
        "prompts/get",
        "resources/read",
        "completion",
    ] {
        assert_eq!(seen(call), 0, "{call}");
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_list_is_in_its_log_as_it_was_shown() {
    let policy = PolicyFile::mounted(POLICY);
    let cluster = fleet(&policy).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let list = legacy(5, "tools/list", json!({}));
    let url = cluster.gateway(0);
    let asked = client.legacy_stream(&url, &session, &list).await;
    let mut events = asked.events();
    let begin = events.primed().await;
    drop(events);
    let again = client
        .stream(&cluster.gateway(1), &session, Some(&begin))
        .await;
    let answer = again.response().await;
    assert_eq!(answer["id"], 5);
    let shown = names(&answer["result"]["tools"], "name");
    assert_eq!(shown, ["echo", "long_running", "touch_resource"]);
}

#[tokio::test]
async fn a_change_of_the_file_counts_and_is_told() {
    let policy = PolicyFile::mounted(POLICY);
    let mut cluster = fleet(&policy).start().await;
    let client = cluster.client.clone();
    let (one, other) = (cluster.gateway(0), cluster.gateway(1));
    let session = client.open_session(&one).await;
    subscribe(&client, &one, &session, NOTE, true).await;
    subscribe(&client, &one, &session, OTHER_NOTE, true).await;
    subscribe(&client, &one, &session, CLOSED_NOTE, false).await;
    let mut in_session = client.stream(&one, &session, None).await.events();
    let wanted = json!({ "toolsListChanged": true, "resourceSubscriptions": [NOTE, OTHER_NOTE, CLOSED_NOTE] });
    let listen = modern(
        1,
        "subscriptions/listen",
        json!({ "notifications": wanted }),
    );
    let mut modern_stream = client.modern(&other, &listen).await.events();
    let (_, first) = modern_stream.message().await.expect("a message");
    let agreed = &first["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(agreed, &json!([OTHER_NOTE, NOTE]));

    touch(&client, &one, NOTE).await;
    let streams = [&mut in_session, &mut modern_stream];
    for events in streams {
        assert_eq!(updated(events).await, NOTE);
    }

    let narrower = POLICY.replace("notes/re*", "notes/resume");
    policy.exchange(&narrower.replace("\"echo\"", "\"echo\", \"add\""));
    in_session.expect("notifications/tools/list_changed").await;
    modern_stream
        .expect("notifications/tools/list_changed")
        .await;
    for url in [&one, &other] {
        let shown =
            async || tools(&client, url).await == ["add", "echo", "long_running", "touch_resource"];
        assert_eventually!(shown().await);
    }
    // Of two updates only the second may be heard of.
    for uri in [NOTE, OTHER_NOTE] {
        touch(&client, &one, uri).await;
    }
    assert_no_update_of(&mut in_session, NOTE, OTHER_NOTE).await;
    assert_no_update_of(&mut modern_stream, NOTE, OTHER_NOTE).await;
    subscribe(&client, &one, &session, NOTE, false).await;
    for index in 0..2 {
        cluster
            .gateway_process(index)
            .logged("the policy has changed")
            .await;
    }
}

/// Reads on to the next but one update of `heard`: the first may belong to the change of the policy itself.
async fn assert_no_update_of(events: &mut Events, silent: &str, heard: &str) {
    for _ in 0..2 {
        let uri = updated(events).await;
        assert_eq!(uri, heard, "and not {silent}");
    }
}

async fn subscribe(client: &RawClient, url: &str, session: &Session, uri: &str, allowed: bool) {
    let subscribe = legacy(3, "resources/subscribe", json!({ "uri": uri }));
    let answer = client
        .legacy(url, session, &subscribe)
        .await
        .response()
        .await;
    assert_eq!(answer["result"].is_object(), allowed, "{uri}: {answer}");
}

#[tokio::test]
async fn a_file_that_is_no_policy_leaves_the_last_one_in_force() {
    const REFUSED: &str = "the policy file cannot be used; the last policy stays in force";
    let policy = PolicyFile::mounted(POLICY);
    let mut cluster = fleet(&policy).gateways(1).start().await;
    let client = cluster.client.clone();
    let url = cluster.gateway(0);
    let told = |cluster: &mut Cluster| {
        let log = cluster.gateway_process(0).log();
        let told = log.into_iter().filter(|line| line.contains(REFUSED));
        told.collect::<Vec<_>>()
    };
    policy.exchange(&POLICY.replace("prompts", "promts"));
    let line = eventually!(told(&mut cluster).pop());
    assert!(line.contains("line 4") && line.contains("promts"), "{line}");
    policy.remove();
    eventually!(told(&mut cluster).get(1).cloned());
    assert_eq!(
        tools(&client, &url).await,
        ["echo", "long_running", "touch_resource"]
    );
    policy.exchange("[[allow]]\ntools = [\"echo\"]");
    assert_eventually!(tools(&client, &url).await == ["echo"]);
    // Each was told once, however often it was looked at.
    assert_eq!(told(&mut cluster).len(), 2);
}

#[tokio::test]
async fn a_start_without_a_policy_that_works_is_refused() {
    let policy =
        PolicyFile::mounted("[[allow]]\ntools = [\"a\"]\n\n[[allow]]\ntools = [\"b**\"]\n");
    for binary in ["prynai-gateway", "prynai-mcp"] {
        for (path, said) in [
            (policy.path(), "line 5: in \"b**\", ** must stand alone"),
            ("/no/such/policy.toml", "cannot be read: No such file"),
        ] {
            let ended = Process::run(binary, &["--policy", path]).await;
            assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
            assert!(ended.output.contains("--policy"), "{}", ended.output);
            assert!(ended.output.contains(said), "{}", ended.output);
        }
    }
}

#[tokio::test]
async fn one_process_keeps_a_policy_too() {
    let policy = PolicyFile::mounted(POLICY);
    let args = ["--listen", "127.0.0.1:0", "--policy", policy.path()];
    let mut process = Process::start("prynai-mcp", &args).await;
    let url = format!("http://{}/mcp", process.address().await);
    let client = RawClient::new();
    assert_eq!(
        tools(&client, &url).await,
        ["echo", "long_running", "touch_resource"]
    );
    let call = modern(1, "tools/call", tool("add", json!({ "a": 1, "b": 2 })));
    let reply = client.modern(&url, &call).await;
    assert_eq!(reply.status(), StatusCode::FORBIDDEN);
}
