//! Doing something on the bus for a running call, though the bus may be away for a while.

use std::time::Duration;

use prynai_shared::backoff::Backoff;
use prynai_shared::bus::BusError;

use crate::call::running::{Controls, Stop};

/// Does something on the bus for a running call, again and again while the bus is away.
///
/// # Errors
///
/// When the call must end, or the bus was away for `patience`: then the call counts as lost.
pub(crate) async fn retry_while_away<T, F: Future<Output = Result<T, BusError>>>(
    controls: &Controls,
    patience: Duration,
    what: &'static str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Stop> {
    let mut backoff = Backoff::for_at_most(patience);
    let mut told = false;
    loop {
        let error = tokio::select! {
            biased;
            reason = controls.stopped() => return Err(reason),
            outcome = attempt() => match outcome {
                Ok(done) => return Ok(done),
                Err(error) if error.is_passing() => error,
                Err(error) => {
                    tracing::error!(%error, what, "the bus refuses; the call is left to its lease");
                    return Err(Stop::Lost);
                }
            },
        };
        if !told {
            tracing::warn!(%error, what, "the bus is away; trying again");
            told = true;
        }
        let waited = tokio::select! {
            reason = controls.stopped() => return Err(reason),
            waited = backoff.pause() => waited,
        };
        if !waited {
            tracing::error!(%error, what, "given up; the call is left to its lease");
            return Err(Stop::Lost);
        }
    }
}
