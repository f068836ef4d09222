//! [`SessionStore`] in memory.

use async_trait::async_trait;

use super::{MemoryBus, StoredSession, lock};
use crate::bus::{BusError, SessionStore, Touched};
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

    async fn touch_session(&self, id: &SessionId) -> Result<Option<Touched>, BusError> {
        let mut sessions = lock(&self.sessions);
        let touched = sessions.get(id).map(|stored| Touched {
            session: stored.session.clone(),
            room_for_call: stored.calls.len() < self.limits.session_calls,
        });
        if touched.is_some() {
            sessions.live_for(id, Some(self.limits.session_idle));
        }
        Ok(touched)
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
        let calls =
            |stored: StoredSession| stored.calls.into_values().map(|(_, call)| call).collect();
        Ok(ended.map(calls))
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
        if stored.calls.len() >= limit {
            let what = "the list of running calls of this session";
            return Err(BusError::Full { what, limit });
        }
        let noted = (request_id.clone(), call.clone());
        stored.calls.insert(call.stream, noted);
        Ok(true)
    }

    async fn forget_call(&self, id: &SessionId, stream: &StreamId) -> Result<(), BusError> {
        if let Some(stored) = lock(&self.sessions).get_mut(id) {
            stored.calls.remove(stream);
        }
        Ok(())
    }

    async fn find_calls(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Vec<CallRef>, BusError> {
        let sessions = lock(&self.sessions);
        let calls = sessions.get(id).into_iter().flat_map(|s| s.calls.values());
        let of_this_id = calls.filter(|(noted, _)| noted == request_id);
        Ok(of_this_id.map(|(_, call)| call.clone()).collect())
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
