//! What is set up wrongly or has gone wrong unnoticed, and what to do about each.

use maud::html;
use prynai_bus::operations::Repairs;
use prynai_operations::look::doctor::{Verdict, examine};

use super::{Made, live};
use crate::address::Query;
use crate::parts::{Columns, said, state, table};

const FINDINGS: Columns = &[("About", false), ("Verdict", false), ("Finding", false)];

pub(crate) async fn doctor(operations: &dyn Repairs, query: &Query) -> Made {
    let place = operations.place().await?;
    let found = examine(operations, place).await?;
    let rows = found.findings.iter().map(|finding| {
        let verdict = match finding.verdict {
            Verdict::Good => "good",
            Verdict::Note => "note",
            Verdict::Wrong => "wrong",
            Verdict::Unknown => "unknown",
        };
        vec![
            html! { (finding.about) },
            state(verdict),
            html! { (said(&finding.said)) },
        ]
    });
    let body = table(
        "Settings, and what goes wrong unnoticed",
        FINDINGS,
        rows.collect(),
    );
    Ok((live("Doctor", "doctor", query), body))
}
