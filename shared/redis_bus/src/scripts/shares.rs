//! The script of what is kept for each caller.

use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_bus::wire::principal::Share;

use super::{lua, millis};
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(COUNT_KEPT, "shares/count_kept.lua");

/// Counts what is kept for a caller under a name, by bytes and lifetime (none: for ever); forgets it without them.
pub(crate) fn count_kept(
    keys: &Keys,
    limits: &BusLimits,
    share: &Share,
    name: &str,
    kept: Option<(usize, Option<Duration>)>,
) -> Command<i64> {
    let mut command = COUNT_KEPT.with_keys(&[keys.kept_ends(share), keys.kept_bytes(share)]);
    command.arg(name);
    match kept {
        Some((bytes, life)) => {
            let life = life.map_or_else(String::new, |life| millis(life).to_string());
            command.arg(bytes).arg(life)
        }
        None => command.arg("").arg(""),
    };
    command.arg(limits.caller_kept).arg(limits.caller_sessions);
    Command::script(&COUNT_KEPT, command)
}
