//! The script of tokens for other APIs.

use std::time::Duration;

use super::{lua, millis};
use crate::connection::command::Command;

lua!(KEEP_TOKEN, "downstream_tokens/keep_token.lua");

/// Keeps a sealed token under a key.
pub(crate) fn keep_token(key: &str, sealed: &str, life: Duration) -> Command<i64> {
    let mut command = KEEP_TOKEN.with_keys(&[key]);
    command.arg(sealed).arg(millis(life));
    Command::script(&KEEP_TOKEN, command)
}
