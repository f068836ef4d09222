//! Clients that hold a gateway up, on purpose or not: each costs a bounded amount, for a bounded time.

use std::time::Duration;

use prynai_test_harness::client::{legacy, long_running, modern};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the gateway may take to be rid of a peer: its own timeouts are 10 and 30 s.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(90);

/// Writes one byte after another, with a pause, until the other side has had enough; gives what it said.
async fn drip(mut stream: TcpStream, bytes: impl IntoIterator<Item = u8>) -> String {
    let mut said = Vec::new();
    let told = async {
        let (mut from, mut to) = stream.split();
        let dripping = async {
            for byte in bytes {
                if to.write_all(&[byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = dripping => {}
            // A reset is as good an end as any.
            _ = from.read_to_end(&mut said) => {}
        }
    };
    let ended = tokio::time::timeout(GIVEN_UP, told).await;
    ended.expect("the gateway is held up by one byte after another");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn heads_and_bodies_that_drip_in_are_given_up() {
    let cluster = Cluster::new().start().await;
    let address = cluster.address(0);
    let connect = || async move { TcpStream::connect(address).await.expect("connects") };
    let endless = |begin: &'static [u8]| begin.iter().copied().chain(std::iter::repeat(b'x'));

    let silent = drip(connect().await, []);
    let undecided = drip(connect().await, b"PRI * HTTP".iter().copied());
    let head = drip(connect().await, endless(b"POST /mcp HTTP/1.1\r\nX-Long: "));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let mut http2 = connect().await;
    http2.write_all(preface).await.expect("is written");
    let http2 = drip(http2, []);
    let mut body = connect().await;
    let begin = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{{"
    );
    body.write_all(begin.as_bytes()).await.expect("is written");
    let body = drip(body, endless(b""));
    let (.., body) = tokio::join!(silent, undecided, head, http2, body);
    assert!(body.starts_with("HTTP/1.1 408 "), "{body}");
    assert!(body.contains(r#""error""#), "{body}");
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_closed() {
    let mut cluster = Cluster::new()
        .gateway_args(&["--max-connections", "3"])
        .start()
        .await;
    let address = cluster.address(0);
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(1, "subscriptions/listen", listen);
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(client.modern(&url, &listen).await.events());
    }
    for _ in 0..10 {
        let mut said = String::new();
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let read = tokio::time::timeout(GIVEN_UP, stream.read_to_string(&mut said)).await;
        read.expect("is closed").expect("is text");
        assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
        assert!(said.contains("Retry-After: 1\r\n"), "{said}");
    }
    let mut told = || {
        let log = cluster.gateway_process(0).log();
        let told = |line: &&String| line.contains("too many connections");
        log.iter().filter(told).count()
    };
    assert_eventually!(told() == 1);
    open.clear();
    let live = format!("{}/livez", cluster.origin(0));
    let status = async || {
        let request = client.request("GET", &live);
        request.send().await.map(|reply| reply.status()).ok()
    };
    assert_eventually!(status().await == Some(StatusCode::OK));
}

/// Keys that every fleet has, without the prefix.
const OF_THE_FLEET: [&str; 13] = [
    "{main.0}:audit",
    "{feed}:catalog",
    "{feed}:changes",
    "{feed}:epoch",
    "{main.0}:gateways",
    "{main.0}:group",
    "{main.0}:health",
    "{main.0}:history",
    "{main.0}:leases",
    "{main.0}:looked",
    "{main.0}:requests",
    // Swept once a minute.
    "{main.0}:sessions",
    "{main.0}:silences",
];

#[tokio::test]
async fn abandoned_sessions_leave_nothing_behind() {
    let cluster = Cluster::new()
        .gateway_args(&["--session-idle", "2s"])
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    // DBSIZE would count keys that have ended and are still to be removed.
    let keys = async || -> Vec<String> { cluster.redis.command(&["KEYS", "*"]).await };
    // What a fleet keeps of itself, whoever uses it.
    let is_of_the_fleet = |key: &String| {
        let name = key.trim_start_matches("prynai:");
        OF_THE_FLEET.contains(&name) || name.starts_with("{main.0}:alive:")
    };
    let left = async || -> Vec<String> {
        let left = keys().await.into_iter();
        left.filter(|key| !is_of_the_fleet(key)).collect()
    };
    for n in 0..500 {
        let session = client.open_session(&url).await;
        let call = long_running(2, 40);
        match n % 10 {
            0 => drop(client.stream(&url, &session, None).await),
            1 => drop(
                client
                    .legacy(&url, &session, &legacy(1, "tools/call", call))
                    .await,
            ),
            _ => {}
        }
    }
    assert!(!left().await.is_empty(), "the sessions were stored");
    cluster.assert_idle().await;
    // The logs of abandoned calls are kept to be resumed.
    let others = async || {
        let left = left().await.into_iter();
        let others = left.filter(|key| !key.starts_with("prynai:{main.0}:log:"));
        others.collect::<Vec<_>>()
    };
    assert_eventually!(others().await.is_empty(), "{:?}", others().await);
    let kept = left().await.len();
    assert!(kept <= 50, "{kept}");
}

#[tokio::test]
async fn an_open_stream_keeps_its_session() {
    let cluster = Cluster::new()
        .gateway_args(&["--session-idle", "2s"])
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let listening = client.open_session(&url).await;
    let calling = client.open_session(&url).await;
    let mut events = client.stream(&url, &listening, None).await.events();
    // Busy all the time: it is not silence alone that keeps a session.
    let call = long_running(60, 100);
    let call = legacy(1, "tools/call", call);
    let called = client.legacy(&url, &calling, &call).await;
    assert!(called.response().await["result"].is_object());
    for session in [listening, calling] {
        let ping = legacy(2, "ping", json!({}));
        let answer = client.legacy(&url, &session, &ping).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert!(events.frame().await.is_some());
}

#[tokio::test]
async fn streams_end_in_order_before_something_in_front_cuts_them() {
    let cluster = Cluster::new()
        .gateways(2)
        .gateway_args(&["--max-stream-age", "1s"])
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.proxy());
    let session = client.open_session(&url).await;
    let old = client
        .open_session_with(&url, "2025-06-18", json!({}))
        .await;
    let work = long_running(30, 100);
    let call = legacy(1, "tools/call", work.clone());
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern("l", "subscriptions/listen", listen);

    let resumed = async {
        let mut events = client.legacy(&url, &session, &call).await.events();
        let (mut progress, mut ended, mut last) = (Vec::new(), 0, None);
        loop {
            match events.frame().await {
                None => {
                    ended += 1;
                    let again = client.stream(&url, &session, last.as_deref()).await;
                    events = again.events();
                }
                Some(frame) => {
                    last = frame.id.or(last);
                    let message = frame.data.filter(|data| !data.is_empty());
                    let message = message.map(|data| -> Value {
                        serde_json::from_str(&data).expect("data is JSON")
                    });
                    match message {
                        Some(message) if message["id"] == 1 => break (progress, ended),
                        Some(message) if message["method"] == "notifications/progress" => {
                            progress.push(message["params"]["progress"].as_f64());
                        }
                        _ => {}
                    }
                }
            }
        }
    };
    let uncut = async { client.legacy(&url, &old, &call).await.messages().await };
    let modern_call = modern(2, "tools/call", work);
    let answered = async { client.modern(&url, &modern_call).await.messages().await };
    let listened = async { client.modern(&url, &listen).await.messages().await };
    let change_stream = async {
        let mut events = client.stream(&url, &session, None).await.events();
        let mut frames = Vec::new();
        while let Some(frame) = events.frame().await {
            frames.push(frame);
        }
        frames
    };
    let (resumed, uncut, answered, listened, change_stream) =
        tokio::join!(resumed, uncut, answered, listened, change_stream);
    let (progress, ended) = resumed;
    let all: Vec<_> = (1..=30).map(|step| Some(f64::from(step))).collect();
    assert_eq!(progress, all);
    assert!(ended >= 2, "{ended}");
    // A stream of an earlier revision stays open until its response; a modern one too.
    assert_eq!(uncut.last().expect("a response")["id"], 1);
    assert_eq!(answered.last().expect("a response")["id"], 2);
    let closing = listened.last().expect("a result");
    assert_eq!(closing["result"]["resultType"], "complete", "{closing}");
    assert!(change_stream[0].id.is_some(), "{change_stream:?}");
    let last = change_stream.last().expect("a frame");
    assert!(last.retry.is_some(), "{change_stream:?}");
    cluster.assert_idle().await;
}
