//! Is all well?

use maud::{Markup, html};
use prynai_bus::operations::{Overview, Repairs};
use prynai_operations::explain::{Concern, More};
use prynai_operations::look::letters::{self, LetterFilter};
use prynai_operations::look::queue::{self, Extent, QueueFilter};
use prynai_operations::look::status::{
    self, Status, living_gateways, living_workers, open_tasks, server,
};
use prynai_operations::text::{counted, span};

use super::lists::{entries, letter_table};
use super::processes::{gateway_table, worker_table};
use super::{Made, live};
use crate::address::{Query, path};
use crate::parts::{facts, said};

/// Rows of each list.
const ROWS: usize = 10;

/// How far the lists are read.
const SHORT: Extent = Extent {
    rows: ROWS,
    pages: 1,
};

pub(crate) async fn overview(operations: &dyn Repairs, query: &Query) -> Made {
    let place = operations.place().await?;
    if !place.is_there {
        let body = html! { p .trouble {
            "No gateway and no worker has used " (said(&place.bus)) " under the prefix " (said(&place.prefix)) " yet."
        } };
        return Ok((live("Overview", "", query), body));
    }
    let status = status::read(operations, place).await?;
    let filter = QueueFilter::default();
    let queue = queue::read(operations, &filter, None, SHORT).await?;
    let dead = letters::read(operations, &LetterFilter::default(), None, SHORT).await?;
    let o = &status.overview;
    let body = html! {
        (attention(&status.attention))
        (numbers(&status))
        @if !queue.entries.is_empty() {
            (entries("The oldest requests", &queue))
            (more(queue.has_more, "queue", "All requests"))
        }
        (worker_table("Workers", status.workers.get(..ROWS).unwrap_or(&status.workers), false))
        (more(status.workers.len() > ROWS, "workers", "All workers"))
        (gateway_table("Gateways", status.gateways.get(..ROWS).unwrap_or(&status.gateways)))
        (more(status.gateways.len() > ROWS, "gateways", "All gateways"))
        @if !dead.letters.is_empty() {
            (letter_table("The newest dead letters", &dead.letters, false))
            (more(dead.has_more, "dead", "All dead letters"))
        }
        (find())
        p .dim { "Bus: " (said(&status.place.bus)) @if status.place.has_server {
            ", prefix " (said(&status.place.prefix)) "; server " (said(&server(o)))
        } }
    };
    Ok((live("Overview", "", query), body))
}

fn attention(concerns: &[Concern]) -> Markup {
    html! {
        @if concerns.is_empty() {
            p .calm { "Nothing needs attention." }
        } @else {
            section .attention aria-labelledby="attention" {
                h2 #attention { "Needs attention" }
                ul { @for concern in concerns { li {
                    (said(&concern.said))
                    @match concern.more {
                        Some(More::Workers) => { " " a href=(path("workers", &[])) { "See the workers" } }
                        Some(More::DeadLetters) => { " " a href=(path("dead", &[])) { "See the dead letters" } }
                        None => {}
                    }
                } } }
            }
        }
    }
}

fn numbers(status: &Status) -> Markup {
    let o: &Overview = &status.overview;
    let live_workers = status.workers.iter().filter(|w| w.is_alive).count();
    let live_gateways = status.gateways.iter().filter(|g| g.is_alive).count();
    let big = |number: &str, below: &str| html! { span .big { (number) } span .dim { (below) } };
    let oldest = |before: &str, ms: Option<u64>, after: &str| {
        ms.map_or_else(String::new, |ms| format!("{before} {}{after}", span(ms)))
    };
    let waiting = oldest("the oldest for", o.oldest_waiting_ms, "");
    let running = oldest("the oldest was queued", o.oldest_running_ms, " ago");
    let in_sessions = format!("{} in them", counted(o.session_calls, "call", "calls"));
    let number = |number: u64, below: &str| big(&number.to_string(), below);
    let mut told = vec![
        ("Waiting", number(o.waiting, &waiting)),
        ("Running", number(o.running, &running)),
        (
            "Open streams",
            number(o.unfinished_streams, "calls with a log and no end"),
        ),
        ("Sessions", number(o.sessions, &in_sessions)),
        (
            "Workers",
            big(&live_workers.to_string(), &living_workers(&status.workers)),
        ),
        (
            "Gateways",
            big(
                &live_gateways.to_string(),
                &living_gateways(&status.gateways),
            ),
        ),
        ("Cancelled", number(o.cancelled, "still in the queue")),
        (
            "Dead letters",
            number(o.dead_letters, "could not be served"),
        ),
    ];
    if let Some(tasks) = o.tasks.filter(|tasks| tasks.kept > 0) {
        let open = open_tasks(&tasks, &o.open_tasks.unwrap_or_default());
        let below = format!("open: {open}; {} kept in all", tasks.kept);
        told.push((
            "Tasks",
            number(tasks.working + tasks.input_required, &below),
        ));
    }
    facts(&told)
}

fn more(is_more: bool, page: &str, shown: &str) -> Markup {
    html! { @if is_more { p { a href=(path(page, &[])) { (shown) } } } }
}

/// A form that finds a call.
fn find() -> Markup {
    html! {
        form method="get" action=(path("call", &[])) role="search" {
            div {
                label for="id" { "Find a call by its stream (as logs name it) or its entry" }
                input id="id" name="id" size="36" maxlength="64" required autocomplete="off" spellcheck="false";
            }
            button type="submit" { "Find" }
        }
    }
}
