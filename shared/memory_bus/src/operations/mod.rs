//! [`Operations`] and [`Repairs`](prynai_bus::operations::Repairs) in memory: what operators see and change. Each step
//! holds a lock for as long as one bounded page takes.

use async_trait::async_trait;
use prynai_bus::BusError;
use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{
    AuditFrom, AuditSight, CallName, CallSight, Diagnosis, EntryPage, EventSight, GatewaySight,
    Operations, Overview, Place, SessionPage, Shelf, TaskPage, TaskPlace, WorkerSight,
};
use tokio::time::Instant;

use crate::bus::{MemoryBus, lock};
use crate::stored::audit::Kept;

mod call;
mod entries;
mod fleet;
mod repairs;
mod sessions;
mod tasks;

/// What names are cut to, in bytes.
const LONGEST: usize = 300;

#[async_trait]
impl Operations for MemoryBus {
    async fn place(&self) -> Result<Place, BusError> {
        Ok(Place {
            bus: "the memory of this process".to_owned(),
            prefix: String::new(),
            has_server: false,
            is_there: true,
            others: Vec::new(),
        })
    }

    async fn overview(&self) -> Result<Overview, BusError> {
        Ok(self.read_overview())
    }

    async fn diagnosis(&self) -> Result<Diagnosis, BusError> {
        Ok(self.read_diagnosis())
    }

    async fn workers(&self) -> Result<Vec<WorkerSight>, BusError> {
        Ok(self.read_workers())
    }

    async fn gateways(&self) -> Result<Vec<GatewaySight>, BusError> {
        Ok(self.read_gateways())
    }

    async fn entries(
        &self,
        shelf: Shelf,
        after: Option<&EntryId>,
        of: Option<&CallName>,
    ) -> Result<EntryPage, BusError> {
        self.read_entries(shelf, after, of)
    }

    async fn sessions(&self, after: u64) -> Result<SessionPage, BusError> {
        Ok(self.read_sessions(after))
    }

    async fn tasks(&self, after: Option<&TaskPlace>) -> Result<TaskPage, BusError> {
        Ok(self.read_tasks(after))
    }

    async fn task_message(&self, task: &StreamId) -> Result<Option<String>, BusError> {
        let partition = lock(&self.partition);
        let task = partition.logs.get(task).and_then(|log| log.task.as_ref());
        Ok(task.and_then(|task| task.message.clone()))
    }

    async fn audit(&self, from: AuditFrom<'_>) -> Result<Vec<AuditSight>, BusError> {
        // Read outside of the lock, which ends of calls take as well.
        let page = lock(&self.audit).page(from);
        Ok(page.iter().map(Kept::sight).collect())
    }

    async fn call(&self, name: &CallName) -> Result<Option<CallSight>, BusError> {
        self.read_call(name)
    }

    async fn events(
        &self,
        stream: &StreamId,
        after: u64,
        messages: bool,
    ) -> Result<Vec<EventSight>, BusError> {
        self.read_events(stream, after, messages)
    }
}

/// Milliseconds since then.
fn ms_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The text, or as much of it as is told.
fn cut(text: &str) -> String {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
