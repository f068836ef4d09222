//! Dropping dead letters.

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{Repairs, Shelf};

use crate::Failed;

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

/// Says that there is no such letter.
pub fn unknown(letter: &EntryId) -> Failed {
    Failed::Unknown(format!("there is no dead letter {letter}"))
}
