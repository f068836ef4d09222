//! Tasks: calls whose clients ask for the answer later.

use std::time::Duration;

use maud::{Markup, html};
use prynai_bus::operations::{Repairs, TaskFacts, TaskStatus};
use prynai_operations::look::tasks::{TaskFilter, read, what};
use prynai_operations::text::span;

use super::{Fields, LIST, Made, done, form, live, paging};
use crate::address::Query;
use crate::parts::{Columns, call_link, said, said_or_dash, state, table};

const TASKS: Columns = &[
    ("What", false),
    ("State", false),
    ("A task since", true),
    ("Changed ago", true),
    ("Kept for", true),
    ("Caller", false),
    ("Worker", false),
    ("Rounds", true),
];

/// What is asked for in the form.
const ASKED: Fields = &[("tool", "Tool"), ("caller", "Caller")];

/// Ages that can be chosen: what the query says, what is shown, and the age.
const AGES: [(&str, &str, u64); 4] = [
    ("1m", "a minute", 60),
    ("10m", "ten minutes", 600),
    ("1h", "an hour", 3_600),
    ("1d", "a day", 86_400),
];

pub(crate) async fn tasks(operations: &dyn Repairs, query: &Query) -> Made {
    let named = |status: &TaskStatus| query.get("state") == Some(status.as_str());
    let age = AGES
        .iter()
        .find(|(value, ..)| query.get("age") == Some(value));
    let filter = TaskFilter {
        status: TaskStatus::ALL.into_iter().find(named),
        tool: query.owned("tool"),
        principal: query.owned("caller"),
        older_than: age.map(|(.., seconds)| Duration::from_secs(*seconds)),
    };
    let after = query.get("after").and_then(|after| after.parse().ok());
    let found = read(operations, &filter, after, LIST).await?;
    let next = found.next.map(|next| next.to_string());
    let body = html! {
        (done(query))
        (form("tasks", query, ASKED, &choices(&filter, query)))
        @if found.tasks.is_empty() {
            p .calm { @if found.looked_at == 0 { "There is no task." } @else {
                "None of the " (found.looked_at) " tasks that were looked at is asked for."
            } }
        } @else {
            (list(&found.tasks))
        }
        (paging("tasks", query, next.as_deref()))
        p .dim { "Calls whose clients ask for the answer later, oldest first as far as all are kept for the same time. "
            "One that waits for its client costs no worker anything, and goes when its time is over." }
    };
    Ok((live("Tasks", "tasks", query), body))
}

fn choices(filter: &TaskFilter, query: &Query) -> Markup {
    html! {
        div {
            label for="state" { "State" }
            select id="state" name="state" {
                option value="" { "any" }
                @for status in TaskStatus::ALL {
                    option value=(status.as_str()) selected[filter.status == Some(status)] { (status.as_str()) }
                }
            }
        }
        div {
            label for="age" { "Older than" }
            select id="age" name="age" {
                option value="" { "any" }
                @for (value, shown, _) in AGES {
                    option value=(value) selected[query.get("age") == Some(value)] { (shown) }
                }
            }
        }
    }
}

fn list(tasks: &[TaskFacts]) -> Markup {
    let rows = tasks.iter().map(|task| {
        vec![
            call_link(&task.task, &html! { (said(&what(task))) }),
            state(task.status.as_str()),
            html! { (span(task.age_ms)) },
            html! { (span(task.changed_ms_ago)) },
            html! { (span(task.asked_for_ms)) },
            said_or_dash(task.principal.as_ref()),
            said_or_dash(task.worker.as_ref()),
            html! { (task.rounds) },
        ]
    });
    table("Tasks, oldest first", TASKS, rows.collect())
}
