//! Legacy sessions.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::BusError;
use crate::ids::{EntryId, SessionId};
use crate::wire::message::RawJson;
use crate::wire::principal::Principal;
use crate::wire::request::{CallRef, RequestEnvelope};
use crate::wire::session::{Session, SessionChange};

/// A session that was ended by its own caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedSession {
    /// The negotiated revision.
    pub protocol_version: String,
    /// The calls that run in it.
    pub calls: Vec<CallRef>,
    /// For how long it has lived; unknown if a release opened it that did not note when.
    pub lived: Option<Duration>,
}

/// Legacy sessions, and which calls run in them.
///
/// A session ends when it is deleted, or idle for [`super::BusLimits::session_idle`] and a sixteenth of that at most.
/// Its calls and the values in its scope ([`super::StateScope::Session`]) end with it. An ended session never comes
/// back: every method but [`SessionStore::recall_session`] treats it as absent, on every gateway, at once.
///
/// A session belongs to the principal that opened it, and its id is never used again. So the caller is checked once, by
/// [`SessionStore::touch_session`], [`SessionStore::recall_session`] or [`SessionStore::keep_session`]; after that the
/// id alone is enough.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session. It counts to the share of its principal until it ends.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`] when the principal has as many sessions, or as many bytes kept, as one caller may.
    async fn create_session(&self, session: &Session) -> Result<(), BusError>;

    /// Reads a session and restarts its idle time, in one atomic step. May be repeated.
    ///
    /// For any `caller` but the session's own principal ([`Principal::is_same_caller`]) the session does not exist: the
    /// answer is `None`, and nothing is changed.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn touch_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Session>, BusError>;

    /// As [`SessionStore::touch_session`], for a call that is to be queued. The answer may be one that this process was
    /// given before: the session may have ended since, or have another log level. [`SessionStore::enqueue_call`] finds
    /// that out.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn recall_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Session>, BusError>;

    /// As [`SessionStore::touch_session`], but the session is not read. `false` when it does not exist for this
    /// caller.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn keep_session(&self, id: &SessionId, caller: &Principal) -> Result<bool, BusError>;

    /// Reads the URIs of `resources/subscribe`. No other method reads them, since they may be much larger than the rest
    /// of the session. `None` when the session has ended.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn subscriptions(&self, id: &SessionId) -> Result<Option<BTreeSet<String>>, BusError>;

    /// Applies one change. `false` when the session has ended. May be repeated.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] when the session has as many subscriptions as it may, and [`BusError::ShareFull`] when its
    /// principal has as many bytes kept as one caller may.
    async fn change_session(
        &self,
        id: &SessionId,
        change: &SessionChange,
    ) -> Result<bool, BusError>;

    /// Queues a call of a session as [`super::RequestQueue::enqueue`] does, if the session lives and has room for it:
    /// in one atomic step, so that a cancel and the end of the session find every call that is queued. They find it
    /// until its entry is removed. The log level that the session has then goes with the request, whatever the request
    /// says.
    ///
    /// # Errors
    ///
    /// * [`BusError::SessionEnded`]: there is no such session, or the request names none.
    /// * [`BusError::Full`]: as many calls run in it as may ([`super::BusLimits::session_calls`]). Each process may
    ///   exceed that bound by the calls it has under way, and by 64 more if it saw a short queue when it last looked.
    /// * Those of [`super::RequestQueue::enqueue`].
    async fn enqueue_call(&self, request: &RequestEnvelope) -> Result<EntryId, BusError>;

    /// How many sessions live. One that falls idle may be counted for an eighth of its idle time longer.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn count_sessions(&self) -> Result<u64, BusError>;

    /// Ends a session and returns the calls that run in it, so that the caller cancels them. May be repeated: until
    /// [`SessionStore::forget_session`] it returns those that still run. So a gateway that did not hear the answer, or
    /// another one in the place of a gateway that died, can cancel the rest.
    ///
    /// `None` when there is no such session, when it was forgotten, and for any `caller` but its own principal.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn end_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<EndedSession>, BusError>;

    /// Forgets an ended session whose calls are cancelled. An ended session that nobody forgets ends by itself after
    /// [`super::BusLimits::session_idle`].
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn forget_session(&self, id: &SessionId) -> Result<(), BusError>;

    /// The calls of a session that have this request id, so that the caller cancels them
    /// ([`super::SignalChannel::cancel_call`]). A client may use one id for several calls at once. None when the
    /// session has ended: whoever ends it cancels its calls.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn find_calls(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Vec<CallRef>, BusError>;
}
