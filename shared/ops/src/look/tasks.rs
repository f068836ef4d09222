//! Tasks: which there are, and the whole life of one.

use prynai_bus::operations::{Operations, TaskFacts};
use prynai_operations::look::queue::Extent;
use prynai_operations::look::tasks::{Task, Tasks, read as read_tasks, read_one, what};
use prynai_operations::text::{counted, harmless, moment, or_dash, size, span};

use super::call::facts_of_record;
use super::{Failed, Shown};
use crate::settings::{TaskAsked, TaskFilter};
use crate::show::{Column, Table, point};

/// Pages that are looked through for what the filter asks for.
const PAGES: usize = 100;

pub(crate) async fn read(
    operations: &dyn Operations,
    filter: &TaskFilter,
) -> Result<Tasks, Failed> {
    let extent = Extent {
        rows: filter.limit.into(),
        pages: PAGES,
    };
    Ok(read_tasks(operations, &filter.wanted(), None, extent).await?)
}

pub(crate) async fn show(operations: &dyn Operations, asked: &TaskAsked) -> Result<Task, Failed> {
    Ok(read_one(operations, asked.task, asked.message).await?)
}

impl Shown for Tasks {
    fn words(&self, width: Option<usize>) -> String {
        let mut text = match self.tasks.is_empty() {
            true if self.looked_at == 0 => "There is no task.\n".to_owned(),
            true => format!(
                "None of the {} that were looked at is asked for.\n",
                counted(self.looked_at as u64, "task", "tasks")
            ),
            false => table(self).render(width),
        };
        if self.has_more {
            text += &format!(
                "{} shown of the first {}; there are more (--limit, --state, --tool, --principal, --older-than).\n",
                self.tasks.len(),
                self.looked_at
            );
        }
        text
    }
}

fn table(tasks: &Tasks) -> Table {
    let mut table = Table::new(vec![
        Column::name("TASK"),
        Column::number("AGE"),
        Column::name("STATE"),
        Column::text("TOOL", 16),
        Column::text("CALLER", 10),
        Column::number("CHANGED"),
        Column::number("KEPT FOR"),
        Column::name("WORKER"),
        Column::number("DELIVERY"),
        Column::number("ROUNDS"),
    ]);
    for task in &tasks.tasks {
        let delivery = task.delivery.map(|delivery| delivery.to_string());
        table.row([
            task.task.clone(),
            span(task.age_ms),
            task.status.as_str().to_owned(),
            or_dash(task.name.as_ref()),
            or_dash(task.principal.as_ref()),
            format!("{} ago", span(task.changed_ms_ago)),
            span(task.asked_for_ms),
            or_dash(task.worker.as_ref()),
            or_dash(delivery.as_ref()),
            task.rounds.to_string(),
        ]);
    }
    table
}

impl Shown for Task {
    fn words(&self, width: Option<usize>) -> String {
        let mut text = String::new();
        let mut fact = |name: &str, value: &str| {
            text += &format!("{name:<13} {}\n", harmless(value));
        };
        for (name, value) in facts(self) {
            fact(name, &value);
        }
        for record in &self.audit {
            for name in [
                "outcome", "code", "reason", "worker", "attempt", "took", "trace",
            ] {
                facts_of_record(record, &mut |has: &str, value: &str| {
                    if has == name {
                        fact(&format!("audit {name}"), value);
                    }
                });
            }
        }
        fact("state", self.explanation.state);
        for because in &self.explanation.because {
            text += &point(because, width);
        }
        text
    }
}

/// What there is to say of a task, each with its name.
fn facts(seen: &Task) -> Vec<(&'static str, String)> {
    let task = &seen.task;
    let mut facts = vec![
        ("task", task.task.clone()),
        ("what", what(task)),
        ("caller", or_dash(task.principal.as_ref())),
        ("status", task.status.as_str().to_owned()),
    ];
    let queued = seen.entry.as_ref().and_then(|entry| entry.queued_at_ms);
    facts.extend(queued.map(|queued| ("called", moment(queued))));
    if let Some(created) = task.created_at_ms {
        let ago = span(task.age_ms);
        facts.push(("a task since", format!("{}, {ago} ago", moment(created))));
    }
    if let Some(changed) = task.changed_at_ms {
        let ago = span(task.changed_ms_ago);
        facts.push(("changed", format!("{}, {ago} ago", moment(changed))));
    }
    facts.push(("kept for", format!("{} more", span(task.asked_for_ms))));
    facts.push(("worker", run(task)));
    facts.push(("rounds", rounds(task)));
    if !task.questions.is_empty() {
        let more = task.awaited.saturating_sub(task.questions.len() as u64);
        let mut keys = task.questions.join(", ");
        if more > 0 {
            keys += &format!(", and {more} more");
        }
        facts.push(("asks", keys));
    }
    match (&seen.message, task.message_bytes) {
        (Some(message), _) => facts.push(("says", message.clone())),
        (None, 0) => {}
        (None, bytes) => facts.push(("says", format!("{} (--message shows it)", size(bytes)))),
    }
    facts
}

fn run(task: &TaskFacts) -> String {
    let Some(worker) = &task.worker else {
        return "none".to_owned();
    };
    let delivery = task.delivery.unwrap_or(1);
    match (task.status.is_over(), delivery) {
        (false, 1) => format!("{worker}, delivery 1"),
        (false, _) => format!("{worker}, delivery {delivery}: others lost it, or gave it back"),
        (true, _) => format!("{worker} had it last, delivery {delivery}"),
    }
}

fn rounds(task: &TaskFacts) -> String {
    let waited = counted(task.rounds, "time", "times");
    match (task.rounds, task.awaited) {
        (0, _) => "it has asked its client nothing".to_owned(),
        (_, 0) => format!("it waited {waited} for its client"),
        (_, awaited) => format!(
            "it waits for its client ({waited} so far), for {}",
            counted(awaited, "answer", "answers")
        ),
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::operations::TaskStatus;
    use prynai_operations::explain::Explanation;

    use super::*;

    fn task() -> TaskFacts {
        TaskFacts {
            task: "0198c5f2a7b47c3e9d10b2f4c6e8a012".to_owned(),
            status: TaskStatus::InputRequired,
            name: Some("report\u{1b}[2J".to_owned()),
            principal: Some("alice".to_owned()),
            created_at_ms: Some(1_785_000_000_000),
            age_ms: 65_000,
            rounds: 2,
            awaited: 22,
            questions: vec!["name".to_owned(), "colour".to_owned()],
            message_bytes: 12,
            ..TaskFacts::default()
        }
    }

    #[test]
    fn the_life_of_a_task_is_told_and_nothing_that_its_tool_said() {
        let explanation = Explanation {
            state: "waits for its client",
            because: vec!["it waits".to_owned()],
        };
        let mut seen = Task {
            explanation,
            task: task(),
            entry: None,
            message: None,
            audit: Vec::new(),
        };
        let told = seen.words(Some(80));
        for line in [
            "what          tools/call report\\u{1b}[2J",
            "status        input_required",
            "a task since  2026-07-25T17:20:00.000Z, 1 min 5 s ago",
            "worker        none",
            "rounds        it waits for its client (2 times so far), for 22 answers",
            "asks          name, colour, and 20 more",
            "says          12 B (--message shows it)",
            "state         waits for its client",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}\n{told}");
        }
        seen.message = Some("half\u{1b}[2J".to_owned());
        let told = seen.words(None);
        assert!(told.contains("says          half\\u{1b}[2J"), "{told}");
    }

    #[test]
    fn a_list_says_what_it_leaves_out() {
        let mut tasks = Tasks {
            tasks: Vec::new(),
            looked_at: 0,
            has_more: false,
            next: None,
        };
        assert_eq!(tasks.words(None), "There is no task.\n");
        tasks.looked_at = 3;
        assert!(tasks.words(None).starts_with("None of the 3 tasks"));
        tasks.tasks.push(task());
        tasks.has_more = true;
        let told = tasks.words(None);
        assert!(told.contains("1 shown of the first 3"), "{told}");
        assert!(told.contains("input_required"), "{told}");
    }
}
