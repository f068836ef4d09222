//! Tasks: which there are, and the whole life of one.

use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{CallName, EntrySight, Operations, TaskFacts, TaskPlace, TaskStatus};
use prynai_bus::shown;
use prynai_bus::wire::audit::AuditRecord;
use serde::Serialize;

use super::audit::of_call_since;
use super::call;
use super::queue::Extent;
use crate::Failed;
use crate::explain::Explanation;

/// The only method whose calls become tasks.
const METHOD: &str = "tools/call";

/// Which tasks.
#[derive(Debug, Default, Clone)]
pub struct TaskFilter {
    /// Only those that are so far.
    pub status: Option<TaskStatus>,
    /// Only of this tool.
    pub tool: Option<String>,
    /// Only of this caller.
    pub principal: Option<String>,
    /// Only those that became tasks longer ago.
    pub older_than: Option<Duration>,
}

/// Tasks.
#[derive(Debug, Serialize)]
pub struct Tasks {
    /// Those asked for, oldest first as far as all are kept for the same time.
    pub tasks: Vec<TaskFacts>,
    /// How many were looked at for them.
    pub looked_at: usize,
    /// Whether there are more behind these.
    pub has_more: bool,
    /// The place after which the rest begins, if there is a rest.
    #[serde(skip)]
    pub next: Option<TaskPlace>,
}

/// The life of a task.
#[derive(Debug, Serialize)]
pub struct Task {
    /// Where its call is, and why.
    pub explanation: Explanation,
    /// What is known of it.
    pub task: TaskFacts,
    /// Its entry, while it waits for a worker or runs.
    pub entry: Option<EntrySight>,
    /// What it said of itself last, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the audit has of its end.
    pub audit: Vec<AuditRecord<'static>>,
}

/// Reads the tasks after a place, or from the first one.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn read(
    operations: &dyn Operations,
    filter: &TaskFilter,
    mut after: Option<TaskPlace>,
    extent: Extent,
) -> Result<Tasks, Failed> {
    let mut found = Tasks {
        tasks: Vec::new(),
        looked_at: 0,
        has_more: false,
        next: None,
    };
    let mut last = None;
    for _ in 0..extent.pages {
        let page = operations.tasks(after.as_ref()).await?;
        for (place, task) in page.tasks {
            found.looked_at += 1;
            if !filter.wants(&task) {
                continue;
            }
            if found.tasks.len() == extent.rows {
                found.next = last;
                found.has_more = true;
                return Ok(found);
            }
            last = Some(place);
            found.tasks.push(task);
        }
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
    found.has_more = true;
    found.next = after;
    Ok(found)
}

/// Reads the life of one task; with `message` also what it said of itself last.
///
/// # Errors
///
/// When there is no such task, or the bus does not answer, or refuses.
pub async fn read_one(
    operations: &dyn Operations,
    task: StreamId,
    message: bool,
) -> Result<Task, Failed> {
    let unknown = |told: &str| Failed::Unknown(format!("{told} (prynai-ops call {task})"));
    let found = match call::read(operations, &CallName::Stream(task), 1, false).await {
        Err(Failed::Unknown(_)) => {
            return Err(unknown(
                "there is no such task, or its time is over; the audit may have its end",
            ));
        }
        found => found?,
    };
    let facts = found.call.log.and_then(|log| log.task);
    let facts = facts.ok_or_else(|| unknown("this call is no task"))?;
    let audit = match facts.changed_at_ms.filter(|_| facts.status.is_over()) {
        Some(ended) => of_call_since(operations, task, ended).await?.records,
        None => Vec::new(),
    };
    Ok(Task {
        message: match message {
            true => operations.task_message(&task).await?,
            false => None,
        },
        explanation: found.explanation,
        entry: found.call.entry,
        task: facts,
        audit,
    })
}

impl TaskFilter {
    /// Whether every task is wanted.
    pub fn wants_all(&self) -> bool {
        self.status.is_none()
            && self.tool.is_none()
            && self.principal.is_none()
            && self.older_than.is_none()
    }

    fn wants(&self, task: &TaskFacts) -> bool {
        let tool = self.tool.as_deref().map(|tool| shown::name(METHOD, tool));
        let age = Duration::from_millis(task.age_ms);
        self.status.is_none_or(|status| status == task.status)
            && (tool.is_none() || tool.as_deref() == task.name.as_deref())
            && (self.principal.is_none() || self.principal == task.principal)
            && self.older_than.is_none_or(|least| age > least)
    }
}

/// The method of a task with its tool.
pub fn what(task: &TaskFacts) -> String {
    match &task.name {
        Some(name) => format!("{METHOD} {name}"),
        None => METHOD.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_leaves_only_what_is_asked_for() {
        let task = TaskFacts {
            name: Some("report".to_owned()),
            principal: Some("alice".to_owned()),
            age_ms: 60_000,
            ..TaskFacts::default()
        };
        let all = TaskFilter::default();
        assert!(all.wants_all() && all.wants(&task));
        let tool = |name: &str| Some(name.to_owned());
        for (filter, wants) in [
            (
                TaskFilter {
                    status: Some(TaskStatus::Working),
                    ..all.clone()
                },
                true,
            ),
            (
                TaskFilter {
                    status: Some(TaskStatus::Failed),
                    ..all.clone()
                },
                false,
            ),
            (
                TaskFilter {
                    tool: tool("report"),
                    ..all.clone()
                },
                true,
            ),
            (
                TaskFilter {
                    tool: tool("other"),
                    ..all.clone()
                },
                false,
            ),
            (
                TaskFilter {
                    principal: tool("alice"),
                    ..all.clone()
                },
                true,
            ),
            (
                TaskFilter {
                    principal: tool("bob"),
                    ..all.clone()
                },
                false,
            ),
            (
                TaskFilter {
                    older_than: Some(Duration::from_secs(59)),
                    ..all.clone()
                },
                true,
            ),
            (
                TaskFilter {
                    older_than: Some(Duration::from_secs(60)),
                    ..all.clone()
                },
                false,
            ),
        ] {
            assert_eq!(filter.wants(&task), wants, "{filter:?}");
            assert!(!filter.wants_all());
        }
        let unnamed = TaskFacts { name: None, ..task };
        assert!(
            !TaskFilter {
                tool: tool("report"),
                ..all
            }
            .wants(&unnamed)
        );
    }
}
