//! The sessions that this process read a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::Session;
use tokio::time::Instant;

/// For how long a session is recalled at most.
const LONGEST: Duration = Duration::from_secs(60);

/// Sessions of one generation; there are two.
const MOST: usize = 4096;

/// Bytes of a session that is kept here, at most; a larger one is read each time.
const LARGEST: usize = 4096;

/// What of a session never changes, but for its log level, need not be read for each of its calls: the script that
/// queues the call looks whether the session still lives.
pub(crate) struct RecentSessions {
    recalled_for: Duration,
    generations: Mutex<Generations>,
}

/// A full generation of sessions takes the place of the one before.
#[derive(Default)]
struct Generations {
    young: HashMap<SessionId, Recent>,
    old: HashMap<SessionId, Recent>,
}

struct Recent {
    session: Session,
    /// When its idle time was restarted, or before that.
    touched: Instant,
}

impl RecentSessions {
    pub(crate) fn new(session_idle: Duration) -> Self {
        Self {
            recalled_for: (session_idle / 16).min(LONGEST),
            generations: Mutex::default(),
        }
    }

    /// For how long after its touch a session is recalled. It must live for so much longer than its idle time, since
    /// what recalls it does not touch it.
    pub(crate) fn recalled_for(&self) -> Duration {
        self.recalled_for
    }

    /// A session of `caller`, if it was touched a moment ago.
    pub(crate) fn recall(&self, id: &SessionId, caller: &Principal) -> Option<Session> {
        let generations = self.lock();
        let recent = generations.young.get(id);
        let recent = recent.or_else(|| generations.old.get(id))?;
        let is_recent = recent.touched.elapsed() < self.recalled_for;
        let is_own = recent.session.principal.is_same_caller(caller);
        (is_recent && is_own).then(|| recent.session.clone())
    }

    /// Notes a session of so many bytes that was `touched` then.
    pub(crate) fn note(&self, session: &Session, bytes: usize, touched: Instant) {
        if bytes > LARGEST {
            return;
        }
        let session = session.clone();
        let recent = Recent { session, touched };
        let mut generations = self.lock();
        if generations.young.len() >= MOST {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(recent.session.id.clone(), recent);
    }

    /// Lets a session that has changed or ended be read the next time.
    pub(crate) fn forget(&self, id: &SessionId) {
        let mut generations = self.lock();
        generations.young.remove(id);
        generations.old.remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        // Nothing panics while it holds the lock.
        self.generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::testing;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn noted(sessions: &RecentSessions, bytes: usize) -> SessionId {
        let session = testing::session(&SessionId::generate());
        sessions.note(&session, bytes, Instant::now());
        session.id
    }

    fn is_known(sessions: &RecentSessions, id: &SessionId) -> bool {
        sessions.recall(id, &Principal::anonymous()).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_recalled_for_a_while_and_for_its_own_caller_only() {
        let sessions = RecentSessions::new(HOUR);
        let id = noted(&sessions, LARGEST);
        assert!(is_known(&sessions, &id));
        assert_eq!(sessions.recall(&id, &Principal::named("another")), None);
        tokio::time::advance(LONGEST).await;
        assert!(!is_known(&sessions, &id));
        let id = noted(&sessions, 1);
        sessions.forget(&id);
        assert!(!is_known(&sessions, &id));
    }

    #[test]
    fn sessions_kept_here_are_bounded() {
        let sessions = RecentSessions::new(HOUR);
        let large = noted(&sessions, LARGEST + 1);
        assert!(!is_known(&sessions, &large));
        let first = noted(&sessions, 1);
        for _ in 0..MOST {
            noted(&sessions, 1);
        }
        assert!(is_known(&sessions, &first), "it is of the old generation");
        for _ in 0..MOST {
            noted(&sessions, 1);
        }
        assert!(!is_known(&sessions, &first));
        let generations = sessions.lock();
        assert!(generations.young.len() + generations.old.len() <= 2 * MOST);
    }
}
