//! Scripts of idempotency keys.

use std::time::Duration;

use prynai_bus::KeyUse;
use redis::Cmd;

use super::{lua, millis};
use crate::connection::command::{Command, Lua};
use crate::wire::keys::Keys;

lua!(USE_KEY, "outcome_store/use_key.lua");
lua!(LEAVE_KEY, "outcome_store/leave_key.lua");

/// Begins a call under a key, or ends one that shall not be begun with `outcome`, encoded: a code, and
/// the outcome that is there.
pub(crate) fn use_key(
    keys: &Keys,
    once: &KeyUse,
    outcome: Option<&str>,
    window: Duration,
) -> Command<(i64, String)> {
    let command = spelled(&USE_KEY, keys, once, outcome, window);
    Command::script(&USE_KEY, command)
}

/// Ends the running record of a key with `outcome`, encoded; removes it without one.
pub(crate) fn leave_key(
    keys: &Keys,
    once: &KeyUse,
    outcome: Option<&str>,
    window: Duration,
) -> Command<bool> {
    let command = spelled(&LEAVE_KEY, keys, once, outcome, window);
    Command::script(&LEAVE_KEY, command)
}

fn spelled(
    script: &Lua,
    keys: &Keys,
    once: &KeyUse,
    outcome: Option<&str>,
    window: Duration,
) -> Cmd {
    let mut command = script.with_keys(&[keys.outcome(&once.record)]);
    command
        .arg(once.stream.to_string())
        .arg(once.delivery)
        .arg(&once.fingerprint)
        .arg(outcome.unwrap_or_default())
        .arg(millis(window));
    command
}
