//! A way to a server: an address whose connections lead there, each through something that may go wrong.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// It closes when this is dropped; connections that are open stay.
pub(crate) struct Relay {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Serves on a free port. `pass` carries one connection between the client, which it is given first, and the
    /// server.
    pub(crate) async fn start<P>(
        target: SocketAddr,
        pass: impl Fn(TcpStream, TcpStream) -> P + Send + Sync + 'static,
    ) -> Self
    where
        P: Future<Output = ()> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("is bound");
        let pass = Arc::new(pass);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let pass = Arc::clone(&pass);
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(target).await {
                        pass(client, server).await;
                    }
                });
            }
        });
        Self { address, accepting }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
