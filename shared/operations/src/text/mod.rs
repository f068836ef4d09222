//! Numbers and names in words, and text that does no harm where it is shown.

use prynai_bus::operations::{EntrySight, GatewaySight, WorkerSight};

mod harmless;
mod numbers;

pub use harmless::{harmless, harmless_json};
pub use numbers::{moment, size, span, took};

/// The method of an entry with its tool, prompt or resource.
pub fn what(entry: &EntrySight) -> String {
    let named = [entry.method.as_ref(), entry.name.as_ref()];
    let words: Vec<_> = named.into_iter().flatten().map(String::as_str).collect();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(" "),
    }
}

/// Where an entry of the queue is, in a word or two.
pub fn entry_state(entry: &EntrySight) -> &'static str {
    match &entry.lease {
        _ if !entry.is_readable => "unreadable",
        None => "waits",
        Some(lease) if lease.is_handed_back => "handed back",
        Some(_) => "runs",
    }
}

/// How a worker is, in a word. `stopped`: it ended in order. `lost`: it is gone, and has requests. `silent`: it claims
/// nothing although requests wait. `draining`: it claims nothing more, and ends after its calls.
pub fn worker_state(worker: &WorkerSight) -> &'static str {
    if worker.has_stopped {
        return "stopped";
    }
    match (worker.is_alive, worker.is_listening, worker.running) {
        (true, true, _) if worker.is_silent => "silent",
        (true, true, _) if worker.is_draining => "draining",
        (true, true, _) => "alive",
        (true, false, _) => "deaf",
        (false, _, 0) => "gone",
        (false, ..) => "lost",
    }
}

/// How a gateway is, in a word.
pub fn gateway_state(gateway: &GatewaySight) -> &'static str {
    match (gateway.is_alive, gateway.is_listening) {
        (true, true) => "alive",
        (true, false) => "deaf",
        (false, _) => "gone",
    }
}

/// A number with the word for what it counts.
pub fn counted(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

/// What stands for something that is not known.
pub fn or_dash(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}
