//! Whether this process may open as many connections as it needs.

use crate::settings::Mode;

/// Files that are no connections of clients.
const SPARE: usize = 64;

/// Refuses more clients than can connect.
///
/// # Errors
///
/// How to allow more.
pub(crate) fn check(clients: usize, mode: Mode) -> Result<(), String> {
    let each = match mode {
        Mode::Modern | Mode::SessionPerCall => 1,
        // One for the calls, one for the stream.
        Mode::Session => 2,
    };
    let needed = clients * each + SPARE;
    match allowed() {
        Some(allowed) if allowed < needed => Err(format!(
            "{clients} clients need {needed} open files, and this process may have {allowed}; run `ulimit -n {needed}` \
             first"
        )),
        _ => Ok(()),
    }
}

/// The soft limit, where the system says it in a file.
fn allowed() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
