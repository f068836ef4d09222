//! Legacy sessions.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::BusError;
use crate::ids::{EntryId, SessionId, StreamId};
use crate::wire::message::RawJson;
use crate::wire::principal::Principal;
use crate::wire::request::CallRef;
use crate::wire::session::{Session, SessionChange};

/// Legacy sessions, and which calls run in them.
///
/// A session ends when it is deleted or idle for [`super::BusLimits::session_idle`]. Once ended it
/// is never brought back: every method treats it as absent, on every gateway, at once. Its calls and
/// the state in its scope ([`super::StateScope::Session`]) end with it.
///
/// A session belongs to the principal that opened it, for ever, and its id is never used again. So who calls
/// is asked once, by `touch_session` or `keep_session`; after that the id alone is enough.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session, which counts to the share of its principal until it ends.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`] when the principal has as many sessions, or as much kept, as one caller may.
    async fn create_session(&self, session: &Session) -> Result<(), BusError>;

    /// Reads a session, restarts its idle time and notes the call that begins in it, if there is one, in
    /// one atomic step. So a cancel finds the call from before it is queued. Who does not queue it after
    /// all forgets it.
    ///
    /// To any `caller` but the session's own principal ([`Principal::is_same_caller`]) the session does not
    /// exist: the answer is `None`, and nothing is changed.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn touch_session(
        &self,
        id: &SessionId,
        caller: &Principal,
        begin: Option<&BeginCall>,
    ) -> Result<Option<Touched>, BusError>;

    /// As [`SessionStore::touch_session`] without a call, for whoever needs nothing of the session: it is not
    /// read. `false` when it does not exist for this caller.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn keep_session(&self, id: &SessionId, caller: &Principal) -> Result<bool, BusError>;

    /// Reads the URIs under `resources/subscribe`, which no other method reads: they may be many times larger
    /// than the rest. `None` when the session has ended.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn subscriptions(&self, id: &SessionId) -> Result<Option<BTreeSet<String>>, BusError>;

    /// Applies one change; `false` when the session has ended.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] when the session has as many subscriptions as it may, and [`BusError::ShareFull`] when
    /// its principal has as much kept as one caller may.
    async fn change_session(
        &self,
        id: &SessionId,
        change: &SessionChange,
    ) -> Result<bool, BusError>;

    /// Ends a session and names the calls that were running in it, to cancel them. Until
    /// [`SessionStore::forget_session`] it names them again and again, so that whoever did not hear the
    /// answer, or died before all were cancelled, or another in its place, does it once more.
    ///
    /// `None` when there is no such session, when its end is done with, and to any `caller` but its own
    /// principal.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn end_session(
        &self,
        id: &SessionId,
        caller: &Principal,
    ) -> Result<Option<Vec<BegunCall>>, BusError>;

    /// Forgets an ended session whose calls are cancelled. Without it that happens after
    /// [`super::BusLimits::session_idle`].
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn forget_session(&self, id: &SessionId) -> Result<(), BusError>;

    /// Notes where a begun call lies in the queue, so that a cancel wakes its worker.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn place_call(&self, id: &SessionId, call: &CallRef) -> Result<Placed, BusError>;

    /// Forgets a call that ended.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn forget_call(&self, id: &SessionId, stream: &StreamId) -> Result<(), BusError>;

    /// Finds the begun calls that have this request id of the client, to cancel them. It may use an id
    /// for several calls at once. Whoever queues one that is not placed yet is told by `place_call`.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn cancel_calls(
        &self,
        id: &SessionId,
        request_id: &RawJson,
    ) -> Result<Vec<BegunCall>, BusError>;
}

/// A call that is to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeginCall {
    /// The stream of its events.
    pub stream: StreamId,
    /// The client's request id, as sent.
    pub request_id: RawJson,
}

/// A call that was queued or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunCall {
    /// The stream of its events.
    pub stream: StreamId,
    /// Its entry in the request queue, once it was placed.
    pub entry: Option<EntryId>,
}

/// What happened to a call while it was being queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placed {
    /// Nothing; it may even be over.
    Running,
    /// The client cancelled it. Its log may have the mark already; the worker was not woken.
    Cancelled,
    /// The session ended. Nobody else wakes the worker.
    SessionEnded,
}

/// A session that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The session.
    pub session: Session,
    /// `false` when [`super::BusLimits::session_calls`] run already, so that the call was not noted.
    pub has_room: bool,
}
