//! Scripts of idempotency keys, and of what is kept for each caller.

use std::time::Duration;

use prynai_bus::wire::principal::Share;
use prynai_bus::{BusLimits, KeyUse};
use redis::Cmd;

use super::{Call, Lua, lua, millis};
use crate::keys::Keys;

lua!(USE_KEY, "use_key.lua");
lua!(LEAVE_KEY, "leave_key.lua");
lua!(COUNT_KEPT, "count_kept.lua");

/// Counts what is kept for a caller under a name, by bytes and lifetime (none: for ever); forgets it without them.
pub(crate) fn count_kept(
    keys: &Keys,
    limits: &BusLimits,
    share: &Share,
    name: &str,
    kept: Option<(usize, Option<Duration>)>,
) -> Call<i64> {
    let mut call = COUNT_KEPT.with_keys(&[keys.kept_ends(share), keys.kept_bytes(share)]);
    call.arg(name);
    match kept {
        Some((bytes, life)) => {
            let life = life.map_or_else(String::new, |life| millis(life).to_string());
            call.arg(bytes).arg(life)
        }
        None => call.arg("").arg(""),
    };
    call.arg(limits.caller_kept).arg(limits.caller_sessions);
    Call::script(&COUNT_KEPT, call)
}

/// Begins a call under a key, or ends one that shall not be begun with `outcome`, encoded: a code, and
/// the outcome that is there.
pub(crate) fn use_key(
    keys: &Keys,
    once: &KeyUse,
    outcome: Option<&str>,
    window: Duration,
) -> Call<(u8, String)> {
    let call = spelled(&USE_KEY, keys, once, outcome, window);
    Call::script(&USE_KEY, call)
}

/// Ends the running record of a key with `outcome`, encoded; removes it without one.
pub(crate) fn leave_key(
    keys: &Keys,
    once: &KeyUse,
    outcome: Option<&str>,
    window: Duration,
) -> Call<bool> {
    let call = spelled(&LEAVE_KEY, keys, once, outcome, window);
    Call::script(&LEAVE_KEY, call)
}

fn spelled(
    script: &Lua,
    keys: &Keys,
    once: &KeyUse,
    outcome: Option<&str>,
    window: Duration,
) -> Cmd {
    let mut call = script.with_keys(&[keys.outcome(&once.record)]);
    call.arg(once.stream.to_string())
        .arg(once.delivery)
        .arg(&once.fingerprint)
        .arg(outcome.unwrap_or_default())
        .arg(millis(window));
    call
}
