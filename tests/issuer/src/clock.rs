//! Time, as tokens tell it.

use prynai_process::clock::unix_millis;

/// Seconds since the Unix epoch.
pub(crate) fn now_s() -> i64 {
    i64::try_from(unix_millis() / 1000).unwrap_or(i64::MAX)
}
