//! A way to a server that carries so many bytes a second and no more, and counts them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::relay::Relay;

/// What passes at a time; connections take turns.
const CHUNK: usize = 16 * 1024;

/// How much the way may catch up on after a pause.
const BURST: Duration = Duration::from_millis(5);

/// An address that leads to a server over a narrow way, which all connections share. It closes when this is dropped.
pub struct Throttle {
    relay: Relay,
    way: Arc<Way>,
}

/// Both directions.
struct Way {
    there: Direction,
    back: Direction,
}

struct Direction {
    bytes_per_second: u64,
    /// When the next chunk may pass.
    free: Mutex<Instant>,
    passed: AtomicU64,
}

impl Throttle {
    /// Serves on a free port, with so many bytes a second in each direction.
    pub async fn start(target: SocketAddr, bytes_per_second: u64) -> Self {
        let way = Arc::new(Way {
            there: Direction::new(bytes_per_second),
            back: Direction::new(bytes_per_second),
        });
        let narrow = Arc::clone(&way);
        let carry = move |client, server| carry(client, server, Arc::clone(&narrow));
        let relay = Relay::start(target, carry).await;
        Self { relay, way }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.relay.address()
    }

    /// Bytes that went to the server, and that came back, until now.
    pub fn passed(&self) -> (u64, u64) {
        let Way { there, back } = &*self.way;
        let passed = |direction: &Direction| direction.passed.load(Ordering::Relaxed);
        (passed(there), passed(back))
    }
}

impl Direction {
    fn new(bytes_per_second: u64) -> Self {
        Self {
            bytes_per_second,
            free: Mutex::new(Instant::now()),
            passed: AtomicU64::new(0),
        }
    }

    /// Waits until so many bytes may pass.
    async fn turn(&self, bytes: u64) {
        let mut free = self.free.lock().await;
        let begins = (*free).max(Instant::now() - BURST);
        *free = begins + Duration::from_micros(bytes * 1_000_000 / self.bytes_per_second);
        self.passed.fetch_add(bytes, Ordering::Relaxed);
        let until = *free;
        drop(free);
        sleep_until(until).await;
    }
}

async fn carry(client: TcpStream, server: TcpStream, way: Arc<Way>) {
    for stream in [&client, &server] {
        stream.set_nodelay(true).expect("is set");
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        // However it ends, both sides see that it did.
        _ = pass(from_client, to_server, &way.there) => {}
        _ = pass(from_server, to_client, &way.back) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: &Direction,
) -> std::io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        direction.turn(count as u64).await;
        to.write_all(&chunk[..count]).await?;
    }
}
