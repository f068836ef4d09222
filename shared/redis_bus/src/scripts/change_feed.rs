//! Scripts of the change feed.

use prynai_bus::{BusLimits, FeedPosition};
use uuid::Uuid;

use super::lua;
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(PUBLISH_CHANGE, "change_feed/publish_change.lua");
lua!(NEWEST_CHANGE, "change_feed/newest_change.lua");
lua!(READ_CHANGES, "change_feed/read_changes.lua");

/// Logs a change, encoded as `line`, and publishes it.
pub(crate) fn publish_change(keys: &Keys, limits: &BusLimits, line: &str) -> Command<String> {
    let mut command = PUBLISH_CHANGE.with_keys(&[keys.feed_epoch(), keys.feed()]);
    command
        .arg(fresh_epoch())
        .arg(line)
        .arg(limits.feed.saturating_add(1))
        .arg(keys.feed_channel());
    Command::script(&PUBLISH_CHANGE, command)
}

/// Names the position of the newest change.
pub(crate) fn newest_change(keys: &Keys) -> Command<String> {
    let mut command = NEWEST_CHANGE.with_keys(&[keys.feed_epoch(), keys.feed()]);
    command.arg(fresh_epoch());
    Command::script(&NEWEST_CHANGE, command)
}

/// Reads the changes after a position.
pub(crate) fn read_changes(
    keys: &Keys,
    limits: &BusLimits,
    after: &FeedPosition,
    max: usize,
) -> Command<Vec<String>> {
    let mut command = READ_CHANGES.with_keys(&[keys.feed_epoch(), keys.feed()]);
    command
        .arg(fresh_epoch())
        .arg(&*after.epoch)
        .arg(after.major)
        // Redis refuses to read after the last of all positions; clients may name it.
        .arg(after.minor.min(u64::MAX - 1))
        .arg(max)
        .arg(limits.feed);
    Command::script(&READ_CHANGES, command)
}

/// A name for a life of the feed that may be beginning.
pub(super) fn fresh_epoch() -> String {
    let mut epoch = Uuid::new_v4().simple().to_string();
    epoch.truncate(12);
    epoch
}
