//! Which calls were made under an idempotency key, and how they ended.

use std::time::Duration;

use async_trait::async_trait;

use super::BusError;
use crate::ids::StreamId;
use crate::wire::outcome::Outcome;
use crate::wire::principal::Share;

/// One record per idempotency key: absent, *running* by one stream, or *ended* with an outcome. It survives every
/// process of ours, and lives for `window` from its last change.
///
/// * When several calls begin under one key at the same time, one of them becomes the owner of the record.
/// * A later delivery of the owner's stream takes the record over. An earlier delivery never changes it again.
/// * Only the owner ends the record, and an end is final.
/// * Every method may be repeated when its answer was lost.
///
/// An outcome counts to the share of its caller for as long as it is kept. When the share has no room for it, a note
/// that it was too large is kept in its place ([`Outcome::left_out`]): the call has run, so its key must stay.
#[async_trait]
pub trait OutcomeStore: Send + Sync {
    /// Checks that `share` has room for one more outcome. To be asked before a call with a key is queued, so that the
    /// call can be refused.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`] when it has none.
    async fn check_room(&self, share: &Share) -> Result<(), BusError>;

    /// Takes a record that is absent, or that an earlier delivery of the same stream left running. Otherwise changes
    /// nothing and says what is there.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn begin_once(&self, once: &KeyUse, window: Duration) -> Result<KeyState, BusError>;

    /// As [`OutcomeStore::begin_once`], for a call that shall not begin: the record that it would have taken ends with
    /// `outcome`.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn conclude_once(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<KeyState, BusError>;

    /// Ends a record that this or an earlier delivery of the stream left running. `false`, and nothing is changed, when
    /// there is none.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn record_outcome(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<bool, BusError>;

    /// Removes a record that this or an earlier delivery of the stream left running, so that the key can be used again.
    /// `false`, and nothing is changed, when there is none.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn release_key(&self, once: &KeyUse) -> Result<bool, BusError>;
}

/// One call's use of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyUse {
    /// Names the record: a digest of principal, tool and key, so that none of these can be confused or
    /// read from the store.
    pub record: String,
    /// A digest of what is asked for: a key is good for one thing only.
    pub fingerprint: String,
    /// The call.
    pub stream: StreamId,
    /// The delivery under which its request was claimed.
    pub delivery: u32,
    /// Its client takes a task: its outcome is sealed where it is kept, if the bus has keys for that.
    pub takes_task: bool,
    /// Whose share the outcome counts to.
    pub share: Share,
}

/// What a use of a key meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The record is this one's.
    Yours,
    /// Another call runs under the key: this one.
    Running(StreamId),
    /// A call under the key has ended.
    Ended(Outcome),
    /// The key was used to ask for something else.
    Reused,
    /// A later delivery of the same stream has it.
    Lost,
}
