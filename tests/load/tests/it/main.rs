//! The program as it is used, against real servers.

mod limits;
mod losses;
mod pace;
mod reports;
mod usage;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use prynai_test_harness::process::{Ended, Process};
use prynai_test_redis::assert_eventually;
use serde_json::Value;

/// A standalone server, whose memory goes with it.
struct Server {
    process: Process,
    address: String,
}

/// A file that goes when this is dropped.
struct Scratch(PathBuf);

impl Server {
    async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    async fn start_at(address: &str) -> Self {
        let mut process = Process::start("prynai-mcp", &["--listen", address]).await;
        let address = process.address().await.to_string();
        Self { process, address }
    }

    /// Kills it, and starts another in its place that knows nothing.
    async fn replace(&mut self) {
        self.process.kill().await;
        *self = Self::start_at(&self.address).await;
    }

    fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Scratch {
    fn new(name: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = format!("prynai-load-{}-{number}-{name}", std::process::id());
        Self(std::env::temp_dir().join(file))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("is UTF-8")
    }

    fn json(&self) -> Value {
        let text = std::fs::read_to_string(&self.0).expect("is written");
        serde_json::from_str(&text).expect("is JSON")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs the program to its end.
async fn load(args: &[&str]) -> Ended {
    Process::run("prynai-load", args).await
}

/// Starts the program; returns when its clients have begun.
async fn begin(args: &[&str]) -> Process {
    let load = Process::start("prynai-load", args).await;
    assert_eventually!(!load.log().is_empty(), "it does not begin");
    load
}

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}
