//! The life of one call.

use maud::{Markup, html};
use prynai_bus::operations::{CallName, EntrySight, EventSight, Repairs, TaskFacts, TaskStatus};
use prynai_operations::Failed;
use prynai_operations::look::call::{Call, read};
use prynai_operations::look::tasks;
use prynai_operations::text::{counted, gateway_state, moment, size, span, what};

use super::recent::record_of;
use super::{Made, ask, done, live};
use crate::address::Query;
use crate::frame::Frame;
use crate::parts::{Columns, ago, facts, said, said_or_dash, session, state, table};

const EVENTS: Columns = &[
    ("Event", true),
    ("Kind", false),
    ("What", false),
    ("Size", true),
];

/// Events that are shown, the newest.
const MOST_EVENTS: u16 = 20;

pub(crate) async fn call(operations: &dyn Repairs, query: &Query, may_write: bool) -> Made {
    let id = query.get("id").unwrap_or_default().trim();
    let Ok(name) = id.parse::<CallName>() else {
        return Err(Failed::Unknown(
            "a call is named by its stream (32 digits, as logs name it) or its entry (such as 1785000000000-0)".to_owned(),
        ));
    };
    let found = match read(operations, &name, MOST_EVENTS, false).await {
        Err(Failed::Unknown(told)) => return over(operations, &name, told).await,
        found => found?,
    };
    let entry = found.call.entry.as_ref().or(found.call.dead.as_ref());
    let over = || match task_of(&found) {
        Some(task) => tasks::what(task),
        None => "A call that is over".to_owned(),
    };
    let title = entry.map_or_else(over, what);
    let body = html! {
        (done(query))
        p { "Now: " (state(found.explanation.state)) }
        ul .because { @for because in &found.explanation.because { li { (said(because)) } } }
        (buttons(&found, may_write))
        (of_call(&found, entry))
        @if let Some(task) = task_of(&found) { (of_task(task)) }
        h2 { "What happened" }
        ol .timeline { @for (when, happened) in timeline(&found, entry) {
            li { span .when { (when) } (happened) }
        } }
        @if !found.events.is_empty() { (events(&found.events)) }
    };
    Ok((live(&title, "call", query), body))
}

/// A call that is known no more, but for what the audit has of it. It changes no more, so the page stays as it is.
async fn over(operations: &dyn Repairs, name: &CallName, told: String) -> Made {
    let record = record_of(operations, name, told).await?;
    let body = html! {
        p { "It is over, and nothing else is kept of it: a call is forgotten once its client has the answer." }
        (record)
    };
    Ok((Frame::still("A call that is over"), body))
}

fn buttons(found: &Call, may_write: bool) -> Markup {
    let call = &found.call;
    html! {
        @if may_write { p .buttons {
            @if let (Some(stream), Some(word), false) = (&call.stream, cancelled(found), call.is_cancelled) {
                (ask("cancel", stream, word))
            }
            @if let Some(letter) = &call.dead {
                (ask("replay", &letter.entry, "Run it again"))
                (ask("drop", &letter.entry, "Drop the letter"))
            }
        } }
    }
}

/// The task that the call has become, if it has.
fn task_of(found: &Call) -> Option<&TaskFacts> {
    found.call.log.as_ref()?.task.as_ref()
}

/// What the button says that cancels it, if it can be cancelled.
fn cancelled(found: &Call) -> Option<&'static str> {
    match task_of(found) {
        Some(task) => (!task.status.is_over()).then_some("Cancel this task"),
        None => found.call.entry.as_ref().map(|_| "Cancel this call"),
    }
}

/// Nothing that its client or its tool said: neither what it asks, nor what it says of itself.
fn of_task(task: &TaskFacts) -> Markup {
    let since = html! {
        @if let Some(created) = task.created_at_ms { (moment(created)) ", " }
        (span(task.age_ms)) " ago"
    };
    let rounds = html! {
        (counted(task.rounds, "time", "times"))
        @if task.status == TaskStatus::InputRequired {
            ", and now for " (counted(task.awaited, "answer", "answers"))
        }
    };
    html! {
        h2 { "As a task" }
        (facts(&[
            ("How far it is", state(task.status.as_str())),
            ("A task since", since),
            ("Changed", html! { (span(task.changed_ms_ago)) " ago" }),
            ("Its client can ask for it", html! { "for " (span(task.asked_for_ms)) }),
            ("It waited for its client", rounds),
            ("What it says of itself", html! { (size(task.message_bytes)) }),
        ]))
    }
}

fn of_call(found: &Call, entry: Option<&EntrySight>) -> Markup {
    let call = &found.call;
    let log = call.log.as_ref();
    let worker = call.worker.as_ref().map(|worker| &worker.worker);
    let worker = worker.or_else(|| log?.worker.as_ref());
    let id = entry.and_then(|entry| {
        entry
            .dead
            .as_ref()
            .map(|dead| &dead.entry)
            .or(Some(&entry.entry))
    });
    let id = id.or_else(|| log?.entry.as_ref());
    let of_session = entry.and_then(|entry| entry.session.as_ref());
    let holder = html! {
        @if let Some(holder) = &call.holder {
            (said(&holder.gateway)) " "
            // What holds a request that an operator runs again is no gateway.
            @if holder.is_listening || holder.version.is_some() || !holder.is_alive {
                (state(gateway_state(holder)))
            }
        }
        @else if log.is_some_and(|log| log.task.is_some()) { "nobody: its client asks for it" }
        @else { "–" }
    };
    let task = log.and_then(|log| log.task.as_ref());
    let caller = entry.and_then(|entry| entry.principal.as_ref());
    let caller = caller.or_else(|| task?.principal.as_ref());
    let revision = entry.and_then(|entry| entry.protocol_version.as_ref());
    facts(&[
        ("Stream", said_or_dash(call.stream.as_ref())),
        ("Entry", said_or_dash(id)),
        ("Caller", said_or_dash(caller)),
        (
            "Session",
            session(of_session.or_else(|| log?.session.as_ref())),
        ),
        ("Worker", said_or_dash(worker)),
        ("Who waits for it", holder),
        ("Revision", said_or_dash(revision)),
        (
            "Request id of the client",
            said_or_dash(entry.and_then(|entry| entry.request_id.as_ref())),
        ),
        (
            "Size of the request",
            html! { @if let Some(entry) = entry { (size(entry.bytes)) } @else { "–" } },
        ),
        (
            "Events",
            html! { @if let Some(log) = log {
                (log.newest) @if let Some(bytes) = log.bytes { ", " (size(bytes)) }
            } @else { "none yet" } },
        ),
    ])
}

/// What happened, and when, as far as it is known.
fn timeline(found: &Call, entry: Option<&EntrySight>) -> Vec<(Markup, Markup)> {
    let (call, now) = (&found.call, found.call.now_ms);
    let mut happened = Vec::new();
    if let Some(queued) = entry.and_then(|entry| entry.queued_at_ms) {
        happened.push((
            ago(now, queued),
            html! { "A gateway queued it (" (moment(queued)) ")." },
        ));
    }
    if let Some(lease) = entry.and_then(|entry| entry.lease.as_ref()) {
        let attempt =
            html! { "Worker " (said(&lease.worker)) " has it, attempt " (lease.delivery) };
        happened.push(match lease.is_handed_back {
            true => (
                html! { "since then" },
                html! { (attempt) ", and gave it back." },
            ),
            false => {
                let renewed = format!("lease renewed {} ago", span(lease.renewed_ms_ago));
                (html! { (renewed) }, html! { (attempt) "." })
            }
        });
    }
    if let Some(task) = task_of(found) {
        let since = task.created_at_ms.unwrap_or(now);
        happened.push((ago(now, since), html! { "It became a task." }));
    }
    if let Some(log) = call.log.as_ref().filter(|log| log.newest > 0) {
        let by = html! {
            @if let (Some(worker), Some(delivery)) = (&log.worker, log.delivery) {
                " Worker " (said(worker)) " may write, attempt " (delivery) "."
            }
        };
        happened.push((
            html! { "since then" },
            html! { (counted(log.newest, "event was", "events were")) " written." (by) },
        ));
    }
    if let Some(task) = task_of(found).filter(|task| task.status == TaskStatus::InputRequired) {
        let asked = now.saturating_sub(task.changed_ms_ago);
        let answers = counted(task.awaited, "answer", "answers");
        happened.push((
            ago(now, asked),
            html! { "It left its worker and the queue, until its client has given " (answers) "." },
        ));
    }
    if call.is_cancelled {
        happened.push((html! { "then" }, html! { "It was cancelled." }));
    }
    if let Some(dead) = &call.dead {
        let reason = dead
            .dead
            .as_ref()
            .map(|dead| dead.reason.as_str())
            .unwrap_or_default();
        happened.push((
            ago(now, now.saturating_sub(dead.age_ms)),
            html! { "It was put aside as dead letter " (said(&dead.entry)) ": " (said(reason)) },
        ));
    }
    match (call.log.as_ref(), entry.and_then(|entry| entry.deadline_ms)) {
        (Some(log), _) if log.state == "finished" => {
            happened.push((
                html! { "then" },
                match log.task {
                    Some(_) => html! { "It ended, and its client can ask for the end." },
                    None => html! { "It ended, and its gateway was told." },
                },
            ));
        }
        (_, Some(deadline)) if call.entry.is_some() => {
            let left = match deadline.checked_sub(now) {
                Some(left) => format!("in {}", span(left)),
                None => format!("{} ago", span(now.saturating_sub(deadline))),
            };
            happened.push((
                html! { (left) },
                html! { "Its deadline (" (moment(deadline)) ")." },
            ));
        }
        _ => {}
    }
    happened
}

fn events(events: &[EventSight]) -> Markup {
    let rows = events.iter().rev().map(|event| {
        let kind = match (&event.kind, event.bytes) {
            (Some(_), _) if event.is_question => "question",
            (Some(kind), _) => kind,
            (None, 0) => "missing",
            (None, _) => "large",
        };
        let what = match (&event.method, event.error_code, event.is_tool_error) {
            (Some(method), ..) => html! { (said(method)) },
            (None, Some(code), _) => html! { "error " (code) },
            (None, None, true) => html! { "the tool says that it failed" },
            (None, None, false) if kind == "final" => html! { "result" },
            (None, None, false) => html! { "–" },
        };
        vec![
            html! { (event.offset) },
            html! { (said(kind)) },
            what,
            html! { (size(event.bytes)) },
        ]
    });
    table(
        "Its newest events, newest first; what they say is not shown",
        EVENTS,
        rows.collect(),
    )
}
