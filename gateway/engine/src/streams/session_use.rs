//! While a stream of a session is open, the session does not fall idle.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::SessionStore;
use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::Session;
use tokio::time::Instant;

/// Keeps a session from falling idle while one of its streams is open.
pub(crate) struct SessionUse {
    bus: Arc<dyn SessionStore>,
    session: SessionId,
    principal: Principal,
    touch_every: Duration,
    touched: Instant,
}

impl SessionUse {
    /// `touch_every`: see [`touch_every`].
    pub(crate) fn new(
        bus: Arc<dyn SessionStore>,
        session: &Session,
        touch_every: Duration,
    ) -> Self {
        Self {
            bus,
            session: session.id.clone(),
            principal: session.principal.clone(),
            touch_every,
            touched: Instant::now(),
        }
    }

    /// Restarts the session's idle time when it is time to, and says how long to wait until the next time.
    pub(crate) async fn keep_up(&mut self) -> Duration {
        if self.touched.elapsed() >= self.touch_every {
            self.touched = Instant::now();
            let (session, principal) = (&self.session, &self.principal);
            if let Err(error) = self.bus.keep_session(session, principal).await {
                tracing::debug!(%error, "cannot keep a session from falling idle while its stream is open; trying again later");
            }
        }
        self.touch_every
    }

    /// The session.
    pub(crate) fn session(&self) -> &SessionId {
        &self.session
    }
}

/// How often a session's idle time is restarted while one of its streams is open; after `session_idle` it would be
/// over.
pub(crate) fn touch_every(session_idle: Duration) -> Duration {
    (session_idle / 3).min(Duration::from_secs(60))
}
