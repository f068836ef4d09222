//! An address behind which the server changes.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// An address whose connections lead to one server, and to another one later.
pub struct Switch {
    address: SocketAddr,
    target: watch::Sender<Target>,
    accepting: JoinHandle<()>,
}

/// Where new connections lead, and how often all were broken or forgotten.
#[derive(Clone, Copy)]
struct Target {
    address: SocketAddr,
    broken: usize,
    forgotten: usize,
}

impl Switch {
    /// Serves on a free port.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("is bound");
        let target = watch::Sender::new(Target {
            address: target,
            broken: 0,
            forgotten: 0,
        });
        let accepting = tokio::spawn(connect_through(listener, target.clone()));
        Self {
            address,
            target,
            accepting,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections; new ones lead to this server.
    pub fn turn_to(&self, target: SocketAddr) {
        self.target.send_modify(|now| {
            now.address = target;
            now.broken += 1;
        });
    }

    /// Breaks all connections for those who made them; the server never hears of it, as when something in between has
    /// forgotten them.
    pub fn forget(&self) {
        self.target.send_modify(|now| now.forgotten += 1);
    }

    /// New connections lead to this server; those that are open stay as they are.
    pub fn lead_to(&self, target: SocketAddr) {
        self.target.send_modify(|now| now.address = target);
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect_through(listener: TcpListener, target: watch::Sender<Target>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (mut turned, mut forgotten) = (target.subscribe(), target.subscribe());
        tokio::spawn(async move {
            let target = *turned.borrow();
            let Ok(mut server) = TcpStream::connect(target.address).await else {
                return;
            };
            // However it ends, both sides see that it did, unless it is forgotten.
            let forgotten = tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => false,
                _ = turned.wait_for(|now| now.broken > target.broken) => false,
                _ = forgotten.wait_for(|now| now.forgotten > target.forgotten) => true,
            };
            if forgotten {
                drop(client);
                std::future::pending::<()>().await;
            }
        });
    }
}
