//! Sessions of legacy clients.

use std::collections::BTreeMap;

use prynai_bus::operations::{Operations, SessionSight};
use serde::Serialize;

use super::{Failed, Shown, or_dash};
use crate::settings::SessionFilter;
use crate::show::{Column, Table, span};

/// Steps of the walk through all keys; each passes a few hundred.
const STEPS: usize = 10_000;

/// Sessions.
#[derive(Debug, Serialize)]
pub struct Sessions {
    /// Those asked for, by name.
    pub sessions: Vec<SessionSight>,
    /// Whether there may be more.
    pub has_more: bool,
}

pub(crate) async fn read(
    operations: &dyn Operations,
    filter: &SessionFilter,
) -> Result<Sessions, Failed> {
    let limit = usize::from(filter.limit);
    // A walk may pass a key twice.
    let mut found = BTreeMap::new();
    let (mut after, mut has_more) = (0, true);
    for _ in 0..STEPS {
        let page = operations.sessions(after).await?;
        for session in page.sessions {
            if filter.principal.is_none() || filter.principal == session.principal {
                found.insert(session.session.clone(), session);
            }
        }
        has_more = page.next.is_some() || found.len() > limit;
        match page.next {
            Some(next) if found.len() <= limit => after = next,
            _ => break,
        }
    }
    let sessions = found.into_values().take(limit).collect();
    Ok(Sessions { sessions, has_more })
}

impl Shown for Sessions {
    fn words(&self, width: Option<usize>) -> String {
        if self.sessions.is_empty() {
            return "No such session.\n".to_owned();
        }
        let mut table = Table::new(vec![
            Column::name("SESSION"),
            Column::number("CALLS"),
            Column::number("ENDS IN"),
            Column::text("CALLER", 10),
            Column::text("CLIENT", 10),
            Column::name("REVISION"),
            Column::number("SUBSCRIPTIONS"),
        ]);
        for session in &self.sessions {
            table.row([
                session.session.clone(),
                session.calls.to_string(),
                session.ends_in_ms.map_or_else(|| "-".to_owned(), span),
                or_dash(session.principal.as_ref()),
                or_dash(session.client.as_ref()),
                or_dash(session.protocol_version.as_ref()),
                session.subscriptions.to_string(),
            ]);
        }
        let mut text = table.render(width);
        if self.has_more {
            text += "There may be more (--limit, --principal).\n";
        }
        text
    }
}
