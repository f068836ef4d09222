//! Sessions of legacy clients.

use prynai_bus::operations::Operations;
use prynai_operations::look::queue::Extent;
use prynai_operations::look::sessions::{Sessions, read as read_sessions};
use prynai_operations::text::{or_dash, span};

use super::{Failed, Shown};
use crate::settings::SessionFilter;
use crate::show::{Column, Table};

/// Steps of the walk through all keys; each passes a few hundred.
const STEPS: usize = 10_000;

pub(crate) async fn read(
    operations: &dyn Operations,
    filter: &SessionFilter,
) -> Result<Sessions, Failed> {
    let extent = Extent {
        rows: filter.limit.into(),
        pages: STEPS,
    };
    let principal = filter.principal.as_ref();
    Ok(read_sessions(operations, principal, 0, extent, false).await?)
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
