//! The Lua scripts: one atomic step per file in `lua/`, one typed function for each, grouped by port.
//!
//! The functions only build commands; a connection sends them.

use std::time::Duration;

mod catalog;
mod change_feed;
mod downstream_tokens;
mod event_log;
mod once_store;
mod operations;
mod outcome_store;
mod rate_limiter;
mod request_queue;
mod session_store;
mod shares;
mod signal_channel;
mod state_store;
mod task_store;
mod write_code;

pub(crate) use catalog::*;
pub(crate) use change_feed::*;
pub(crate) use downstream_tokens::*;
pub(crate) use event_log::*;
pub(crate) use once_store::*;
pub(crate) use operations::*;
pub(crate) use outcome_store::*;
pub(crate) use rate_limiter::*;
pub(crate) use request_queue::*;
pub(crate) use session_store::*;
pub(crate) use shares::*;
pub(crate) use signal_channel::*;
pub(crate) use state_store::*;
pub(crate) use task_store::*;
pub(crate) use write_code::*;

/// Declares the script of a file in `lua/`, after the parts of other files there that it needs.
macro_rules! lua {
    ($name:ident, $($file:literal),+) => {
        static $name: std::sync::LazyLock<$crate::connection::command::Lua> =
            std::sync::LazyLock::new(|| {
                let source = concat!($(include_str!(concat!("../lua/", $file))),+);
                $crate::connection::command::Lua::new(source)
            });
    };
}
use lua;

/// Whole milliseconds, at least one: Redis takes 0 for an error or for ever.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, MAX_MILLIS)
}

/// A hundred years. Redis refuses lifetimes that end beyond its clock.
const MAX_MILLIS: u64 = 100 * 365 * 24 * 3600 * 1000;

#[cfg(test)]
mod tests;
