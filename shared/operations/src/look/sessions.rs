//! Sessions of legacy clients.

use std::collections::BTreeMap;

use prynai_bus::operations::{Operations, SessionSight};
use serde::Serialize;

use super::queue::Extent;
use crate::Failed;

/// Sessions.
#[derive(Debug, Serialize)]
pub struct Sessions {
    /// Those asked for, by name.
    pub sessions: Vec<SessionSight>,
    /// Whether there may be more.
    pub has_more: bool,
    /// Where to go on looking, if there may be more.
    #[serde(skip)]
    pub next: Option<u64>,
}

/// Reads sessions, those of `principal` if one is named. `after` is [`Sessions::next`] of a look before, 0 at first.
///
/// What the last page has beyond the rows that are asked for is left out, unless it is `whole`: then nothing is left
/// out, and there may be as many rows more as a page holds.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn read(
    operations: &dyn Operations,
    principal: Option<&String>,
    mut after: u64,
    extent: Extent,
    whole: bool,
) -> Result<Sessions, Failed> {
    // A walk may pass a session twice.
    let mut found = BTreeMap::new();
    let mut next = Some(after);
    for _ in 0..extent.pages {
        let page = operations.sessions(after).await?;
        for session in page.sessions {
            if principal.is_none() || principal == session.principal.as_ref() {
                found.insert(session.session.clone(), session);
            }
        }
        next = page.next;
        let is_enough = match whole {
            true => found.len() >= extent.rows,
            false => found.len() > extent.rows,
        };
        match page.next {
            Some(next) if !is_enough => after = next,
            _ => break,
        }
    }
    let surplus = !whole && found.len() > extent.rows;
    let rows = if whole { usize::MAX } else { extent.rows };
    Ok(Sessions {
        has_more: next.is_some() || surplus,
        next,
        sessions: found.into_values().take(rows).collect(),
    })
}
