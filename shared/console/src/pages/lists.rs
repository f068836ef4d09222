//! Requests that wait or run, and dead letters.

use maud::{Markup, html};
use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, EntrySight, Repairs};
use prynai_operations::look::letters::{self, LetterFilter};
use prynai_operations::look::queue::{self, EntryState, Queue, QueueFilter};
use prynai_operations::text::{size, span, what};

use super::{Fields, LIST, Made, ask, done, form, live, paging};
use crate::address::Query;
use crate::parts::{Columns, call_link, said, said_or_dash, session, state, table};

const ENTRIES: Columns = &[
    ("What", false),
    ("State", false),
    ("Queued ago", true),
    ("Caller", false),
    ("Worker", false),
    ("Attempt", true),
    ("Size", true),
    ("Session", false),
];

const LETTERS: Columns = &[
    ("What", false),
    ("Reason", false),
    ("Put aside ago", true),
    ("Caller", false),
    ("Letter", false),
    ("What to do", false),
];

/// What is asked for in the form of the queue, and in that of the dead letters.
const ASKED: Fields = &[
    ("tool", "Tool, prompt or resource"),
    ("caller", "Caller"),
    ("session", "Session"),
    ("worker", "Worker"),
];
const ASKED_OF_LETTERS: Fields = &[("tool", "Tool, prompt or resource"), ("caller", "Caller")];

/// Where a list goes on, if the query says so as it was told.
fn after(query: &Query) -> Option<EntryId> {
    match query.get("after")?.parse() {
        Ok(CallName::Entry(entry)) => Some(entry),
        _ => None,
    }
}

pub(crate) async fn queue(operations: &dyn Repairs, query: &Query) -> Made {
    let filter = QueueFilter {
        state: match query.get("state") {
            Some("waiting") => EntryState::Waiting,
            Some("running") => EntryState::Running,
            _ => EntryState::All,
        },
        tool: query.owned("tool"),
        principal: query.owned("caller"),
        session: query.owned("session"),
        worker: query.owned("worker"),
    };
    let found = queue::read(operations, &filter, after(query), LIST).await?;
    let next = found.next.as_ref().map(EntryId::as_str);
    let body = html! {
        (done(query))
        (filters(query, filter.state))
        @if found.entries.is_empty() {
            p .calm { @if found.looked_at == 0 { "The queue is empty." } @else {
                "None of the " (found.looked_at) " requests that were looked at is asked for."
            } }
        } @else {
            (entries("Requests that wait or run, oldest first", &found))
        }
        @if found.has_unreadable {
            p { "Some are of a format that this release cannot read: look with the newest release." }
        }
        (paging("queue", query, next))
    };
    Ok((live("Queue", "queue", query), body))
}

fn filters(query: &Query, chosen: EntryState) -> Markup {
    let states = [
        ("", "waits or runs", EntryState::All),
        ("waiting", "waits", EntryState::Waiting),
        ("running", "has a worker", EntryState::Running),
    ];
    let state = html! {
        div {
            label for="state" { "State" }
            select id="state" name="state" { @for (value, name, state) in states {
                option value=(value) selected[state == chosen] { (name) }
            } }
        }
    };
    form("queue", query, ASKED, &state)
}

/// Requests, and which of them wait for the end of a lost worker's lease.
pub(super) fn entries(caption: &str, queue: &Queue) -> Markup {
    let rows = queue.entries.iter().map(|entry| {
        let lease = entry.lease.as_ref();
        vec![
            call_link(&entry.entry, &html! { (said(&what(entry))) }),
            state(queue.state(entry)),
            html! { (span(entry.age_ms)) },
            said_or_dash(entry.principal.as_ref()),
            said_or_dash(lease.map(|lease| &lease.worker)),
            html! { @if let Some(lease) = lease { (lease.delivery) } @else { "–" } },
            html! { (size(entry.bytes)) },
            session(entry.session.as_ref()),
        ]
    });
    html! {
        (table(caption, ENTRIES, rows.collect()))
        @for worker in &queue.lost { p { (said(&worker.said())) } }
    }
}

pub(crate) async fn dead(operations: &dyn Repairs, query: &Query, may_write: bool) -> Made {
    let filter = LetterFilter {
        tool: query.owned("tool"),
        principal: query.owned("caller"),
    };
    let is_filtered = filter.tool.is_some() || filter.principal.is_some();
    let found = letters::read(operations, &filter, after(query), LIST).await?;
    let next = found.next.as_ref().map(EntryId::as_str);
    let body = html! {
        (done(query))
        (form("dead", query, ASKED_OF_LETTERS, &html! {}))
        @if found.letters.is_empty() {
            p .calm { @if is_filtered { "None was found that is asked for." } @else { "No request was put aside." } }
        } @else {
            p { "These requests could not be served. Mend the reason first, then run "
                "them once more or drop them." }
            (letter_table("Dead letters, newest first", &found.letters, may_write))
        }
        (paging("dead", query, next))
    };
    Ok((live("Dead letters", "dead", query), body))
}

pub(super) fn letter_table(caption: &str, letters: &[EntrySight], may_write: bool) -> Markup {
    let rows = letters.iter().map(|letter| {
        let reason = letter.dead.as_ref().map(|dead| &dead.reason);
        vec![
            call_link(&letter.entry, &html! { (said(&what(letter))) }),
            said_or_dash(reason),
            html! { (span(letter.age_ms)) },
            said_or_dash(letter.principal.as_ref()),
            html! { span .whole { (said(&letter.entry)) } },
            html! { @if may_write { span .buttons {
                (ask("replay", &letter.entry, "Run again"))
                (ask("drop", &letter.entry, "Drop"))
            } } },
        ]
    });
    let columns = if may_write {
        LETTERS
    } else {
        &LETTERS[..LETTERS.len() - 1]
    };
    table(caption, columns, rows.collect())
}
