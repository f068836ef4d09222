//! From what the program is asked for to the text that it prints.

use prynai_bus::operations::{Operations, Repairs};
use prynai_operations::look::{doctor, status};
use prynai_operations::text::harmless_json;

use crate::look::{Failed, Shown, call, processes, queue, sessions, tasks, top};
use crate::mend::{cancel, dead, drain, replay};
use crate::settings::{Ask, DeadAsk, EXIT_WRONG, TaskAsk};

/// What is printed, and how the program ends.
#[derive(Debug)]
pub struct Answer {
    /// For standard output.
    pub text: String,
    /// The exit code.
    pub code: u8,
}

/// Asks the question.
///
/// # Errors
///
/// Why there is nothing to show.
pub async fn answer(
    repairs: &dyn Repairs,
    ask: &Ask,
    json: bool,
    width: Option<usize>,
) -> Result<Answer, Failed> {
    let operations = repairs as &dyn Operations;
    let place = operations.place().await?;
    if !place.is_there {
        return Err(Failed::NoFleet(Box::new(place)));
    }
    if let Ask::Doctor = ask {
        let doctor = doctor::examine(operations, place).await?;
        let code = if doctor.is_wrong() { EXIT_WRONG } else { 0 };
        let text = text(&doctor, json, width)?;
        return Ok(Answer { text, code });
    }
    let text = match ask {
        Ask::Status => text(&status::read(operations, place).await?, json, width),
        Ask::Queue(filter) => text(&queue::read(operations, filter).await?, json, width),
        Ask::Top(asked) => {
            let top = top::read(operations, place, &asked.filter).await?;
            text(&top, json, width)
        }
        Ask::Workers => text(&processes::workers(operations).await?, json, width),
        Ask::Gateways => text(&processes::gateways(operations).await?, json, width),
        Ask::Call(asked) => text(&call::read(operations, asked).await?, json, width),
        Ask::Tasks(asked) => match &asked.ask {
            None => text(&tasks::read(operations, &asked.filter).await?, json, width),
            Some(TaskAsk::Show(asked)) => text(&tasks::show(operations, asked).await?, json, width),
        },
        Ask::Sessions(filter) => text(&sessions::read(operations, filter).await?, json, width),
        Ask::Cancel(asked) => text(&cancel::cancel(repairs, asked).await?, json, width),
        Ask::Dead { ask } => match ask {
            DeadAsk::List(filter) => text(&dead::list(operations, filter).await?, json, width),
            DeadAsk::Show(asked) => text(&dead::show(repairs, asked).await?, json, width),
            DeadAsk::Replay(asked) => text(&replay::replay(repairs, asked).await?, json, width),
            DeadAsk::Drop(asked) => text(&dead::remove(repairs, asked).await?, json, width),
        },
        Ask::Drain(asked) => text(&drain::drain(repairs, asked).await?, json, width),
        Ask::Doctor | Ask::Tail(_) | Ask::Completion { .. } => Ok(String::new()),
    };
    Ok(Answer {
        text: text?,
        code: 0,
    })
}

fn text<S: Shown>(shown: &S, json: bool, width: Option<usize>) -> Result<String, Failed> {
    if !json {
        return Ok(shown.words(width));
    }
    let text = serde_json::to_string_pretty(shown).map_err(Failed::Json)?;
    Ok(harmless_json(&text) + "\n")
}
