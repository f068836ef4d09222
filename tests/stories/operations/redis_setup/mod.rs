//! The Redis that a fleet is given: what cannot be used is named, TLS and Sentinels lead to it, and its user needs no
//! more than the documentation says.

pub(super) mod documented_user;
mod entra;
mod fail_over;
mod over_tls;
mod refused;
mod ten_lines;

use prynai_test_harness::client::{RawClient, modern, tool};
use prynai_test_harness::process::Process;
use prynai_test_redis::PATIENCE;
use reqwest::StatusCode;
use serde_json::json;

/// A gateway and a worker.
struct Fleet {
    gateway: Process,
    worker: Process,
    origin: String,
    client: RawClient,
}

impl Fleet {
    async fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[]).await
    }

    /// With variables in the environment of both.
    async fn start_with(args: &[&str], env: &[(String, String)]) -> Self {
        let gateway = [args, &["--listen", "127.0.0.1:0"]].concat();
        let mut gateway = Process::start_with("prynai-gateway", &gateway, env).await;
        let worker = [args, &["--lease", "2s"]].concat();
        let mut worker = Process::start_with("prynai-worker", &worker, env).await;
        let origin = format!("http://{}", gateway.address().await);
        worker.logged("ready").await;
        Self {
            gateway,
            worker,
            origin,
            client: RawClient::new(),
        }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    async fn echoes(&self) -> bool {
        let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
        let reply = self.client.modern(&self.url(), &call).await;
        reply.status() == StatusCode::OK && reply.response().await["result"].is_object()
    }

    /// Why the gateway is not ready; `None` when it is.
    async fn reason(&self) -> Option<String> {
        let url = format!("{}/readyz", self.origin);
        let ready = self.client.get_json(&url).await;
        ready["reason"].as_str().map(str::to_owned)
    }

    fn log(&self) -> String {
        [self.gateway.log(), self.worker.log()].concat().join("\n")
    }
}

/// A process refuses its Redis with exit code 64, in these words and without the password.
async fn is_refused(binary: &str, args: &[&str], words: &[&str]) {
    let listen: &[&str] = match binary {
        "prynai-worker" => &[],
        _ => &["--listen", "127.0.0.1:0"],
    };
    let args = [args, listen].concat();
    // The first process of all waits until the programs are built, which takes longer than any test does.
    Process::run(binary, &["--version"]).await;
    let ended = tokio::time::timeout(PATIENCE, Process::run(binary, &args)).await;
    let ended = ended.unwrap_or_else(|_| panic!("{binary} {args:?} goes on"));
    let output = ended.output;
    assert_eq!(ended.status.code(), Some(64), "{binary} {args:?}: {output}");
    for word in words {
        assert!(output.contains(word), "{binary} {args:?}: {output}");
    }
    assert!(!output.contains("geheim"), "{output}");
}

const BINARIES: [&str; 3] = ["prynai-gateway", "prynai-worker", "prynai-mcp"];
