//! From what the program is asked for to the text that it prints.

use prynai_bus::operations::{Operations, Repairs};

use crate::look::{Failed, Shown, call, processes, queue, sessions, status};
use crate::mend::{cancel, dead, drain, replay};
use crate::settings::{Ask, DeadAsk};
use crate::show::harmless_json;

/// Asks the question, and gives the text for standard output.
///
/// # Errors
///
/// Why there is nothing to show.
pub async fn answer(
    repairs: &dyn Repairs,
    ask: &Ask,
    json: bool,
    width: Option<usize>,
) -> Result<String, Failed> {
    let operations = repairs as &dyn Operations;
    let place = operations.place().await?;
    if !place.is_there {
        return Err(Failed::NoFleet(Box::new(place)));
    }
    match ask {
        Ask::Status => text(&status::read(operations, place).await?, json, width),
        Ask::Queue(filter) => text(&queue::read(operations, filter).await?, json, width),
        Ask::Workers => text(&processes::workers(operations).await?, json, width),
        Ask::Gateways => text(&processes::gateways(operations).await?, json, width),
        Ask::Call(asked) => text(&call::read(operations, asked).await?, json, width),
        Ask::Sessions(filter) => text(&sessions::read(operations, filter).await?, json, width),
        Ask::Cancel(asked) => text(&cancel::cancel(repairs, asked).await?, json, width),
        Ask::Dead { ask } => match ask {
            DeadAsk::List(filter) => text(&dead::list(operations, filter).await?, json, width),
            DeadAsk::Show(asked) => text(&dead::show(repairs, asked).await?, json, width),
            DeadAsk::Replay(asked) => text(&replay::replay(repairs, asked).await?, json, width),
            DeadAsk::Drop(asked) => text(&dead::remove(repairs, asked).await?, json, width),
        },
        Ask::Drain(asked) => text(&drain::drain(repairs, asked).await?, json, width),
        Ask::Completion { .. } => Ok(String::new()),
    }
}

fn text<S: Shown>(shown: &S, json: bool, width: Option<usize>) -> Result<String, Failed> {
    if !json {
        return Ok(shown.words(width));
    }
    let text = serde_json::to_string_pretty(shown).map_err(Failed::Json)?;
    Ok(harmless_json(&text) + "\n")
}
