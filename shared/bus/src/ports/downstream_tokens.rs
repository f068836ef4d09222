//! Tokens for other APIs, on their way from the gateways that get them to the handlers that use them.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::BusError;

/// Tokens with which handlers ask other APIs on behalf of their callers: one for each principal and scope, which
/// gateways get and workers read. None lies anywhere as it is but in memory. It is forgotten when its life is over. The
/// bus's clock counts.
#[async_trait]
pub trait DownstreamTokens: Send + Sync {
    /// Whether tokens can be kept here: where others can read the bus, only sealed ones can.
    fn keeps_tokens(&self) -> bool;

    /// Keeps a token, in place of one that was kept for the same principal and scope, in one atomic step. May be
    /// repeated.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] when no more are kept, [`BusError::Unusable`] unless
    /// [`keeps_tokens`](DownstreamTokens::keeps_tokens), and when the bus is away.
    async fn keep_token(
        &self,
        principal: &str,
        scope: &str,
        token: &DownstreamToken,
        life: Duration,
    ) -> Result<(), BusError>;

    /// The token of a principal for a scope. `None` when none is kept, its life is over, or it was not put there like
    /// this for them: then it is of no use to anybody.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn token_of(
        &self,
        principal: &str,
        scope: &str,
    ) -> Result<Option<DownstreamToken>, BusError>;
}

/// A token for another API. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct DownstreamToken {
    /// What the other API is shown.
    pub token: String,
    /// When it ends, in seconds since the Unix epoch, by the clock of the gateway that got it.
    pub ends_s: u64,
}

impl fmt::Debug for DownstreamToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DownstreamToken(until {})", self.ends_s)
    }
}
