//! The GET stream of a session, followed like a client of an SDK does: resumed whenever it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode};

use crate::clients::session_state::{BETWEEN_ATTEMPTS, RETRY, SessionState};
use crate::clients::surroundings::Surroundings;
use crate::clients::wording::LAST_EVENT_ID;
use crate::wire::failure::Failure;
use crate::wire::line::{Line, is_event_stream, refusal};
use crate::wire::sse::Events;
use crate::wire::template::Template;

/// What a client knows of its stream.
struct Following {
    around: Surroundings,
    client: usize,
    get: Template,
    session: Arc<SessionState>,
    line: Line,
    /// Whether it was open once.
    opened: bool,
    /// Since when it is not, and whether that was counted as a loss.
    broken: Option<(Instant, bool)>,
    retry: Duration,
}

/// Follows the stream for as long as the session lives. `get` asks for it.
pub(super) async fn follow(
    around: Surroundings,
    client: usize,
    get: Template,
    session: Arc<SessionState>,
) {
    let line = around.line();
    let mut following = Following {
        around,
        client,
        get,
        session,
        line,
        opened: false,
        broken: None,
        retry: RETRY,
    };
    while following.goes_on().await {}
}

impl Following {
    /// Opens the stream and reads it to its end; tells whether it can go on.
    async fn goes_on(&mut self) -> bool {
        match self.open().await {
            Ok(events) => {
                if self.opened {
                    self.around.recorder.resumed_stream();
                }
                self.opened = true;
                self.broken = None;
                self.read(events).await;
                self.broken = Some((Instant::now(), false));
                self.line.close();
                tokio::time::sleep(self.retry).await;
                true
            }
            Err(failure) => self.survives(failure).await,
        }
    }

    async fn open(&mut self) -> Result<Events, Failure> {
        let answer = self.line.send(self.get.request(0)).await?;
        match answer.status().is_success() && is_event_stream(answer.headers()) {
            true => Ok(Events::of(answer.into_body())),
            false => Err(refusal(answer, true).await),
        }
    }

    async fn read(&mut self, mut events: Events) {
        // However it ends, it is asked for again.
        while let Ok(Some(event)) = events.next().await {
            self.retry = event.retry.unwrap_or(self.retry);
            if let Some(id) = event.id.and_then(|id| HeaderValue::try_from(id).ok()) {
                self.get.set(LAST_EVENT_ID, id);
            }
            if !event.data.is_empty() {
                self.around.recorder.events(1);
            }
        }
    }

    async fn survives(&mut self, failure: Failure) -> bool {
        let recorder = &self.around.recorder;
        match &failure {
            Failure::SessionLost(_) => {
                self.session.lose(recorder);
                return false;
            }
            // This server has no such streams.
            Failure::Refused { status, .. }
                if !self.opened && *status == StatusCode::METHOD_NOT_ALLOWED =>
            {
                return false;
            }
            _ => recorder.failed_step("GET stream", &failure),
        }
        let token = self.around.tokens.of(self.client);
        let renewed = failure.is_unauthorized() && self.around.tokens.renew(&token).await;
        if renewed {
            self.around.tokens.of(self.client).show(&mut self.get);
        }
        let goes_on = renewed || failure.is_passing();
        if let Some((since, counted)) = &mut self.broken {
            let is_lost = !goes_on || since.elapsed() > self.around.timeout;
            if is_lost && !std::mem::replace(counted, true) {
                recorder.lost_events(1);
            }
        }
        tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        goes_on
    }
}
