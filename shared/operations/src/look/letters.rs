//! Dead letters.

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{EntrySight, Operations, Shelf};
use serde::Serialize;

use super::queue::{Extent, is_named};
use crate::Failed;

/// Which dead letters.
#[derive(Debug, Default, Clone)]
pub struct LetterFilter {
    /// Only of this tool, prompt or resource.
    pub tool: Option<String>,
    /// Only of this caller.
    pub principal: Option<String>,
}

/// Dead letters.
#[derive(Debug, Serialize)]
pub struct Letters {
    /// The newest first.
    pub letters: Vec<EntrySight>,
    /// Whether there are more.
    pub has_more: bool,
    /// The letter after which the rest begins, if there is a rest.
    #[serde(skip)]
    pub next: Option<EntryId>,
}

/// Reads the dead letters after one of them, or from the newest one.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn read(
    operations: &dyn Operations,
    filter: &LetterFilter,
    mut after: Option<EntryId>,
    extent: Extent,
) -> Result<Letters, Failed> {
    let mut letters: Vec<EntrySight> = Vec::new();
    for _ in 0..extent.pages {
        let page = operations
            .entries(Shelf::DeadLetters, after.as_ref(), None)
            .await?;
        let wanted = |letter: &EntrySight| filter.wants(letter);
        letters.extend(page.entries.into_iter().filter(wanted));
        after = page.next;
        if after.is_none() || letters.len() > extent.rows {
            break;
        }
    }
    if letters.len() > extent.rows {
        letters.truncate(extent.rows);
        after = letters.last().map(|letter| letter.entry.as_str().into());
    }
    Ok(Letters {
        letters,
        has_more: after.is_some(),
        next: after,
    })
}

/// The newest dead letter.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn newest(operations: &dyn Operations) -> Result<Option<EntryId>, Failed> {
    let page = operations.entries(Shelf::DeadLetters, None, None).await?;
    let newest = page.entries.first();
    Ok(newest.map(|letter| letter.entry.as_str().into()))
}

impl LetterFilter {
    fn wants(&self, letter: &EntrySight) -> bool {
        let is = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        is_named(letter, self.tool.as_deref()) && is(&self.principal, &letter.principal)
    }
}
