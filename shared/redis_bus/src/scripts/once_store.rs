//! Scripts of what is written once.

use std::time::Duration;

use super::{lua, millis};
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(PUT_ONCE, "once_store/put_once.lua");

/// Writes a value, if nothing is written there; tells what is.
pub(crate) fn put_once(keys: &Keys, name: &str, value: &str, life: Duration) -> Command<String> {
    let mut command = PUT_ONCE.with_keys(&[keys.once(name)]);
    command.arg(value).arg(millis(life).max(1));
    Command::script(&PUT_ONCE, command)
}
