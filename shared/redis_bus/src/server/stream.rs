//! Bytes to and from a server, over TLS or not.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::select_ok;
use redis::{ConnectionAddr, ConnectionInfo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

use crate::fault::Fault;
use crate::server::tls::Tls;

/// What a connection is made of.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How TLS is spoken to a server, if it is.
pub(crate) async fn tls_config(
    server: &ConnectionInfo,
    tls: &Tls,
) -> Result<Option<Arc<ClientConfig>>, Fault> {
    if !matches!(server.addr(), ConnectionAddr::TcpTls { .. }) {
        return Ok(None);
    }
    let tls = tls.clone();
    // It reads files.
    let config = tokio::task::spawn_blocking(move || tls.config()).await;
    let config = config.map_err(|error| Fault::away(error.to_string()))?;
    Ok(Some(Arc::new(config.map_err(Fault::SetUp)?)))
}

/// Connects to the first address of a server that answers, over TLS if it is said how. Its name is looked up anew for
/// each connection.
pub(crate) async fn open(
    place: &str,
    server: &ConnectionInfo,
    tls: Option<Arc<ClientConfig>>,
) -> Result<Box<dyn Stream>, Fault> {
    let fault = |error: io::Error| Fault::at(place, &error.into());
    let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) =
        server.addr()
    else {
        return Err(Fault::SetUp(format!("{place} is not reached over TCP")));
    };
    let addresses = addresses(host, *port).await.map_err(fault)?;
    let Some(config) = tls else {
        let attempts = addresses.map(|address| connect(address).boxed());
        let (stream, _) = select_ok(attempts).await.map_err(fault)?;
        return Ok(Box::new(stream));
    };
    let name = ServerName::try_from(host.clone())
        .map_err(|error| Fault::SetUp(format!("{place}: {error}")))?;
    let attempts =
        addresses.map(|address| connect_over_tls(address, name.clone(), config.clone()).boxed());
    let (stream, _) = select_ok(attempts).await.map_err(fault)?;
    Ok(stream)
}

/// At least one. The system's own words do not say that a name was looked for.
async fn addresses(host: &str, port: u16) -> io::Result<impl Iterator<Item = SocketAddr>> {
    let unknown = |reason: String| io::Error::other(format!("no address for the name: {reason}"));
    let found = lookup_host((host, port)).await;
    let mut found = found
        .map_err(|error| unknown(error.to_string()))?
        .peekable();
    match found.peek() {
        Some(_) => Ok(found),
        None => Err(unknown("it has none".to_owned())),
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Without this the kernel holds small writes back for a fuller packet.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_over_tls(
    address: SocketAddr,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
) -> io::Result<Box<dyn Stream>> {
    let stream = connect(address).await?;
    let stream = TlsConnector::from(config).connect(name, stream).await?;
    Ok(Box::new(stream))
}
