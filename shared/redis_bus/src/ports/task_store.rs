//! [`TaskStore`] on Redis: more fields of the log of a call.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::task::{Promotion, TaskBirth, TaskSight, TaskState};
use prynai_bus::{Appended, BusError, Ownership, TaskStore};

use crate::bus::RedisBus;
use crate::scripts::{self, WriteCode};
use crate::wire::lines;

#[async_trait]
impl TaskStore for RedisBus {
    async fn promote(
        &self,
        owner: &Ownership,
        promotion: &Promotion,
    ) -> Result<Appended, BusError> {
        let task = promotion.birth.to_json()?;
        let event = lines::event(&promotion.event)?;
        let promote = scripts::promote(&self.keys, owner, promotion, &task, &event);
        Ok(WriteCode::try_from(self.run(&promote).await?)?.into())
    }

    async fn note_status(&self, owner: &Ownership, message: &str) -> Result<Appended, BusError> {
        let note = scripts::note_status(&self.keys, owner, message, self.clock.now_ms());
        Ok(WriteCode::try_from(self.run(&note).await?)?.into())
    }

    async fn task(&self, name: &StreamId, principal: &str) -> Result<Option<TaskSight>, BusError> {
        let read = |bytes| scripts::task(&self.keys, name, principal, bytes);
        let mut answer = self.run(&read(self.limits.page_bytes)).await?;
        // A large response is read now that it is known how long that may take.
        let size = answer
            .as_ref()
            .and_then(|answer| answer.get(6)?.parse().ok());
        if let Some(bytes) = size {
            answer = self.run(&read(bytes)).await?;
        }
        answer.map(sight).transpose()
    }
}

/// Reads an answer of `task.lua`.
fn sight(answer: Vec<String>) -> Result<TaskSight, BusError> {
    let unexpected = || BusError::Unexpected("a task that cannot be read".to_owned());
    let [birth, state, entry, changed, until, said, _, line] =
        <[String; 8]>::try_from(answer).map_err(|_| unexpected())?;
    let birth = TaskBirth::from_json(&birth)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| unexpected());
    let state = match state.as_str() {
        "open" => TaskState::Working,
        "cancelled" => TaskState::Cancelled,
        "finished" => {
            let response = StreamEvent::from_line(&line)?.message;
            TaskState::Ended(response.ok_or_else(unexpected)?)
        }
        _ => return Err(unexpected()),
    };
    Ok(TaskSight {
        entry: EntryId::from(entry.as_str()),
        changed_ms: number(&changed)?,
        ttl: Duration::from_millis(number(&until)?.saturating_sub(birth.created_ms)),
        birth,
        message: (!said.is_empty()).then_some(said),
        state,
    })
}
