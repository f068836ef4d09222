//! Dead letters: a list, one with its message, and their removal.

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{EntrySight, Letter, Operations, Repairs, Shelf};
use serde::Serialize;

use super::confirm;
use crate::look::queue::{is_named, what};
use crate::look::{Failed, Shown, or_dash};
use crate::settings::{DropAsked, LetterAsked, LetterFilter, LetterName};
use crate::show::{Column, Table, harmless, moment, size, span};

/// Pages that are looked through.
const PAGES: usize = 200;

/// Dead letters.
#[derive(Debug, Serialize)]
pub struct Letters {
    /// The newest first.
    pub letters: Vec<EntrySight>,
    /// Whether there are more.
    pub has_more: bool,
}

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
    let limit = usize::from(filter.limit);
    let (mut letters, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = operations
            .entries(Shelf::DeadLetters, after.as_ref(), None)
            .await?;
        letters.extend(
            page.entries
                .into_iter()
                .filter(|letter| filter.wants(letter)),
        );
        after = page.next;
        if after.is_none() || letters.len() > limit {
            break;
        }
    }
    let has_more = after.is_some() || letters.len() > limit;
    letters.truncate(limit);
    Ok(Letters { letters, has_more })
}

pub(crate) async fn show(repairs: &dyn Repairs, asked: &LetterAsked) -> Result<Letter, Failed> {
    let letter = repairs.letter(asked.letter.id()).await?;
    let mut letter = letter.ok_or_else(|| asked.letter.unknown())?;
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
            0 => Err(Failed::Unknown("there is no such dead letter".to_owned())),
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

/// Drops a letter and all older ones: nobody was asked about newer ones. Says how many were dropped.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn drop_up_to(repairs: &dyn Repairs, newest: EntryId) -> Result<u64, Failed> {
    let mut dropped = repairs.drop_letters(std::slice::from_ref(&newest)).await?;
    loop {
        let page = repairs.entries(Shelf::DeadLetters, Some(&newest), None);
        let page = page.await?.entries;
        let names = page.iter().map(|letter| letter.entry.as_str().into());
        let names: Vec<EntryId> = names.collect();
        if names.is_empty() {
            return Ok(dropped);
        }
        dropped += repairs.drop_letters(&names).await?;
    }
}

impl LetterFilter {
    fn wants(&self, letter: &EntrySight) -> bool {
        let is = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        is_named(letter, self.tool.as_deref()) && is(&self.principal, &letter.principal)
    }
}

impl LetterName {
    pub(super) fn unknown(&self) -> Failed {
        Failed::Unknown(format!("there is no dead letter {}", self.id()))
    }
}

impl Shown for Letters {
    fn words(&self, width: Option<usize>) -> String {
        if self.letters.is_empty() {
            return "No dead letters.\n".to_owned();
        }
        let mut table = Table::new(vec![
            Column::name("LETTER"),
            Column::number("AGE"),
            Column::text("WHAT", 20),
            Column::text("REASON", 20),
            Column::text("CALLER", 10),
            Column::name("ENTRY"),
        ]);
        for letter in &self.letters {
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
        let mut text = table.render(width);
        if self.has_more {
            text += "There are more (--limit, --tool, --principal).\n";
        }
        text
    }
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
