//! Running the request of a dead letter once more.

use std::time::Duration;

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, EntrySight, EventSight, Repairs, Replay, Replayed};
use prynai_bus::wire::request::Era;
use serde::Serialize;

use super::{cancel, letters};
use crate::Failed;

/// Time between two looks; the workers hear of the holder as often.
pub const LOOK: Duration = Duration::from_secs(1);

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

/// Queues the request of a dead letter once more. [`until_it_ends`] must be driven from then on.
///
/// # Errors
///
/// When there is no such letter (any more), or it cannot be queued, or the bus does not answer, or refuses.
pub async fn queue(repairs: &dyn Repairs, letter: &EntryId) -> Result<Replayed, Failed> {
    match repairs.replay(letter).await? {
        Replay::Queued(replayed) => Ok(replayed),
        Replay::Unknown => Err(letters::unknown(letter)),
        Replay::Unfit(reason) => Err(Failed::Unfit(format!("it cannot be replayed: {reason}"))),
    }
}

/// Holds the stream of a replayed request until it has ended.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn until_it_ends(
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

/// The era in which a letter is replayed.
pub fn era(letter: &EntrySight) -> Era {
    cancel::era(letter)
}
