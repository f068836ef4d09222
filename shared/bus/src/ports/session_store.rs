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
/// A session ends when it is deleted, or idle for [`super::BusLimits::session_idle`]. Its calls and the values in its
/// scope ([`super::StateScope::Session`]) end with it. An ended session never comes back: every method treats it as
/// absent, on every gateway, at once.
///
/// A session belongs to the principal that opened it, and its id is never used again. So the caller is checked once, by
/// [`SessionStore::touch_session`] or [`SessionStore::keep_session`]; after that the id alone is enough.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session. It counts to the share of its principal until it ends.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`] when the principal has as many sessions, or as many bytes kept, as one caller may.
    async fn create_session(&self, session: &Session) -> Result<(), BusError>;

    /// Reads a session, restarts its idle time, and notes the call that begins in it, if there is one: all in one
    /// atomic step. So a cancel finds the call before it is queued. If the call is not queued after all,
    /// [`SessionStore::forget_call`] takes the note back. May be repeated.
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
        begin: Option<&BeginCall>,
    ) -> Result<Option<Touched>, BusError>;

    /// As [`SessionStore::touch_session`] without a call, but the session is not read. `false` when it does not exist
    /// for this caller.
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

    /// Ends a session and returns the calls that ran in it, so that the caller cancels them. May be repeated: until
    /// [`SessionStore::forget_session`] it returns them again. So a gateway that did not hear the answer, or another
    /// one in the place of a gateway that died, can cancel the rest.
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
    ) -> Result<Option<Vec<BegunCall>>, BusError>;

    /// Forgets an ended session whose calls are cancelled. An ended session that nobody forgets ends by itself after
    /// [`super::BusLimits::session_idle`].
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn forget_session(&self, id: &SessionId) -> Result<(), BusError>;

    /// Notes the queue entry of a begun call, so that a cancel can wake its worker. May be repeated.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn place_call(&self, id: &SessionId, call: &CallRef) -> Result<Placed, BusError>;

    /// Forgets a call that ended, or that was not queued. May be repeated.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn forget_call(&self, id: &SessionId, stream: &StreamId) -> Result<(), BusError>;

    /// Notes that the client cancelled its calls with this request id, and returns them so that the caller cancels them
    /// ([`super::SignalChannel::cancel_call`]). A client may use one id for several calls at once.
    ///
    /// A call that has no queue entry yet keeps the note: [`SessionStore::place_call`] tells the gateway that queues
    /// it. May be repeated.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn note_cancel(
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
    /// Nothing. It may even be over.
    Running,
    /// The client cancelled it. Its log may have the mark already, but the worker was not woken.
    Cancelled,
    /// The session ended. The gateway that placed the call must cancel it: nobody else knows its entry.
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
