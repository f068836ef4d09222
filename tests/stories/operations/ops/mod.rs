//! What operators do with `prynai-ops` on a running fleet: see it, follow a call, find what is wrong, repair it.

mod doctor;
mod elsewhere;
mod hostile;
mod letters;
mod looking;
mod mending;
mod replaying;
mod rights;
mod screen;
pub(super) mod tasks;
mod trouble;

use prynai_test_harness::process::{Ended, Process};
use serde_json::Value;

/// The key under which gateways note their beats.
const GATEWAYS: &str = "prynai:{main.0}:gateways";

/// What operators are told, wherever Redis is.
pub(super) async fn ops(url: &str, question: &[&str]) -> Ended {
    let args = [&["--redis-url", url], question].concat();
    Process::run("prynai-ops", &args).await
}

/// The same as JSON.
pub(super) async fn ops_json(url: &str, question: &[&str]) -> Value {
    let ended = ops(url, &[question, &["--json"]].concat()).await;
    assert!(ended.status.success(), "{question:?}: {}", ended.output);
    let read = serde_json::from_str(&ended.stdout);
    read.unwrap_or_else(|error| panic!("{question:?}: {error}: {}", ended.stdout))
}

/// What needs attention, in one text.
async fn attention(url: &str) -> String {
    let status = ops_json(url, &["status"]).await;
    let found = status["attention"].as_array().expect("is a list").iter();
    found.map(|found| format!("{found}\n")).collect()
}

/// Where a call is, and why, in one text.
async fn why(url: &str, call: &str) -> String {
    let call = ops_json(url, &["call", call]).await;
    call["explanation"].to_string()
}
