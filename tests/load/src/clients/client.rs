//! A client from its beginning to its end.

use std::time::{Duration, Instant};

use crate::clients::modern::ModernClient;
use crate::clients::pace::Pace;
use crate::clients::session::SessionClient;
use crate::clients::surroundings::Surroundings;
use crate::settings::Mode;
use crate::wire::failure::Failure;

/// A client of any kind.
enum Client {
    Modern(ModernClient),
    Session(SessionClient),
    SessionPerCall(SessionClient),
}

impl Client {
    fn new(mode: Mode, number: usize, around: &Surroundings) -> Self {
        let session = |listens| SessionClient::new(number, around, listens);
        match mode {
            Mode::Modern => Self::Modern(ModernClient::new(number, around)),
            Mode::Session => Self::Session(session(around.stream)),
            Mode::SessionPerCall => Self::SessionPerCall(session(false)),
        }
    }

    async fn begin(&mut self) -> Result<(), Failure> {
        match self {
            Self::Session(client) => client.begin().await,
            Self::Modern(_) | Self::SessionPerCall(_) => Ok(()),
        }
    }

    async fn call(&mut self) -> (Result<(), Failure>, Instant) {
        match self {
            Self::Modern(client) => client.call().await,
            Self::Session(client) => client.call().await,
            Self::SessionPerCall(client) => client.call_in_own_session().await,
        }
    }

    async fn end(&mut self) {
        match self {
            Self::Session(client) => client.end().await,
            Self::Modern(_) | Self::SessionPerCall(_) => {}
        }
    }
}

/// One client makes one call.
pub(crate) async fn try_once(mode: Mode, around: &Surroundings) -> Result<(), Failure> {
    let mut client = Client::new(mode, 0, around);
    client.begin().await?;
    let (outcome, _) = client.call().await;
    client.end().await;
    outcome
}

/// A client calls until its time is over. It begins `after` the moment at which the first one does.
pub(crate) async fn live(
    mode: Mode,
    number: usize,
    around: Surroundings,
    pace: Pace,
    began: Instant,
    after: Duration,
) {
    if !pace.until(began + after).await {
        return;
    }
    let mut client = Client::new(mode, number, &around);
    // The first call tries again.
    if let Err(failure) = client.begin().await {
        around.recorder.failed_step("initialize", &failure);
    }
    let mut last = None;
    while let Some(turn) = pace.turn(last.as_ref()).await {
        if let Some(late) = turn.late {
            around.recorder.late(late);
        }
        let (outcome, at) = client.call().await;
        around.recorder.call(turn.from, at, &outcome);
        last = Some(outcome);
    }
    client.end().await;
}
