//! Legacy sessions.

use async_trait::async_trait;

use super::BusError;
use crate::ids::{SessionId, StreamId};
use crate::wire::message::RawJson;
use crate::wire::request::CallRef;
use crate::wire::session::{Session, SessionChange};

/// Legacy sessions, and which calls run in them.
///
/// A session ends when it is deleted or idle for [`super::BusLimits::session_idle`]. Once ended it
/// is never brought back: every method treats it as absent, on every gateway, at once. Its calls and
/// the state in its scope ([`super::StateScope::Session`]) end with it.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// Stores a new session.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn create_session(&self, session: &Session) -> Result<(), BusError>;

    /// Reads a session and restarts its idle time, in one atomic step.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn touch_session(&self, id: &SessionId) -> Result<Option<Touched>, BusError>;

    /// Applies one change; `false` when the session has ended.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] when the session has as many subscriptions as it may.
    async fn change_session(
        &self,
        id: &SessionId,
        change: &SessionChange,
    ) -> Result<bool, BusError>;

    /// Ends a session and names the calls that were running in it; `None` when it had ended before.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn end_session(&self, id: &SessionId) -> Result<Option<Vec<CallRef>>, BusError>;

    /// Notes that the client's request `request_id` runs as `call`, so that a cancel finds it. A client
    /// may use an id for several calls at once. `false` when the session has ended: nothing is noted,
    /// and nobody else will cancel the call.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] when [`super::BusLimits::session_calls`] run already; see
    /// [`Touched::room_for_call`].
    async fn record_call(
        &self,
        id: &SessionId,
        request_id: &RawJson,
        call: &CallRef,
    ) -> Result<bool, BusError>;

    /// Forgets a call that ended.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn forget_call(&self, id: &SessionId, stream: &StreamId) -> Result<(), BusError>;

    /// Finds the running calls that have this request id of the client.
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

/// A session that lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touched {
    /// The session.
    pub session: Session,
    /// Fewer than [`super::BusLimits::session_calls`] run. To be asked before a call is queued: one that
    /// is queued may have run by the time it is refused.
    pub room_for_call: bool,
}
