//! Connections to the server.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::failure::{Failure, broken, unconnected};
use super::template::Body;
use crate::settings::Endpoint;

/// Longer than a network needs, and shorter than a client's patience.
const CONNECT: Duration = Duration::from_secs(10);

/// Connects to the one endpoint.
pub(crate) struct Connector {
    endpoint: Endpoint,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    /// Reads the authorities, if they are needed.
    ///
    /// # Errors
    ///
    /// Why they cannot be used.
    pub(crate) fn new(endpoint: Endpoint, ca: Option<&Path>) -> Result<Self, String> {
        let tls = match endpoint.tls {
            true => {
                let name = ServerName::try_from(endpoint.host.clone());
                let name = name.map_err(|_| format!("{:?} is no name of a server", endpoint.host));
                Some((TlsConnector::from(Arc::new(trusting(ca)?)), name?))
            }
            false => None,
        };
        Ok(Self { endpoint, tls })
    }

    /// Opens a connection, whose task ends with it.
    pub(crate) async fn connect(&self) -> Result<SendRequest<Body>, Failure> {
        let connected = tokio::time::timeout(CONNECT, self.try_connect()).await;
        connected.unwrap_or_else(|_| Err(unconnected(&io::ErrorKind::TimedOut.into())))
    }

    async fn try_connect(&self) -> Result<SendRequest<Body>, Failure> {
        let Endpoint { host, port, .. } = &self.endpoint;
        let stream = TcpStream::connect((host.as_str(), *port));
        let stream = stream.await.map_err(|error| unconnected(&error))?;
        // Each request is one write, which must not wait for the acknowledgement of the last one.
        stream
            .set_nodelay(true)
            .map_err(|error| unconnected(&error))?;
        match &self.tls {
            None => speak(TokioIo::new(stream)).await,
            Some((tls, name)) => {
                let stream = tls.connect(name.clone(), stream).await;
                speak(TokioIo::new(stream.map_err(|error| unconnected(&error))?)).await
            }
        }
    }
}

async fn speak<IO>(io: IO) -> Result<SendRequest<Body>, Failure>
where
    IO: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(io).await.map_err(|error| broken(&error))?;
    // Whoever sends hears of its errors.
    tokio::spawn(async { drop(connection.await) });
    Ok(sender)
}

fn trusting(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        Some(file) => {
            let unreadable = |error: String| format!("{}: {error}", file.display());
            let certificates = CertificateDer::pem_file_iter(file);
            for certificate in certificates.map_err(|error| unreadable(error.to_string()))? {
                let added = certificate
                    .map_err(|error| error.to_string())
                    .and_then(|der| roots.add(der).map_err(|error| error.to_string()));
                added.map_err(unreadable)?;
            }
            if roots.is_empty() {
                return Err(unreadable("there is no certificate in it".to_owned()));
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err("this machine trusts no authority; name one with --ca".to_owned());
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
