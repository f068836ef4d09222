//! Dead letters: a list, one with its message, and their removal.

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{Letter, Operations, Repairs};
use prynai_operations::look::letters::{Letters, newest, read};
use prynai_operations::look::queue::Extent;
use prynai_operations::mend::letters::{drop_up_to, unknown};
use prynai_operations::text::{harmless, moment, or_dash, size, span, what};
use serde::Serialize;

use super::confirm;
use crate::look::{Failed, Shown};
use crate::settings::{DropAsked, LetterAsked, LetterFilter};
use crate::show::{Column, Table};

/// Pages that are looked through.
const PAGES: usize = 200;

/// How many were removed.
#[derive(Debug, Serialize)]
pub struct Dropped {
    /// How many.
    pub dropped: u64,
}

pub(crate) async fn list(
    operations: &dyn Operations,
    filter: &LetterFilter,
) -> Result<Letters, Failed> {
    let extent = Extent {
        rows: filter.limit.into(),
        pages: PAGES,
    };
    Ok(read(operations, &filter.wanted(), None, extent).await?)
}

pub(crate) async fn show(repairs: &dyn Repairs, asked: &LetterAsked) -> Result<Letter, Failed> {
    let letter = repairs.letter(asked.letter.id()).await?;
    let mut letter = letter.ok_or_else(|| unknown(asked.letter.id()))?;
    letter.message = letter.message.filter(|_| asked.message);
    Ok(letter)
}

pub(crate) async fn remove(repairs: &dyn Repairs, asked: &DropAsked) -> Result<Dropped, Failed> {
    let named: Vec<EntryId> = asked.letters.iter().map(|name| name.id().clone()).collect();
    if !asked.all {
        let names: Vec<_> = named.iter().map(EntryId::as_str).collect();
        let question = format!(
            "Drop {}? Nobody can replay that any more.",
            names.join(", ")
        );
        confirm(&question, asked.yes)?;
        let dropped = repairs.drop_letters(&named).await?;
        return match dropped {
            0 => Err(unknown(&named[0]).into()),
            _ => Ok(Dropped { dropped }),
        };
    }
    let Some(newest) = newest(repairs).await? else {
        return Ok(Dropped { dropped: 0 });
    };
    let count = repairs.overview().await?.dead_letters;
    let question = format!("Drop all {count} dead letters? Nobody can replay them any more.");
    confirm(&question, asked.yes)?;
    let dropped = drop_up_to(repairs, newest).await?;
    Ok(Dropped { dropped })
}

impl Shown for Letters {
    fn words(&self, width: Option<usize>) -> String {
        if self.letters.is_empty() {
            return "No dead letters.\n".to_owned();
        }
        let mut text = table(self).render(width);
        if self.has_more {
            text += "There are more (--limit, --tool, --principal).\n";
        }
        text
    }
}

/// Dead letters as a table.
pub(crate) fn table(letters: &Letters) -> Table {
    let mut table = Table::new(vec![
        Column::name("LETTER"),
        Column::number("AGE"),
        Column::text("WHAT", 20),
        Column::text("REASON", 20),
        Column::text("CALLER", 10),
        Column::name("ENTRY"),
    ]);
    for letter in &letters.letters {
        let dead = letter.dead.as_ref();
        table.row([
            letter.entry.clone(),
            span(letter.age_ms),
            what(letter),
            or_dash(dead.map(|dead| &dead.reason)),
            or_dash(letter.principal.as_ref()),
            or_dash(dead.map(|dead| &dead.entry)),
        ]);
    }
    table
}

impl Shown for Letter {
    fn words(&self, _: Option<usize>) -> String {
        let letter = &self.sight;
        let dead = letter.dead.as_ref();
        let said = [
            Some(what(letter)),
            letter.era.clone(),
            letter.protocol_version.clone(),
            letter
                .request_id
                .as_ref()
                .map(|id| format!("request id {id}")),
            Some(size(letter.bytes)),
            letter.is_signed.then(|| "signed".to_owned()),
        ];
        let facts = [
            ("letter", letter.entry.clone()),
            ("reason", or_dash(dead.map(|dead| &dead.reason))),
            ("noted", format!("{} ago", span(letter.age_ms))),
            (
                "what",
                said.into_iter().flatten().collect::<Vec<_>>().join(", "),
            ),
            ("caller", or_dash(letter.principal.as_ref())),
            ("session", or_dash(letter.session.as_ref())),
            ("call", or_dash(letter.stream.as_ref())),
            ("entry", or_dash(dead.map(|dead| &dead.entry))),
            (
                "queued",
                letter.queued_at_ms.map_or_else(|| "-".to_owned(), moment),
            ),
        ];
        let lines = facts.map(|(name, value)| format!("{name:<13} {}\n", harmless(&value)));
        let message = self.message.as_ref();
        let message = message.map(|message| format!("\n{}\n", harmless(message)));
        lines.concat() + &message.unwrap_or_default()
    }
}

impl Shown for Dropped {
    fn words(&self, _: Option<usize>) -> String {
        format!("Dropped {} dead letters.\n", self.dropped)
    }
}
