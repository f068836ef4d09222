//! [`Liveness`] on Redis: a string per gateway, which ends by itself.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use prynai_bus::ids::GatewayId;
use prynai_bus::{BusError, Liveness, RequestQueue};
use redis::pipe;

use crate::bus::RedisBus;
use crate::bus::clock::{Time, unix_ms};
use crate::connection::command::Command;
use crate::scripts::millis;

/// Gateways that one command looks at.
const LOOKS_AT_ONCE: usize = 256;

/// How long a gateway is remembered after its last beat.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// Gateways that are remembered.
const MOST_REMEMBERED: isize = 1000;

#[async_trait]
impl Liveness for RedisBus {
    async fn beat(&self, gateway: &GatewayId, life: Duration) -> Result<(), BusError> {
        let mut beat = pipe();
        beat.cmd("SET")
            .arg(self.keys.gateway_life(gateway))
            .arg(env!("CARGO_PKG_VERSION"))
            .arg("PX")
            .arg(millis(life))
            .ignore();
        // For operators: which gateways there were, and until when.
        let (gateways, now) = (self.keys.gateways(), self.now_ms());
        let past = now.saturating_sub(millis(REMEMBERED));
        beat.cmd("ZADD")
            .arg(&gateways)
            .arg(now)
            .arg(gateway.as_str())
            .ignore();
        beat.cmd("ZREMRANGEBYSCORE")
            .arg(&gateways)
            .arg("-inf")
            .arg(past)
            .ignore();
        beat.cmd("ZREMRANGEBYRANK")
            .arg(&gateways)
            .arg(0)
            .arg(-1 - MOST_REMEMBERED)
            .ignore();
        // The deadlines that the gateway gives go by it.
        beat.cmd("TIME");
        let asked = Instant::now();
        let (time,) = self.run(&Command::<(Time,)>::pipeline(beat)).await?;
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
            let lives: Vec<bool> = self.run(&Command::pipeline(looks)).await?;
            let looked_at = gateways.iter().zip(lives);
            let gone = looked_at.filter(|(_, lives)| !lives);
            silent.extend(gone.map(|(gateway, _)| gateway.clone()));
        }
        Ok(silent)
    }
}
