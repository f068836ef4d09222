//! Tasks: calls whose logs live on.

use prynai_bus::LogState;
use prynai_bus::ids::StreamId;
use prynai_bus::operations::{
    MOST_QUESTIONS, OpenTasks, TaskCounts, TaskFacts, TaskPage, TaskPlace, TaskStatus,
};

use super::cut;
use crate::bus::{MemoryBus, lock};
use crate::stored::log::Log;
use crate::stored::partition::Partition;
use crate::stored::task::Task;

/// Tasks of one page.
const PAGE: usize = 100;

impl MemoryBus {
    pub(super) fn read_tasks(&self, after: Option<&TaskPlace>) -> TaskPage {
        let now_ms = self.unix_ms();
        let partition = lock(&self.partition);
        let mut places: Vec<_> = partition.tasks().map(|(place, ..)| place).collect();
        places.retain(|place| after.is_none_or(|after| place > after));
        let has_more = places.len() > PAGE;
        if has_more {
            places.select_nth_unstable(PAGE);
            places.truncate(PAGE);
        }
        places.sort_unstable();
        let told = places.iter().filter_map(|place| {
            let log = partition.logs.get(&place.stream)?;
            let facts = partition.task_facts(log, &place.stream, now_ms)?;
            let questions = Vec::new();
            Some((*place, TaskFacts { questions, ..facts }))
        });
        TaskPage {
            tasks: told.collect(),
            next: places.last().copied().filter(|_| has_more),
        }
    }
}

impl Partition {
    /// All tasks that can be asked for.
    fn tasks(&self) -> impl Iterator<Item = (TaskPlace, &Log, &Task)> {
        self.logs.iter().filter_map(|(stream, log)| {
            let task = log.task.as_ref()?;
            let place = TaskPlace {
                at_ms: task.birth.created_ms,
                stream: *stream,
            };
            Some((place, log, task))
        })
    }

    pub(crate) fn count_tasks(&self) -> TaskCounts {
        let mut counts = TaskCounts::default();
        for (_, log, _) in self.tasks() {
            let is_open = log.state() == LogState::Open;
            counts.kept += 1;
            counts.input_required += u64::from(is_open && log.is_asking());
            counts.working += u64::from(is_open && !log.is_asking());
        }
        counts
    }

    /// What there is to say of the tasks that are open; `now_ms` is the time by which tasks are made.
    pub(super) fn open_tasks(&self, now_ms: u64) -> OpenTasks {
        let mut open = OpenTasks::default();
        for (_, log, task) in self
            .tasks()
            .filter(|(_, log, _)| log.state() == LogState::Open)
        {
            open.queued += u64::from(!log.is_asking() && log.token().is_none());
            let age_ms = now_ms.saturating_sub(task.birth.created_ms);
            open.oldest_ms = open.oldest_ms.max(Some(age_ms));
        }
        open
    }

    /// What operators see of the task that a log is of; `now_ms` is the time by which tasks are made.
    pub(super) fn task_facts(
        &self,
        log: &Log,
        stream: &StreamId,
        now_ms: u64,
    ) -> Option<TaskFacts> {
        let task = log.task.as_ref()?;
        let status = match log.state() {
            LogState::Open if log.is_asking() => TaskStatus::InputRequired,
            LogState::Open => TaskStatus::Working,
            LogState::Cancelled => TaskStatus::Cancelled,
            LogState::Finished => log.response().map_or(TaskStatus::Completed, |response| {
                TaskStatus::of_response(response.as_str())
            }),
        };
        let is_asking = status == TaskStatus::InputRequired;
        let open = task.open_questions();
        let keys = open.keys().filter(|_| is_asking).map(|key| cut(key));
        let entry = log.entry.as_ref().map(ToString::to_string);
        let token = log.token();
        Some(TaskFacts {
            task: stream.to_string(),
            status,
            name: task.birth.name.clone(),
            principal: Some(cut(&task.principal)),
            created_at_ms: Some(task.birth.created_ms),
            age_ms: now_ms.saturating_sub(task.birth.created_ms),
            changed_at_ms: Some(task.changed_ms),
            changed_ms_ago: now_ms.saturating_sub(task.changed_ms),
            asked_for_ms: task.until_ms.saturating_sub(now_ms),
            entry: entry.filter(|_| status == TaskStatus::Working),
            worker: token.map(|(worker, _)| worker.to_string()),
            delivery: token.map(|(_, delivery)| delivery.into()),
            rounds: task.round.into(),
            awaited: if is_asking { open.len() as u64 } else { 0 },
            questions: keys.take(MOST_QUESTIONS).collect(),
            message_bytes: task.message.as_ref().map_or(0, |said| said.len() as u64),
            format: Some(task.birth.v),
        })
    }
}
