//! Running the request of a dead letter once more.

use std::io::{Write, stderr};

use prynai_bus::operations::Repairs;
use prynai_operations::mend::cancel::caller;
use prynai_operations::mend::letters::unknown;
use prynai_operations::mend::replay::{Outcome, era, queue, until_it_ends};
use prynai_operations::text::{harmless, what};

use super::confirm;
use crate::look::{Failed, Shown};
use crate::settings::ReplayAsked;

pub(crate) async fn replay(repairs: &dyn Repairs, asked: &ReplayAsked) -> Result<Outcome, Failed> {
    let id = asked.letter.id();
    let letter = repairs.letter(id).await?;
    let letter = letter.ok_or_else(|| unknown(id))?.sight;
    let question = format!(
        "Run {} of {} once more? It may take effect again, and its client does not get the response.",
        what(&letter),
        caller(&letter)
    );
    confirm(&question, asked.yes)?;
    let replayed = queue(repairs, id).await?;
    // A JSON document may be read by a program; this is for who waits.
    let _ = writeln!(
        stderr(),
        "queued as {}, and no dead letter any more; waiting for its end (Ctrl-C cancels it)",
        replayed.stream
    );
    tokio::select! {
        outcome = until_it_ends(repairs, &replayed, asked.response) => Ok(outcome?),
        _ = tokio::signal::ctrl_c() => {
            repairs.cancel(&replayed.stream, &replayed.entry, era(&letter)).await?;
            // Not as if it had been declined: it was queued, and may have begun.
            Ok(Outcome { replayed: replayed.clone(), state: "cancelled", response: None })
        }
    }
}

impl Shown for Outcome {
    fn words(&self, _: Option<usize>) -> String {
        let call = self.replayed.stream;
        let said = match (self.state, &self.response) {
            ("ended", Some(response)) => match (response.error_code, response.is_tool_error) {
                (Some(code), _) => format!("ended with the JSON-RPC error {code}"),
                (None, true) => {
                    "ended with a result in which the tool says that it failed".to_owned()
                }
                (None, false) => "ended with a result".to_owned(),
            },
            ("dead letter", _) => "is a dead letter again (prynai-ops dead list)".to_owned(),
            ("cancelled", _) => {
                "was cancelled; if it had begun, it may have taken effect".to_owned()
            }
            _ => "left no trace: Redis lost data".to_owned(),
        };
        let mut text = format!("The call {call} {said}.\n");
        let message = self
            .response
            .as_ref()
            .and_then(|response| response.message.as_ref());
        if let Some(message) = message {
            text += &format!("{}\n", harmless(message));
        }
        text
    }
}
