//! A task, as the scripts tell of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use prynai_bus::BusError;
use prynai_bus::ids::EntryId;
use prynai_bus::wire::WireError;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::{TaskBirth, TaskSight, TaskState};

use super::sealing::{Kind, TaskKeys};

/// Reads what is published of the task with this log: `None` when that is too much, and lies in its log only.
pub(crate) fn read_published(
    keys: &TaskKeys,
    log: &str,
    text: &str,
) -> Result<Option<TaskSight>, BusError> {
    let told: Vec<String> = serde_json::from_str(text).map_err(WireError::from)?;
    if told.is_empty() {
        return Ok(None);
    }
    read(keys, log, told).map(Some)
}

/// Reads what `told_task.lua` says of the task with this log.
pub(crate) fn read(
    keys: &TaskKeys,
    log: &str,
    mut told: Vec<String>,
) -> Result<TaskSight, BusError> {
    let mut asked = told.split_off(told.len().min(9)).into_iter();
    let [birth, state, entry, changed, until, said, _, line, version] =
        <[String; 9]>::try_from(told).map_err(|_| unreadable())?;
    let open = |kind: Kind<'_>, text: &str| -> Result<RawJson, WireError> {
        Ok(RawJson::parse(keys.open(log, kind, text)?)?)
    };
    let mut requests = BTreeMap::new();
    while let (Some(key), Some(request)) = (asked.next(), asked.next()) {
        let request = open(Kind::Question(&key), &request)?;
        requests.insert(key, request);
    }
    let birth = TaskBirth::from_json(&birth)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| unreadable());
    let state = match state.as_str() {
        "open" if requests.is_empty() => TaskState::Working,
        "open" => TaskState::Asking(requests),
        "cancelled" => TaskState::Cancelled,
        "finished" => {
            let response = StreamEvent::from_line(&line)?.message;
            let response = response.ok_or_else(unreadable)?;
            let opened = match keys.open(log, Kind::End, response.as_str())? {
                Cow::Borrowed(_) => None,
                Cow::Owned(plain) => Some(RawJson::parse(plain).map_err(WireError::from)?),
            };
            TaskState::Ended(opened.unwrap_or(response))
        }
        _ => return Err(unreadable()),
    };
    let said = match said.is_empty() {
        true => None,
        false => Some(keys.open(log, Kind::Status, &said)?.into_owned()),
    };
    Ok(TaskSight {
        entry: EntryId::from(entry.as_str()),
        changed_ms: number(&changed)?,
        ttl: Duration::from_millis(number(&until)?.saturating_sub(birth.created_ms)),
        birth,
        message: said,
        state,
        version: number(&version)?,
    })
}

/// Said of what no script of ours says.
pub(crate) fn unreadable() -> BusError {
    BusError::Unexpected("a task that cannot be read".to_owned())
}
