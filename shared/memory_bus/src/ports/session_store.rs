//! [`SessionStore`] in memory.

use std::collections::BTreeSet;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, SessionId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::{CallRef, RequestEnvelope};
use prynai_bus::wire::session::{Session, SessionChange};
use prynai_bus::{BusError, EndedSession, SessionStore};
use tokio::time::Instant;

use crate::bus::{MemoryBus, lock};
use crate::stored::account::Kept;
use crate::stored::session::StoredSession;

/// What a subscription costs besides its URI, in bytes, about.
const FIELD_BYTES: usize = 128;

#[async_trait]
impl SessionStore for MemoryBus {
    async fn create_session(&self, session: &Session) -> Result<(), BusError> {
        let content = [&session.client_info, &session.capabilities].map(|raw| raw.as_str().len());
        self.count_session(session, content.iter().sum())?;
        let stored = StoredSession {
            session: session.clone(),
            subscriptions: BTreeSet::new(),
            opened: Instant::now(),
            counted: Instant::now(),
            state: Default::default(),
        };
        let life = Some(self.limits.session_idle);
        lock(&self.sessions).insert(session.id.clone(), stored, life);
        Ok(())
    }

    async fn touch_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Session>, BusError> {
        let mut sessions = lock(&self.sessions);
        let stored = sessions.get_mut(id);
        let Some(stored) = stored.filter(|stored| stored.session.principal.is_same_caller(caller))
        else {
            return Ok(None);
        };
        let session = stored.session.clone();
        if stored.counted.elapsed() > self.limits.session_idle / 4 {
            stored.counted = Instant::now();
            // It has its room already.
            let _: Result<(), BusError> = self.count_session(&session, stored.content());
        }
        sessions.live_for(id, Some(self.limits.session_idle));
        Ok(Some(session))
    }

    async fn recall_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Session>, BusError> {
        self.touch_session(id, caller).await
    }

    async fn keep_session(&self, id: &SessionId, caller: &Principal) -> Result<bool, BusError> {
        Ok(self.touch_session(id, caller).await?.is_some())
    }

    async fn subscriptions(&self, id: &SessionId) -> Result<Option<BTreeSet<String>>, BusError> {
        let sessions = lock(&self.sessions);
        Ok(sessions.get(id).map(|stored| stored.subscriptions.clone()))
    }

    async fn change_session(
        &self,
        id: &SessionId,
        change: &SessionChange,
    ) -> Result<bool, BusError> {
        let mut sessions = lock(&self.sessions);
        let Some(stored) = sessions.get_mut(id) else {
            return Ok(false);
        };
        if let SessionChange::Subscribe(uri) = change
            && !stored.subscriptions.contains(uri)
            && stored.subscriptions.len() < self.limits.session_subscriptions
        {
            let content = stored.content() + uri.len() + FIELD_BYTES;
            self.count_session(&stored.session, content)?;
        }
        apply(change, stored, self.limits.session_subscriptions)?;
        Ok(true)
    }

    async fn enqueue_call(&self, request: &RequestEnvelope) -> Result<EntryId, BusError> {
        let mut request = request.clone();
        let (Some(session), Some(id)) = (&mut request.session, &request.request_id) else {
            return Err(BusError::SessionEnded);
        };
        let (session_id, id) = (session.id.clone(), id.clone());
        // Until it is queued, so that it does not end meanwhile.
        let sessions = lock(&self.sessions);
        let stored = sessions.get(&session_id).ok_or(BusError::SessionEnded)?;
        session.log_level = stored.session.log_level;
        let mut partition = lock(&self.partition);
        let limit = self.limits.session_calls;
        if partition.count_calls(&session_id) >= limit {
            let what = "the list of running calls of this session";
            return Err(BusError::Full { what, limit });
        }
        partition.check_room(self.limits.queue)?;
        let entry = partition.enqueue_call(request, session_id, id);
        drop((partition, sessions));
        self.work.notify_one();
        Ok(entry)
    }

    async fn count_sessions(&self) -> Result<u64, BusError> {
        Ok(lock(&self.sessions).iter().count() as u64)
    }

    async fn end_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<EndedSession>, BusError> {
        let mut sessions = lock(&self.sessions);
        let mut ended = lock(&self.ended_sessions);
        let is_own = |stored: &StoredSession| stored.session.principal.is_same_caller(caller);
        if sessions.get(id).is_some_and(is_own)
            && let Some(stored) = sessions.remove(id)
        {
            let share = stored.session.principal.share();
            self.forget_kept(&share, &Kept::Session(id.clone()));
            ended.insert(id.clone(), stored, Some(self.limits.session_idle));
        }
        let stored = ended.get(id).filter(|stored| is_own(stored));
        Ok(stored.map(|stored| EndedSession {
            protocol_version: stored.session.protocol_version.clone(),
            calls: lock(&self.partition).calls(id, None),
            lived: Some(stored.opened.elapsed()),
        }))
    }

    async fn forget_session(&self, id: &SessionId) -> Result<(), BusError> {
        lock(&self.ended_sessions).remove(id);
        Ok(())
    }

    async fn find_calls(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Vec<CallRef>, BusError> {
        let sessions = lock(&self.sessions);
        if sessions.get(id).is_none() {
            return Ok(Vec::new());
        }
        Ok(lock(&self.partition).calls(id, Some(request_id)))
    }
}

impl MemoryBus {
    fn count_session(&self, session: &Session, content: usize) -> Result<(), BusError> {
        let (share, kept) = (session.principal.share(), Kept::Session(session.id.clone()));
        // A touch counts it anew after a quarter of its idle time.
        let life = self.limits.session_idle.saturating_mul(5) / 4;
        self.count_kept(&share, kept, content, Some(life))
    }
}

impl StoredSession {
    /// About what it takes, in bytes.
    fn content(&self) -> usize {
        let told = [&self.session.client_info, &self.session.capabilities];
        let told = told.map(|raw| raw.as_str().len());
        let uris = self.subscriptions.iter().map(|uri| uri.len() + FIELD_BYTES);
        told.iter().sum::<usize>() + uris.sum::<usize>()
    }
}

fn apply(change: &SessionChange, stored: &mut StoredSession, limit: usize) -> Result<(), BusError> {
    let subscriptions = &mut stored.subscriptions;
    match change {
        SessionChange::LogLevel(level) => stored.session.log_level = Some(*level),
        SessionChange::Subscribe(uri) => {
            if subscriptions.len() >= limit && !subscriptions.contains(uri) {
                let what = "the list of resource subscriptions of this session";
                return Err(BusError::Full { what, limit });
            }
            subscriptions.insert(uri.clone());
        }
        SessionChange::Unsubscribe(uri) => {
            subscriptions.remove(uri);
        }
    }
    Ok(())
}
