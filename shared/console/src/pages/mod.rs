//! The pages, one file each. Each reads a bounded number of rows, and gives its frame and its body.

use maud::{Markup, html};
use prynai_bus::shown::DIGITS_OF_SESSION;
use prynai_operations::Failed;
use prynai_operations::look::queue::Extent;

use crate::address::{LARGEST_VALUE, Query, path};
use crate::frame::Frame;
use crate::parts::said;

mod call;
mod doctor;
mod lists;
mod overview;
mod processes;
mod recent;
mod sessions;
mod tasks;

pub(crate) use call::call;
pub(crate) use doctor::doctor;
pub(crate) use lists::{dead, queue};
pub(crate) use overview::overview;
pub(crate) use processes::{gateways, workers};
pub(crate) use recent::recent;
pub(crate) use sessions::sessions;
pub(crate) use tasks::tasks;

/// A page.
type Made = Result<(Frame, Markup), Failed>;

/// How far a list is read for one page.
const LIST: Extent = Extent {
    rows: 50,
    pages: 10,
};

/// Values by which lists are filtered.
const FILTERS: [&str; 8] = [
    "tool", "caller", "session", "worker", "call", "state", "outcome", "age",
];

/// The frame of a page that is loaded anew, unless the query says that it stays. One that is filtered stays, unless the
/// query says otherwise: somebody is at its form, and would lose what they type.
fn live(title: &str, page: &'static str, query: &Query) -> Frame {
    let is_filtered = FILTERS.iter().any(|name| query.get(name).is_some());
    let is_stopped = query.get("still").map_or(is_filtered, |still| still != "0");
    let other = match is_stopped {
        true => is_filtered.then_some("0"),
        false => Some("1"),
    };
    let list = (page != "call").then_some(page);
    Frame::live(
        title,
        list,
        is_stopped,
        query.path_with(page, "still", other),
    )
}

/// What was just done, if the query says so; one of a few texts, none of which comes from there.
fn done(query: &Query) -> Markup {
    let told = match query.get("done") {
        Some("cancelled") => {
            "The call is cancelled. It leaves the queue when its worker has seen that."
        }
        Some("task") => "The task is cancelled. Whoever asks for it is told so.",
        Some("replayed") => {
            "The request is queued once more, as this call. The dead letter is gone."
        }
        Some("dropped") => "The dead letter is dropped.",
        Some("drained") => {
            "The worker was told to drain: it claims nothing more, and ends when its calls have ended."
        }
        _ => return html! {},
    };
    html! { p .done role="status" { (told) } }
}

/// Links to the next page of a list, and back to its begin.
fn paging(page: &'static str, query: &Query, next: Option<&str>) -> Markup {
    html! {
        @if next.is_some() || query.get("after").is_some() {
            p .buttons {
                @if query.get("after").is_some() {
                    a .button href=(query.path_with(page, "after", None)) { "Back to the begin" }
                }
                @if let Some(next) = next {
                    a .button href=(query.path_with(page, "after", Some(next))) { "Go on" }
                }
            }
        }
    }
}

/// Values that a form asks for: each a name, and what stands before its field.
type Fields = &'static [(&'static str, &'static str)];

/// A form that shows a list again, with only what is asked for in it; `more` stands before its button.
fn form(page: &'static str, query: &Query, fields: Fields, more: &Markup) -> Markup {
    // Of a session nobody is to type more than is shown.
    let longest = |name: &str| match name {
        "session" => DIGITS_OF_SESSION,
        _ => LARGEST_VALUE,
    };
    html! {
        form method="get" action=(path(page, &[])) {
            @for (name, shown) in fields { div {
                label for=(name) { (shown) }
                input id=(name) name=(name) value=(said(query.get(name).unwrap_or_default())) maxlength=(longest(name))
                    autocomplete="off" spellcheck="false";
            } }
            (more)
            @if let Some(still) = query.get("still") { input type="hidden" name="still" value=(said(still)); }
            button type="submit" { "Show" }
        }
    }
}

/// A button that leads to the question whether something shall be done.
fn ask(act: &str, id: &str, shown: &str) -> Markup {
    html! { a .button href=(path("ask", &[("do", act), ("id", id)])) { (shown) } }
}
