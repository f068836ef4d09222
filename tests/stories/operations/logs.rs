//! Logs hold nobody up, cannot be filled by whoever likes, and end no process.

use std::fs::File;
use std::io::{PipeReader, Read, pipe};
use std::process::Stdio;

use prynai_test_harness::client::{RawClient, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::server::{RedisServer, free_port};
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Value, json};

use super::GUARDED;

/// What a process cannot write to, one way or the other.
#[derive(Debug, Clone, Copy)]
enum Sink {
    /// A pipe without a reader.
    Closed,
    /// A disk without room.
    Full,
    /// A pipe with a reader that does not read.
    Stuck,
}

impl Sink {
    const ALL: [Self; 3] = [Self::Closed, Self::Full, Self::Stuck];

    /// It twice, for standard output and standard error, and what must live as long.
    fn open(self) -> ([Stdio; 2], Option<PipeReader>) {
        if matches!(self, Self::Full) {
            let full = || {
                File::options()
                    .write(true)
                    .open("/dev/full")
                    .expect("is there")
            };
            return ([full().into(), full().into()], None);
        }
        let (reader, writer) = pipe().expect("is made");
        let both = [writer.try_clone().expect("is cloned").into(), writer.into()];
        (both, matches!(self, Self::Stuck).then_some(reader))
    }
}

/// An address that nobody listens on now.
fn free_address() -> String {
    format!("127.0.0.1:{}", free_port())
}

async fn is_ok(client: &RawClient, url: &str) -> bool {
    let answer = client.request("GET", url).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

#[tokio::test]
async fn refusals_without_end_stop_nothing_when_nobody_reads_the_log() {
    let redis = RedisServer::start().await;
    let (client, port, redis_url) = (RawClient::new(), free_address(), redis.url());
    let args = [
        &["--listen", &port, "--redis-url", &redis_url][..],
        &GUARDED,
    ];
    let (output, _reader) = Sink::Stuck.open();
    let mut gateway =
        Process::start_writing_to("prynai-gateway", &args.concat(), &[], output).await;
    let origin = format!("http://{port}");
    // It is not ready: its issuer is away.
    assert_eventually!(is_ok(&client, &format!("{origin}/livez")).await);
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    for _ in 0..500 {
        let call = client.modern_request(&format!("{origin}/mcp"), &call);
        assert_eq!(client.send(call.bearer_auth("bad")).await.status(), 401);
    }
    assert!(is_ok(&client, &format!("{origin}/livez")).await);
    gateway.signal("-TERM");
    assert!(gateway.ended().await.success());
}

#[tokio::test]
async fn a_log_that_nobody_reads_loses_lines_and_says_how_many() {
    let (client, port) = (RawClient::new(), free_address());
    let (output, reader) = Sink::Stuck.open();
    // Lines as long as the arguments of calls.
    let env = [("RUST_LOG", "rmcp=debug")];
    let args = ["--listen", &port];
    let mut alone = Process::start_writing_to("prynai-mcp", &args, &env, output).await;
    let origin = format!("http://{port}");
    assert_eventually!(is_ok(&client, &format!("{origin}/readyz")).await);
    let text = "x".repeat(100_000);
    let call = modern(1, "tools/call", tool("echo", json!({ "text": text })));
    let url = format!("{origin}/mcp");
    // A pipe holds 64 KiB, the queue before it 4 MiB.
    for _ in 0..100 {
        assert_eq!(client.modern(&url, &call).await.status(), 200);
    }
    assert!(is_ok(&client, &format!("{origin}/livez")).await);
    let reading = tokio::task::spawn_blocking(move || told_of_loss(reader.expect("is open")));
    let reading = tokio::time::timeout(prynai_test_redis::PATIENCE, reading).await;
    let (told, _not_read) = reading.expect("is told").expect("is read");
    assert!(told["lines"].as_u64() > Some(0), "{told}");
    // Nobody reads any more, and it stops all the same.
    for _ in 0..100 {
        assert_eq!(client.modern(&url, &call).await.status(), 200);
    }
    alone.signal("-TERM");
    assert!(alone.ended().await.success());
}

/// Reads to the line that says so, and no further.
fn told_of_loss(mut reader: PipeReader) -> (Value, PipeReader) {
    let (mut read, mut chunk) = (Vec::new(), [0; 65536]);
    loop {
        let size = reader.read(&mut chunk).expect("is readable");
        assert!(size > 0, "it ended and told of no loss");
        read.extend(&chunk[..size]);
        let whole = read.iter().rposition(|byte| *byte == b'\n');
        let rest = read.split_off(whole.map_or(0, |end| end + 1));
        let lines = String::from_utf8(std::mem::replace(&mut read, rest)).expect("is text");
        if let Some(line) = lines.lines().find(|line| line.contains("lines lost")) {
            return (serde_json::from_str(line).expect("is JSON"), reader);
        }
    }
}

#[tokio::test]
async fn refusals_that_repeat_are_one_line_with_a_count() {
    let mut fleet = Cluster::new().gateway_args(&GUARDED).start().await;
    let client = fleet.client.clone();
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    for _ in 0..400 {
        let call = client.modern_request(&fleet.gateway(0), &call);
        assert_eq!(client.send(call.bearer_auth("bad")).await.status(), 401);
    }
    let gateway = fleet.gateway_process(0);
    let first = gateway.logged("a caller was refused").await;
    assert_eq!(first["source"], "127.0.0.1");
    let lines = || -> Vec<Value> {
        let lines = gateway.log();
        let lines = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["source"] == "127.0.0.1")
            .collect()
    };
    let counted = |lines: &[Value]| -> u64 {
        let times = lines.iter().map(|line| line["times"].as_u64().unwrap_or(1));
        times.sum()
    };
    let told = eventually!(Some(lines()).filter(|lines| counted(lines) == 400));
    // Two for each window that the requests took.
    assert!(told.len() <= 10, "{told:?}");
    assert_eq!(told[1]["error"], first["error"]);
}

#[tokio::test]
async fn no_process_ends_because_it_cannot_write() {
    for sink in Sink::ALL {
        let redis = RedisServer::start().await;
        let (client, port) = (RawClient::new(), free_address());
        let redis_url = redis.url();
        let of_redis = ["--redis-url", &redis_url];
        let of_gateway = [&["--listen", &port][..], &of_redis].concat();
        let (output, _reader) = sink.open();
        let mut gateway =
            Process::start_writing_to("prynai-gateway", &of_gateway, &[], output).await;
        let (output, _reader) = sink.open();
        let env = [("RUST_LOG", "trace")];
        let mut worker = Process::start_writing_to("prynai-worker", &of_redis, &env, output).await;
        serves(&client, &port, sink).await;
        worker.signal("-TERM");
        assert!(worker.ended().await.success(), "{sink:?}");
        gateway.signal("-TERM");
        assert!(gateway.ended().await.success(), "{sink:?}");

        let port = free_address();
        let (output, _reader) = sink.open();
        let mut alone =
            Process::start_writing_to("prynai-mcp", &["--listen", &port], &[], output).await;
        serves(&client, &port, sink).await;
        alone.signal("-TERM");
        assert!(alone.ended().await.success(), "{sink:?}");

        for (args, code) in [(["--help"], 0), (["--version"], 0), (["--nonsense"], 64)] {
            for binary in ["prynai-gateway", "prynai-worker", "prynai-mcp"] {
                let (output, _reader) = sink.open();
                let mut process = Process::start_writing_to(binary, &args, &[], output).await;
                let ended = process.ended().await.code();
                assert_eq!(ended, Some(code), "{binary} {args:?} {sink:?}");
            }
        }
    }
}

async fn serves(client: &RawClient, port: &str, sink: Sink) {
    let ready = format!("http://{port}/readyz");
    assert_eventually!(is_ok(client, &ready).await, "{sink:?}: never ready");
    let url = format!("http://{port}/mcp");
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    let status = async || client.modern(&url, &call).await.status();
    // Until the worker has announced its tools.
    assert_eventually!(status().await == 200, "{sink:?}: nothing is served");
}

#[tokio::test]
async fn a_text_log_that_goes_into_no_terminal_has_no_colours() {
    let args = ["--log-format", "text", "--listen", "127.0.0.1:0"];
    let server = Process::start("prynai-mcp", &args).await;
    let text = eventually!({
        let text = server.log().join("\n");
        text.contains("listening").then_some(text)
    });
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[tokio::test]
async fn arguments_are_in_no_log_unless_rmcp_is_named() {
    for (chosen, told) in [
        ("debug", false),
        ("trace", false),
        ("info,rmcp=debug", true),
    ] {
        let mut fleet = Cluster::new().env("RUST_LOG", chosen).start().await;
        let text = "the-argument-that-nobody-else-must-see";
        let call = modern(1, "tools/call", tool("echo", json!({ "text": text })));
        let url = fleet.gateway(0);
        let session = fleet.client.open_session(&url).await;
        assert_eq!(fleet.client.modern(&url, &call).await.status(), 200);
        let call = prynai_test_harness::client::legacy(
            2,
            "tools/call",
            tool("echo", json!({ "text": text })),
        );
        assert_eq!(
            fleet.client.legacy(&url, &session, &call).await.status(),
            200
        );
        let wrong = modern(3, "tools/call", tool("echo", json!({ "text": [text] })));
        fleet.client.modern(&url, &wrong).await.text().await;
        let mut log = String::new();
        for process in fleet.processes() {
            process.signal("-TERM");
            process.ended().await;
            log.push_str(&process.log().join("\n"));
        }
        assert_eq!(log.contains(text), told, "{chosen}");
    }
}
