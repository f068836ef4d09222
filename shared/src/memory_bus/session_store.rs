//! [`SessionStore`] in memory.

use async_trait::async_trait;

use super::{MemoryBus, StoredSession, lock};
use crate::bus::{BusError, SessionStore};
use crate::ids::{SessionId, StreamId};
use crate::wire::message::RawJson;
use crate::wire::request::CallRef;
use crate::wire::session::{Session, SessionChange};

#[async_trait]
impl SessionStore for MemoryBus {
    async fn create_session(&self, session: &Session) -> Result<(), BusError> {
        let stored = StoredSession {
            session: session.clone(),
            calls: Default::default(),
            state: Default::default(),
        };
        let life = Some(self.limits.session_idle);
        lock(&self.sessions).insert(session.id.clone(), stored, life);
        Ok(())
    }

    async fn touch_session(&self, id: &SessionId) -> Result<Option<Session>, BusError> {
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get(id).map(|stored| stored.session.clone()) else {
            return Ok(None);
        };
        sessions.live_for(id, Some(self.limits.session_idle));
        Ok(Some(session))
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
        apply(
            change,
            &mut stored.session,
            self.limits.session_subscriptions,
        )?;
        Ok(true)
    }

    async fn end_session(&self, id: &SessionId) -> Result<Option<Vec<CallRef>>, BusError> {
        let ended = lock(&self.sessions).remove(id);
        Ok(ended.map(|stored| stored.calls.into_values().collect()))
    }

    async fn record_call(
        &self,
        id: &SessionId,
        request_id: &RawJson,
        call: &CallRef,
    ) -> Result<bool, BusError> {
        let mut sessions = lock(&self.sessions);
        let Some(stored) = sessions.get_mut(id) else {
            return Ok(false);
        };
        let limit = self.limits.session_calls;
        let calls = &mut stored.calls;
        if calls.len() >= limit && !calls.contains_key(request_id.as_str()) {
            let what = "the list of running calls of this session";
            return Err(BusError::Full { what, limit });
        }
        calls.insert(request_id.as_str().to_owned(), call.clone());
        Ok(true)
    }

    async fn forget_call(
        &self,
        id: &SessionId,
        request_id: &RawJson,
        stream: &StreamId,
    ) -> Result<(), BusError> {
        if let Some(stored) = lock(&self.sessions).get_mut(id) {
            let noted = stored.calls.get(request_id.as_str());
            if noted.is_some_and(|call| call.stream == *stream) {
                stored.calls.remove(request_id.as_str());
            }
        }
        Ok(())
    }

    async fn find_call(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Option<CallRef>, BusError> {
        let sessions = lock(&self.sessions);
        let stored = sessions.get(id);
        Ok(stored.and_then(|stored| stored.calls.get(request_id.as_str()).cloned()))
    }
}

fn apply(change: &SessionChange, session: &mut Session, limit: usize) -> Result<(), BusError> {
    let subscriptions = &mut session.subscriptions;
    match change {
        SessionChange::LogLevel(level) => session.log_level = Some(*level),
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
