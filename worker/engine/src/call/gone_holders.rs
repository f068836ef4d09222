//! Gateways that are gone, so that nobody waits for the modern calls that they queued.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prynai_bus::ids::GatewayId;

/// Gateways remembered as gone, for their requests that are still to be claimed.
const REMEMBERED: usize = 64;

/// Which gateways are gone. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct GoneHolders(Arc<Mutex<VecDeque<GatewayId>>>);

impl GoneHolders {
    /// Whether nobody waits at this gateway any more.
    pub(crate) fn contains(&self, gateway: &GatewayId) -> bool {
        self.lock().contains(gateway)
    }

    /// Notes that a gateway is gone; the oldest one is forgotten for it.
    pub(crate) fn remember(&self, gateway: GatewayId) {
        let mut gone = self.lock();
        if gone.len() == REMEMBERED {
            gone.pop_front();
        }
        gone.push_back(gateway);
    }

    /// Forgets gateways that were only silent.
    pub(crate) fn keep(&self, silent: &[GatewayId]) {
        self.lock().retain(|gateway| silent.contains(gateway));
    }

    /// All that are remembered.
    pub(crate) fn all(&self) -> Vec<GatewayId> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<GatewayId>> {
        // A list is never half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
