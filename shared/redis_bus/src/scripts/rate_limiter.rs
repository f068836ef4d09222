//! Scripts of the rate limiter.

use prynai_bus::Bucket;

use super::lua;
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(TAKE_TOKENS, "rate_limiter/take_tokens.lua");

/// Takes tokens of a bucket; tells how many, and for how many microseconds there is none.
pub(crate) fn take_tokens(keys: &Keys, bucket: &Bucket, wanted: u32) -> Command<(u32, u64)> {
    let mut command = TAKE_TOKENS.with_keys(&[keys.bucket(bucket)]);
    let period = u64::try_from(bucket.period.as_micros()).unwrap_or(u64::MAX);
    command.arg(period.max(1)).arg(bucket.burst).arg(wanted);
    Command::script(&TAKE_TOKENS, command)
}
