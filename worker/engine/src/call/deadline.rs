//! When a call is too late, and what its client is told then.

use std::time::Duration;

use prynai_bus::wire::task::TaskBirth;
use rmcp::ErrorData;
use serde_json::json;

/// The end of a call whose deadline passed while it ran.
pub(crate) fn overdue() -> ErrorData {
    ErrorData::internal_error(
        "the call ran into its deadline and was stopped; the outcome is unknown: \
         it may or may not have taken effect",
        Some(json!({"reason": "deadline", "outcome": "unknown"})),
    )
}

/// Whether there is still time to begin.
///
/// # Errors
///
/// The end of a call that is too late.
pub(crate) fn in_time(deadline_ms: Option<u64>, now_ms: u64) -> Result<(), ErrorData> {
    match deadline_ms {
        Some(deadline) if now_ms > deadline => Err(ErrorData::internal_error(
            "the request waited for longer than its deadline and was not begun",
            Some(json!({"reason": "deadline"})),
        )),
        _ => Ok(()),
    }
}

/// When a task is too late, in Unix milliseconds.
pub(crate) fn of_task(birth: &TaskBirth, timeout: Duration) -> u64 {
    let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
    birth.created_ms.saturating_add(timeout)
}
