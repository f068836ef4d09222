//! The test harness: what a test needs around the thing it tests.
//!
//! * [`cluster`]: a whole fleet of real processes ([`process`]), its Redis and a round-robin [`proxy`]
//! * [`client`]: a raw MCP client that sees every frame
//! * [`redis_server`]: a private Redis that a test may stop, restart and freeze; [`trickle`]: a slow way to it;
//!   [`throttle`]: a narrow one; [`replies`]: one on which replies are lost
//! * [`balancer`]: the real nginx with the configuration of `compose.yaml`
//! * [`sentinels`]: Sentinels that watch a Redis
//! * [`skew`]: processes whose clock is wrong
//! * [`certificates`]: certificates of a server, and their renewal
//! * [`chaos`]: breaks a fleet on purpose and holds its promises against it
//! * [`conformance`]: the fixtures of the official conformance suite, which `scripts/conformance` runs
//! * [`issuer`]: an authorization server shaped like Microsoft Entra ID
//! * [`witness`]: a handler that logs everything that reaches it
//! * [`policy_file`]: a policy as it is mounted, to be exchanged while a fleet runs
//! * [`mirror`]: a handler that reports exactly what reached it; [`bulk`]: one whose messages are large
//! * [`eventually!`], [`assert_eventually!`]: wait for what must come to pass, instead of sleeping
//!
//! The tests themselves are two binaries: `tests/tests/it/main.rs`, and `tests/tests/model/main.rs`, which looks through a
//! model of the bus.

pub mod balancer;
pub mod bulk;
pub mod certificates;
pub mod chaos;
pub mod client;
pub mod cluster;
pub mod conformance;
pub mod issuer;
pub mod mirror;
pub mod policy_file;
pub mod process;
pub mod proxy;
pub mod redis_server;
pub mod replies;
pub mod sentinels;
pub mod skew;
pub mod throttle;
pub mod trickle;
pub mod witness;

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
