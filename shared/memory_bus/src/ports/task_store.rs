//! [`TaskStore`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::wire::task::{Promotion, TaskSight, TaskState};
use prynai_bus::{Appended, BusError, BusLimits, LogState, Ownership, Refusal, TaskStore};

use crate::bus::{MemoryBus, lock};
use crate::stored::log::{Log, Task};
use crate::stored::partition::Partition;

#[async_trait]
impl TaskStore for MemoryBus {
    async fn promote(
        &self,
        owner: &Ownership,
        promotion: &Promotion,
    ) -> Result<Appended, BusError> {
        Ok(lock(&self.partition).promote(owner, promotion, &self.limits))
    }

    async fn note_status(&self, owner: &Ownership, message: &str) -> Result<Appended, BusError> {
        let mut partition = lock(&self.partition);
        let Some(log) = partition.logs.get_mut(&owner.stream) else {
            return Ok(Err(Refusal::LostOwnership));
        };
        Ok(log.admit(owner).and_then(|()| {
            let is_over = log.state() == LogState::Finished;
            let task = log.task.as_mut().ok_or(Refusal::LostOwnership)?;
            if is_over {
                return Err(Refusal::Finished);
            }
            task.say(message);
            Ok(())
        }))
    }

    async fn task(&self, name: &StreamId, principal: &str) -> Result<Option<TaskSight>, BusError> {
        let partition = lock(&self.partition);
        let Some(log) = partition.logs.get(name) else {
            return Ok(None);
        };
        let task = log.task.as_ref().filter(|task| task.principal == principal);
        Ok(task.map(|task| sight(log, task)))
    }
}

impl Partition {
    fn promote(
        &mut self,
        owner: &Ownership,
        promotion: &Promotion,
        limits: &BusLimits,
    ) -> Appended {
        let event = &promotion.event;
        let log = self.log_for_write(owner, event, limits)?;
        if log.task.is_some() {
            return Ok(());
        }
        log.name_task(promotion)?;
        let holder = log.holder.take();
        let life = promotion.ttl.saturating_add(promotion.kept);
        self.logs.live_for(&owner.stream, Some(life));
        if let Some(holder) = holder {
            self.events.publish(&holder, event.clone());
        }
        Ok(())
    }
}

fn sight(log: &Log, task: &Task) -> TaskSight {
    let state = match log.state() {
        LogState::Open => TaskState::Working,
        LogState::Cancelled => TaskState::Cancelled,
        LogState::Finished => log.response().map_or(TaskState::Working, |response| {
            TaskState::Ended(response.clone())
        }),
    };
    let ttl_ms = task.until_ms.saturating_sub(task.birth.created_ms);
    TaskSight {
        entry: log.entry.clone().unwrap_or_else(|| EntryId::from("")),
        birth: task.birth.clone(),
        changed_ms: task.changed_ms,
        ttl: Duration::from_millis(ttl_ms),
        message: task.message.clone(),
        state,
    }
}
