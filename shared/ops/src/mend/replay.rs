//! Running the request of a dead letter once more.

use std::io::{Write, stderr};
use std::time::Duration;

use prynai_bus::operations::{CallName, EventSight, Repairs, Replay, Replayed};
use prynai_bus::wire::request::Era;
use serde::Serialize;

use super::confirm;
use crate::look::queue::what;
use crate::look::{Failed, Shown};
use crate::settings::ReplayAsked;
use crate::show::harmless;

/// Time between two looks; the workers hear of the holder as often.
const LOOK: Duration = Duration::from_secs(1);

/// Looks that may find nothing of a request before it counts as lost.
const BLIND_LOOKS: u32 = 5;

/// What became of a replay.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The request, as it was queued.
    pub replayed: Replayed,
    /// How it ended: `ended`, `dead letter`, `cancelled` or `unknown`.
    pub state: &'static str,
    /// Its response, if it is not large.
    pub response: Option<EventSight>,
}

pub(crate) async fn replay(repairs: &dyn Repairs, asked: &ReplayAsked) -> Result<Outcome, Failed> {
    let id = asked.letter.id();
    let letter = repairs.letter(id).await?;
    let letter = letter.ok_or_else(|| asked.letter.unknown())?.sight;
    let caller = letter.principal.as_deref().unwrap_or("somebody unknown");
    let question = format!(
        "Run {} of {caller} once more? It may take effect again, and its client does not get the response.",
        what(&letter)
    );
    confirm(&question, asked.yes)?;
    let replayed = match repairs.replay(id).await? {
        Replay::Queued(replayed) => replayed,
        Replay::Unknown => return Err(asked.letter.unknown()),
        Replay::Unfit(reason) => {
            return Err(Failed::Unfit(format!("it cannot be replayed: {reason}")));
        }
    };
    // A JSON document may be read by a program; this is for who waits.
    let _ = writeln!(
        stderr(),
        "queued as {}, and no dead letter any more; waiting for its end (Ctrl-C cancels it)",
        replayed.stream
    );
    let era = match letter.era.as_deref() {
        Some("legacy") => Era::Legacy,
        _ => Era::Modern,
    };
    tokio::select! {
        outcome = until_it_ends(repairs, &replayed, asked.response) => outcome,
        _ = tokio::signal::ctrl_c() => {
            repairs.cancel(&replayed.stream, &replayed.entry, era).await?;
            // Not as if it had been declined: it was queued, and may have begun.
            Ok(Outcome { replayed: replayed.clone(), state: "cancelled", response: None })
        }
    }
}

async fn until_it_ends(
    repairs: &dyn Repairs,
    replayed: &Replayed,
    show_response: bool,
) -> Result<Outcome, Failed> {
    let name = CallName::Stream(replayed.stream);
    let mut blind = 0;
    let (state, response) = loop {
        repairs.hold(replayed).await?;
        let call = repairs.call(&name).await?;
        let Some(call) = call else {
            blind += 1;
            if blind == BLIND_LOOKS {
                break ("unknown", None);
            }
            tokio::time::sleep(LOOK).await;
            continue;
        };
        let log = call.log.as_ref();
        match log.map(|log| (log.state.as_str(), log.newest)) {
            Some(("finished", newest)) => {
                let before = newest.saturating_sub(1);
                let events = repairs
                    .events(&replayed.stream, before, show_response)
                    .await?;
                break ("ended", events.into_iter().last());
            }
            Some(("cancelled", _)) => break ("cancelled", None),
            _ if call.dead.is_some() => break ("dead letter", None),
            _ => tokio::time::sleep(LOOK).await,
        }
    };
    Ok(Outcome {
        replayed: replayed.clone(),
        state,
        response,
    })
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
