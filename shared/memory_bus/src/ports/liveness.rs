//! [`Liveness`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::GatewayId;
use prynai_bus::{BusError, Liveness};

use crate::bus::{MemoryBus, lock};
use crate::stored::gateway::{GatewayLife, REMEMBERED};

#[async_trait]
impl Liveness for MemoryBus {
    async fn beat(&self, gateway: &GatewayId, life: Duration) -> Result<(), BusError> {
        let remembered = Some(life.max(REMEMBERED));
        let life = GatewayLife::of_gateway(life);
        lock(&self.gateways).insert(gateway.clone(), life, remembered);
        Ok(())
    }

    async fn silent_among(&self, gateways: &[GatewayId]) -> Result<Vec<GatewayId>, BusError> {
        let live = lock(&self.gateways);
        let silent = gateways
            .iter()
            .filter(|gateway| !live.get(gateway).is_some_and(GatewayLife::is_alive));
        Ok(silent.cloned().collect())
    }
}
