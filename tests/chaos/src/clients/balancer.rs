//! What stands in front of the gateways: it sends nobody to one that says it is stopping.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

/// The gateways, as a balancer sees them.
#[derive(Debug)]
pub struct Balancer(Vec<Backend>);

#[derive(Debug)]
struct Backend {
    address: SocketAddr,
    is_leaving: AtomicBool,
}

impl Balancer {
    /// In front of these.
    pub fn of(gateways: Vec<SocketAddr>) -> Self {
        let backend = |address| Backend {
            address,
            is_leaving: AtomicBool::default(),
        };
        Self(gateways.into_iter().map(backend).collect())
    }

    /// The gateway whose turn it is. One that was killed has its turn as well: nobody knows yet.
    pub fn at(&self, turn: usize) -> SocketAddr {
        let from = turn % self.0.len();
        let (before, after) = self.0.split_at(from);
        let mut in_turn = after.iter().chain(before);
        let stays = in_turn.find(|gateway| !gateway.is_leaving.load(Ordering::Relaxed));
        stays.unwrap_or(&self.0[from]).address
    }

    /// Takes a gateway that is not ready out of the turns, or back in.
    pub fn set_leaving(&self, index: usize, is_leaving: bool) {
        let gateway = &self.0[index];
        gateway.is_leaving.store(is_leaving, Ordering::Relaxed);
    }
}
