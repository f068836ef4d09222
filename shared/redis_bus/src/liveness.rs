//! [`Liveness`] on Redis: a string per gateway, which ends by itself.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use prynai_bus::ids::GatewayId;
use prynai_bus::{BusError, Liveness};
use redis::pipe;

use super::RedisBus;
use super::scripts::{Call, millis};
use super::server_clock::{Time, unix_ms};

/// Gateways that one command looks at.
const LOOKS_AT_ONCE: usize = 256;

#[async_trait]
impl Liveness for RedisBus {
    async fn beat(&self, gateway: &GatewayId, life: Duration) -> Result<(), BusError> {
        let mut beat = pipe();
        beat.cmd("SET")
            .arg(self.keys.gateway_life(gateway))
            .arg("1")
            .arg("PX")
            .arg(millis(life))
            .ignore();
        // The deadlines that the gateway gives go by it.
        beat.cmd("TIME");
        let asked = Instant::now();
        let (time,) = self.run(&Call::<(Time,)>::pipeline(beat)).await?;
        self.clock.saw(unix_ms(time), asked);
        Ok(())
    }

    async fn silent_among(&self, gateways: &[GatewayId]) -> Result<Vec<GatewayId>, BusError> {
        let mut silent = Vec::new();
        for gateways in gateways.chunks(LOOKS_AT_ONCE) {
            let mut looks = pipe();
            for gateway in gateways {
                looks.cmd("EXISTS").arg(self.keys.gateway_life(gateway));
            }
            let lives: Vec<bool> = self.run(&Call::pipeline(looks)).await?;
            let looked_at = gateways.iter().zip(lives);
            let gone = looked_at.filter(|(_, lives)| !lives);
            silent.extend(gone.map(|(gateway, _)| gateway.clone()));
        }
        Ok(silent)
    }
}
