//! The tool author's key/value state.

use std::time::Duration;

use async_trait::async_trait;

use super::BusError;
use crate::ids::{OperationId, SessionId};
use crate::wire::principal::Share;

/// The tool author's key/value state; survives every process of ours.
///
/// A value lives as long as its `ttl` (for ever with `None`); each write sets the `ttl` anew.
/// Single operations are atomic. Those that must not be done twice have a name: under one name they are done
/// once and answer the same, however often they are tried within a minute.
///
/// What is in the scope of a session ends with the session at the latest, at once and for good: then
/// nothing is read there any more, and what would be written is refused. To use the state is not to
/// use the session.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn get_state(&self, scope: &StateScope, key: &str) -> Result<Option<String>, BusError>;

    /// Writes a value.
    ///
    /// # Errors
    ///
    /// [`BusError::SessionEnded`], and nothing is written, when the scope is of a session that has
    /// ended.
    async fn set_state(
        &self,
        scope: &StateScope,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), BusError>;

    /// Counts a value of so many bytes to the share of whoever writes it, before it is written; forgets it without
    /// bytes. May be repeated. It counts until its `ttl` has passed; one of a session that has none for five quarters of
    /// [`super::BusLimits::session_idle`] after it was written.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`] when the share has no room for it; when the bus is away.
    async fn count_state(
        &self,
        share: &Share,
        scope: &StateScope,
        key: &str,
        bytes: Option<usize>,
        ttl: Option<Duration>,
    ) -> Result<(), BusError>;

    /// Removes a value; `false` when there was none.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn remove_state(
        &self,
        scope: &StateScope,
        key: &str,
        operation: &OperationId,
    ) -> Result<bool, BusError>;

    /// Adds to a whole number (absent counts as 0) and returns the sum.
    ///
    /// # Errors
    ///
    /// [`BusError::Unexpected`] when the value is not a whole number or would overflow, and
    /// [`BusError::SessionEnded`] as for a write.
    async fn increment_state(
        &self,
        scope: &StateScope,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
        operation: &OperationId,
    ) -> Result<i64, BusError>;
}

/// Whose state it is. Scopes never see each other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StateScope {
    /// Everybody's.
    Global,
    /// One principal's, by subject.
    Principal(String),
    /// One legacy session's, for as long as it lasts.
    Session(SessionId),
}
