//! The script of the catalog.

use prynai_bus::BusLimits;

use super::change_feed::fresh_epoch;
use super::lua;
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(ANNOUNCE_CATALOG, "catalog/announce_catalog.lua");

/// Replaces the catalog and publishes the change, encoded as `line`, when it is one.
pub(crate) fn announce_catalog(
    keys: &Keys,
    limits: &BusLimits,
    catalog: &str,
    line: &str,
) -> Command<bool> {
    let mut command = ANNOUNCE_CATALOG.with_keys(&[keys.catalog(), keys.feed_epoch(), keys.feed()]);
    command
        .arg(catalog)
        .arg(fresh_epoch())
        .arg(line)
        .arg(limits.feed.saturating_add(1))
        .arg(keys.feed_channel());
    Command::script(&ANNOUNCE_CATALOG, command)
}
