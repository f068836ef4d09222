//! Sessions of legacy clients.

use maud::html;
use prynai_bus::operations::Repairs;
use prynai_operations::look::queue::Extent;
use prynai_operations::look::sessions::{Sessions, read};

use super::{Made, form, live, paging};
use crate::address::Query;
use crate::parts::{Columns, said_or_dash, session, table, time};

const SESSIONS: Columns = &[
    ("Session", false),
    ("Caller", false),
    ("Client", false),
    ("Calls", true),
    ("Subscriptions", true),
    ("Ends in", true),
    ("Revision", false),
];

/// How far one page is read: each step passes a few hundred keys of Redis.
const LIST: Extent = Extent {
    rows: 50,
    pages: 20,
};

pub(crate) async fn sessions(operations: &dyn Repairs, query: &Query) -> Made {
    let after = query.get("after").and_then(|after| after.parse().ok());
    let caller = query.owned("caller");
    let after = after.unwrap_or(0);
    let found = read(operations, caller.as_ref(), after, LIST, true).await?;
    let next = found.next.map(|next| next.to_string());
    let body = html! {
        (form("sessions", query, &[("caller", "Caller")], &html! {}))
        @if found.sessions.is_empty() {
            p .calm { @if next.is_some() { "None was found yet; there may be some further on." } @else if caller.is_some() { "No session of this caller." } @else { "No session." } }
        } @else { (list(&found)) }
        (paging("sessions", query, next.as_deref()))
        p .dim { "Sessions of clients of 2025-11-25 and before, in no order. Of a session's name only the begin is "
            "shown: where calls need no token, whoever knows it can use the session." }
    };
    Ok((live("Sessions", "sessions", query), body))
}

fn list(found: &Sessions) -> maud::Markup {
    let rows = found.sessions.iter().map(|sight| {
        vec![
            session(Some(&sight.session)),
            said_or_dash(sight.principal.as_ref()),
            said_or_dash(sight.client.as_ref()),
            html! { (sight.calls) },
            html! { (sight.subscriptions) },
            time(sight.ends_in_ms),
            said_or_dash(sight.protocol_version.as_ref()),
        ]
    });
    table("Sessions", SESSIONS, rows.collect())
}
