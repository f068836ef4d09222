//! Which gateways are there.

use std::time::Duration;

use async_trait::async_trait;

use super::BusError;
use crate::ids::GatewayId;

/// Which gateways are there. Clients of the modern era go with the gateway that holds their connections, so their calls
/// are cancelled when it is gone.
#[async_trait]
pub trait Liveness: Send + Sync {
    /// Says that a gateway, and with it every client whose connection it holds, is there for `life` from now on. A
    /// later call replaces an earlier one; a life of zero ends it.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn beat(&self, gateway: &GatewayId, life: Duration) -> Result<(), BusError>;

    /// Those of `gateways` whose last beat is over, and those that never sent one.
    ///
    /// A gateway that could not beat while the bus was away looks the same as one that died. So one look proves
    /// nothing: look several times.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn silent_among(&self, gateways: &[GatewayId]) -> Result<Vec<GatewayId>, BusError>;
}
