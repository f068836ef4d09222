//! Running the request of a dead letter once more.

use std::time::{Duration, Instant};

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, EntrySight, EventSight, Repairs, Replay, Replayed};
use serde::Serialize;

use super::{cancel, letters};
use crate::Failed;

/// Time between two looks; the workers hear of the holder as often.
const LOOK: Duration = Duration::from_secs(1);

/// Looks that may find nothing of a request before it counts as lost.
const BLIND_LOOKS: u32 = 5;

/// For how long the bus may be away while a request is watched. Its workers do not take the caller for gone meanwhile:
/// they count only looks that the bus answered.
const AWAY: Duration = Duration::from_secs(600);

/// For how long a cancel is tried.
const CANCELLING: Duration = Duration::from_secs(5);

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

/// Holds the stream of a replayed request until it has ended. While the bus is away it tries again, for ten minutes
/// at most; `told` hears of the first failure of each outage.
///
/// # Errors
///
/// When the bus refuses, or is away for longer. Then nobody holds the stream any more.
pub async fn until_it_ends(
    repairs: &dyn Repairs,
    replayed: &Replayed,
    show_response: bool,
    told: impl Fn(&Failed),
) -> Result<Outcome, Failed> {
    let (mut blind, mut answered, mut is_away) = (0, Instant::now(), false);
    loop {
        match look(repairs, replayed, show_response).await {
            Ok(Look::Over(state, response)) => {
                return Ok(Outcome {
                    replayed: replayed.clone(),
                    state,
                    response,
                });
            }
            Ok(Look::Open) => (answered, is_away) = (Instant::now(), false),
            Ok(Look::Nothing) => {
                (answered, is_away) = (Instant::now(), false);
                blind += 1;
                if blind == BLIND_LOOKS {
                    return Ok(Outcome {
                        replayed: replayed.clone(),
                        state: "unknown",
                        response: None,
                    });
                }
            }
            Err(failed) if failed.is_passing() && answered.elapsed() < AWAY => {
                if !std::mem::replace(&mut is_away, true) {
                    told(&failed);
                }
            }
            Err(failed) => return Err(failed),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What one look finds.
enum Look {
    /// It waits or runs.
    Open,
    /// Nothing is known of it.
    Nothing,
    /// How it ended, and its response.
    Over(&'static str, Option<EventSight>),
}

/// Says that the holder is there, and looks.
async fn look(
    repairs: &dyn Repairs,
    replayed: &Replayed,
    show_response: bool,
) -> Result<Look, Failed> {
    repairs.hold(replayed).await?;
    let Some(call) = repairs.call(&CallName::Stream(replayed.stream)).await? else {
        return Ok(Look::Nothing);
    };
    let log = call.log.as_ref();
    Ok(match log.map(|log| (log.state.as_str(), log.newest)) {
        Some(("finished", newest)) => {
            let before = newest.saturating_sub(1);
            let events = repairs
                .events(&replayed.stream, before, show_response)
                .await?;
            Look::Over("ended", events.into_iter().last())
        }
        Some(("cancelled", _)) => Look::Over("cancelled", None),
        _ if call.dead.is_some() => Look::Over("dead letter", None),
        _ => Look::Open,
    })
}

/// Cancels a replayed request, and tries again for a moment while the bus is away.
///
/// # Errors
///
/// When the bus refuses, or is away for longer.
pub async fn cancel_replayed(
    repairs: &dyn Repairs,
    replayed: &Replayed,
    letter: &EntrySight,
) -> Result<Outcome, Failed> {
    let begun = Instant::now();
    loop {
        let cancelled = repairs
            .cancel(&replayed.stream, &replayed.entry, cancel::era(letter))
            .await;
        match cancelled.map_err(Failed::from) {
            // Not as if it had been declined: it was queued, and may have begun.
            Ok(_) => {
                return Ok(Outcome {
                    replayed: replayed.clone(),
                    state: "cancelled",
                    response: None,
                });
            }
            Err(failed) if failed.is_passing() && begun.elapsed() < CANCELLING => {
                tokio::time::sleep(LOOK).await;
            }
            Err(failed) => return Err(failed),
        }
    }
}
