//! A way to a server whose answers can be made to trickle.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::relay::Relay;

/// What passes at a time while it trickles.
const DROP: usize = 100;

/// The time from one drop to the next.
const PAUSE: Duration = Duration::from_millis(25);

/// An address that leads to a server. It closes when this is dropped.
pub struct Trickle {
    relay: Relay,
    trickles: Arc<AtomicBool>,
}

impl Trickle {
    /// Serves on a free port; answers pass as they come.
    pub async fn start(target: SocketAddr) -> Self {
        let trickles = Arc::new(AtomicBool::default());
        let slow = Arc::clone(&trickles);
        let carry = move |client, server| carry(client, server, Arc::clone(&slow));
        let relay = Relay::start(target, carry).await;
        Self { relay, trickles }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    /// Whether answers pass at four kilobytes a second.
    pub fn set_slow(&self, slow: bool) {
        self.trickles.store(slow, Ordering::Relaxed);
    }
}

async fn carry(client: TcpStream, server: TcpStream, trickles: Arc<AtomicBool>) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    tokio::select! {
        // However it ends, both sides see that it did.
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        _ = trickle(from_server, to_client, &trickles) => {}
    }
}

async fn trickle(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    trickles: &AtomicBool,
) -> std::io::Result<()> {
    let mut drop = [0; DROP];
    loop {
        let count = from.read(&mut drop).await?;
        if count == 0 {
            return Ok(());
        }
        if trickles.load(Ordering::Relaxed) {
            tokio::time::sleep(PAUSE).await;
        }
        to.write_all(&drop[..count]).await?;
    }
}
