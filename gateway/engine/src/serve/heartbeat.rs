//! Tells the workers that this gateway is alive. When they hear nothing of it, they stop what they do for its modern
//! clients, whose connections are gone with it.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::Liveness;
use prynai_bus::ids::GatewayId;

/// Time between two beats.
const BEAT: Duration = Duration::from_secs(2);

/// How long one beat lasts. Workers look several times after that before they believe it.
const LIFE: Duration = Duration::from_secs(6);

/// Pause before another try while the bus is away.
const RETRY: Duration = Duration::from_millis(250);

/// Runs until it is dropped.
pub(crate) async fn run(bus: Arc<dyn Liveness>, gateway: GatewayId) {
    loop {
        let pause = match bus.beat(&gateway, LIFE).await {
            Ok(()) => BEAT,
            Err(error) => {
                tracing::debug!(%error, "cannot tell the workers that this gateway is alive; trying again");
                RETRY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Says that this gateway is gone, after its last beat: nobody takes it for one that is there and hears nothing.
pub(crate) async fn end(bus: &dyn Liveness, gateway: &GatewayId) {
    if let Err(error) = bus.beat(gateway, Duration::ZERO).await {
        tracing::debug!(%error, "cannot tell the workers that this gateway ends");
    }
}
