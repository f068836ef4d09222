//! A private Redis for a test, and ways to it on which things go wrong. Nothing here knows a process of ours.
//!
//! * [`server`]: a Redis that a test may stop, restart and freeze; [`sentinels`] that watch one
//! * [`switch`]: an address behind which the server changes; [`trickle`]: a slow way to it; [`throttle`]: a narrow one;
//!   [`replies`]: one on which replies are lost. The ways are made with `relay`
//! * [`seed`]: chance that can be played again
//! * [`eventually!`], [`assert_eventually!`]: wait for what must come to pass, instead of sleeping

mod relay;
pub mod replies;
pub mod seed;
pub mod sentinels;
pub mod server;
pub mod switch;
pub mod throttle;
pub mod trickle;

use std::time::Duration;

/// How long a test waits for what must come to pass. Generous: only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long lies between two looks.
pub const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Evaluates an expression (which may `.await`) again and again until it is `Some`, and gives what
/// is in it. Panics after [`PATIENCE`], with the message if there is one.
#[macro_export]
macro_rules! eventually {
    ($look:expr $(,)?) => {
        $crate::eventually!($look, "never became Some: {}", stringify!($look))
    };
    ($look:expr, $($message:tt)+) => {{
        let begun = ::tokio::time::Instant::now();
        loop {
            if let Some(found) = $look {
                break found;
            }
            assert!(begun.elapsed() < $crate::PATIENCE, $($message)+);
            ::tokio::time::sleep($crate::LOOK_INTERVAL).await;
        }
    }};
}

/// Waits until an expression (which may `.await`) is `true`. Panics after [`PATIENCE`], with the
/// message if there is one.
#[macro_export]
macro_rules! assert_eventually {
    ($condition:expr $(,)?) => {
        $crate::assert_eventually!($condition, "never became true: {}", stringify!($condition))
    };
    ($condition:expr, $($message:tt)+) => {
        $crate::eventually!(($condition).then_some(()), $($message)+)
    };
}
