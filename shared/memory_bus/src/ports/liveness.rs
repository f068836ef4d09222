//! [`Liveness`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::GatewayId;
use prynai_bus::{BusError, Liveness};

use crate::bus::{MemoryBus, lock};

#[async_trait]
impl Liveness for MemoryBus {
    async fn beat(&self, gateway: &GatewayId, life: Duration) -> Result<(), BusError> {
        lock(&self.gateways).insert(gateway.clone(), (), Some(life));
        Ok(())
    }

    async fn silent_among(&self, gateways: &[GatewayId]) -> Result<Vec<GatewayId>, BusError> {
        let live = lock(&self.gateways);
        let silent = gateways
            .iter()
            .filter(|gateway| live.get(gateway).is_none());
        Ok(silent.cloned().collect())
    }
}
