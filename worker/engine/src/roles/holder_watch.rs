//! Stops modern calls whose gateway is gone: its clients' connections broke with it, and the broken
//! connection is the cancel (2026-07-28, Streamable HTTP, Cancellation).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::GatewayId;
use prynai_bus::wire::request::Era;
use prynai_bus::{BusError, Liveness};

use crate::call::gone_holders::GoneHolders;
use crate::roles::worker::Worker;

/// Time between two looks: as long as a gateway takes to say again that it is there.
const LOOK: Duration = Duration::from_secs(2);

/// Looks in a row that must find a gateway silent. Only looks that the bus answered count, so that a
/// gateway is not taken for dead because it could not reach the bus either.
const LOOKS: u32 = 3;

/// Looks whether the gateways are there for which modern calls run.
pub(crate) struct HolderWatch {
    pub(crate) worker: Arc<Worker>,
    pub(crate) liveness: Arc<dyn Liveness>,
    pub(crate) gone: GoneHolders,
}

impl HolderWatch {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut silences = HashMap::new();
        loop {
            tokio::time::sleep(LOOK).await;
            if let Err(error) = self.look(&mut silences).await {
                tracing::debug!(%error, "cannot ask the bus which gateways are gone; asking again");
            }
        }
    }

    /// `silences`: how many looks in a row found a gateway silent.
    async fn look(&self, silences: &mut HashMap<GatewayId, u32>) -> Result<(), BusError> {
        let mut holders = self.worker.running.modern_holders();
        let known = self.gone.all();
        holders.extend(known.iter().cloned());
        let holders: Vec<GatewayId> = holders.into_iter().collect();
        if holders.is_empty() {
            silences.clear();
            return Ok(());
        }
        let silent = self.liveness.silent_among(&holders).await?;
        self.gone.keep(&silent);
        silences.retain(|gateway, _| silent.contains(gateway));
        for gateway in silent {
            let looks = silences.entry(gateway.clone()).or_default();
            *looks += 1;
            if *looks < LOOKS {
                continue;
            }
            if !known.contains(&gateway) {
                tracing::warn!(
                    %gateway,
                    "a gateway has been silent for too long and counts as gone; its clients' modern calls are cancelled"
                );
                self.gone.remember(gateway.clone());
            }
            self.cancel_calls_of(&gateway).await?;
        }
        Ok(())
    }

    async fn cancel_calls_of(&self, gateway: &GatewayId) -> Result<(), BusError> {
        for call in self.worker.running.modern_calls_of(gateway) {
            let (stream, entry) = (&call.stream, Some(&call.entry));
            // The mark wakes the call.
            self.worker
                .signals
                .abandon_call(stream, entry, Era::Modern)
                .await?;
        }
        Ok(())
    }
}
