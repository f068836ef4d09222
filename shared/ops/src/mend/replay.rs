//! Running the request of a dead letter once more.

use std::io::{Write, stderr};

use prynai_bus::operations::Repairs;
use prynai_operations::mend::cancel::caller;
use prynai_operations::mend::letters::unknown;
use prynai_operations::mend::replay::{Outcome, cancel_replayed, queue, until_it_ends};
use prynai_operations::text::{harmless, what};

use super::confirm;
use crate::look::{Failed, Shown};
use crate::settings::ReplayAsked;
use crate::signals::Stop;

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
    // From here on an interruption is a cancel.
    let mut stop = Stop::hear();
    let replayed = queue(repairs, id).await?;
    // A JSON document may be read by a program; this is for who waits.
    let _ = writeln!(
        stderr(),
        "queued as {}, and no dead letter any more; waiting for its end (Ctrl-C cancels it)",
        replayed.stream
    );
    let told = |failed: &prynai_operations::Failed| {
        let _ = writeln!(
            stderr(),
            "{}; waiting for it",
            harmless(&failed.to_string())
        );
    };
    let ended = tokio::select! {
        ended = until_it_ends(repairs, &replayed, asked.response, told) => ended,
        () = stop.told() => cancel_replayed(repairs, &replayed, &letter).await,
    };
    if ended.is_err() {
        let _ = writeln!(
            stderr(),
            "nobody watches the call any more: its workers cancel it soon, unless it is of a session"
        );
    }
    Ok(ended?)
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
