//! The tool author's key/value state.

use std::time::Duration;

use async_trait::async_trait;

use super::BusError;
use crate::ids::{OperationId, SessionId};
use crate::wire::principal::Share;

/// The tool author's key/value state; survives every process of ours.
///
/// A value lives as long as its `ttl`, or for ever with `None`. Each write sets the `ttl` anew. Single operations are
/// atomic. An operation that must not be done twice has a name: under one [`OperationId`] it is done once, and answers
/// the same however often it is tried within a minute.
///
/// Values in the scope of a session end with the session at the latest. Then nothing is read there any more, and writes
/// are refused. Reading or writing a value does not extend the session.
#[async_trait]
pub trait StateStore: Send + Sync {
    /// Reads a value. `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn get_state(&self, scope: &StateScope, key: &str) -> Result<Option<String>, BusError>;

    /// Writes a value. May be repeated.
    ///
    /// # Errors
    ///
    /// [`BusError::SessionEnded`], and nothing is written, when the scope is that of an ended session.
    async fn set_state(
        &self,
        scope: &StateScope,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), BusError>;

    /// Counts a value to the share of its writer, before it is written: so many `bytes`, or none any more with `None`.
    /// May be repeated.
    ///
    /// It counts until its `ttl` has passed. A value in the scope of a session that has no `ttl` counts for five
    /// quarters of [`super::BusLimits::session_idle`] after it was written.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`] when the share has no room for it, and when the bus is away.
    async fn count_state(
        &self,
        share: &Share,
        scope: &StateScope,
        key: &str,
        bytes: Option<usize>,
        ttl: Option<Duration>,
    ) -> Result<(), BusError>;

    /// Removes a value. `false` when there was none.
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

    /// Adds `by` to a whole number and returns the sum. A value that is absent counts as 0.
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
