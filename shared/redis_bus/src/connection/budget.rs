//! How long a command may take, and when it is large.

use std::time::Duration;

/// A small command has its answer within this time, or fails. Below the second that callers are promised.
/// [`allowance`] says how long others have.
pub(crate) const DEADLINE: Duration = Duration::from_millis(800);

/// Bytes a second that the way to Redis carries at least (4 Mbit/s), shared by all that is [`LARGE`].
const SLOWEST: u64 = 512 * 1024;

/// A command that carries more bytes, there and back, has a connection to itself: others would wait for it. It is
/// also the largest event that is published; a larger one is read in the log. Redis cuts subscribers off that
/// are 32 MB behind.
pub(crate) const LARGE: usize = 128 * 1024;

/// How long a command may take that carries so many bytes, there and back.
pub(crate) fn allowance(bytes: usize) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    DEADLINE + Duration::from_millis(bytes.saturating_mul(1000) / SLOWEST)
}
