//! TLS on the gateway's own port: the handshake, and a certificate that is renewed while connections last.
//!
//! The files are read every [`LOOK_INTERVAL`] and not watched: orchestrators renew a mounted secret by turning a
//! symbolic link, of which a watched file tells nothing.

mod certificate;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

pub use self::certificate::CertificateError;
use self::certificate::{Files, Pem, Validity};
pub use self::settings::TlsSettings;
use crate::listen::stall::StallGuard;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// Time a client gets for its handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time a handshake gets that is under way when the gateway stops.
const STOPPING_TIMEOUT: Duration = Duration::from_secs(1);

/// All that a client is told that speaks plain HTTP here. An alert of TLS would tell a person nothing.
const NOT_PLAIN: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\
    Content-Length: 48\r\n\r\nThis port speaks HTTPS: write https:// instead.\n";

/// How much of a plain request is read, so that the answer is not lost with what was not.
const DISCARDED_REQUEST: usize = 16 * 1024;

/// TLS as new connections get it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Tls {
    current: watch::Receiver<Arc<ServerConfig>>,
}

/// Looks after the certificate.
struct Renewal {
    files: Files,
    /// What was found last, good or not.
    seen: Result<Pem, CertificateError>,
    /// What was found last is good, and not valid yet.
    early: bool,
    /// When what is served is valid.
    served: Validity,
    current: watch::Sender<Arc<ServerConfig>>,
}

// === impl Tls ===

impl Tls {
    /// TLS with the certificate of the settings, if they name one, and the task that renews it.
    pub(crate) fn start(
        settings: &TlsSettings,
    ) -> Result<Option<(Self, impl Future<Output = ()> + use<>)>, CertificateError> {
        let Some(files) = Files::of(settings)? else {
            return Ok(None);
        };
        let (renewal, tls) = Renewal::new(files)?;
        Ok(Some((tls, renewal.run())))
    }

    /// A client's stream after the handshake; `None` when there was none in time.
    pub(crate) async fn accept(
        self,
        stream: TcpStream,
        write_timeout: Duration,
        stopping: &CancellationToken,
    ) -> Option<TlsStream<StallGuard<TcpStream>>> {
        let handshake = async {
            if speaks_plain(&stream).await? {
                tell_plain(stream).await?;
                return Err(std::io::Error::other("it speaks plain HTTP"));
            }
            let acceptor = TlsAcceptor::from(self.current.borrow().clone());
            // Below TLS, where it is seen what the peer takes and not what is buffered here.
            acceptor
                .accept(StallGuard::new(stream, write_timeout))
                .await
        };
        tokio::select! {
            outcome = handshake => outcome
                .inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed"))
                .ok(),
            () = too_long(stopping) => {
                tracing::debug!("closed a connection whose TLS handshake took too long");
                None
            }
        }
    }
}

async fn too_long(stopping: &CancellationToken) {
    let stopped = async {
        stopping.cancelled().await;
        tokio::time::sleep(STOPPING_TIMEOUT).await;
    };
    tokio::select! {
        () = tokio::time::sleep(HANDSHAKE_TIMEOUT) => {}
        () = stopped => {}
    }
}

/// Whether the first byte is that of an HTTP method; a TLS client begins with a record of type 22 (RFC 8446,
/// section 5.1).
async fn speaks_plain(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0].is_ascii_uppercase())
}

async fn tell_plain(mut stream: TcpStream) -> std::io::Result<()> {
    let mut discarded = vec![0; DISCARDED_REQUEST];
    stream.try_read(&mut discarded)?;
    stream.write_all(NOT_PLAIN).await?;
    stream.shutdown().await
}

// === impl Renewal ===

impl Renewal {
    fn new(files: Files) -> Result<(Self, Tls), CertificateError> {
        let pem = files.read()?;
        let (sender, current) = watch::channel(files.server(&pem)?);
        let served = pem.validity();
        if let Err(error) = files.check_time(served) {
            tracing::error!(%error, "clients will refuse this server; renew its certificate");
        }
        let renewal = Self {
            files,
            seen: Ok(pem),
            early: false,
            served,
            current: sender,
        };
        Ok((renewal, Tls { current }))
    }

    async fn run(mut self) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            match self.look().await {
                None => {}
                Some(Ok(())) => tracing::info!(files = %self.files, "the certificate was renewed"),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the new certificate cannot be used; the old one is kept");
                }
            }
        }
    }

    /// What came of a change of the files; `None` when there was none.
    async fn look(&mut self) -> Option<Result<(), CertificateError>> {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || files.read());
        // An error means that the process ends.
        let found = read.await.ok()?;
        let again = found == self.seen;
        if again && !self.early {
            return None;
        }
        let server = match &found {
            Ok(pem) => self.files.server(pem).and_then(|server| {
                let validity = pem.validity();
                self.replaces(validity).map(|()| (server, validity))
            }),
            Err(error) => Err(error.clone()),
        };
        self.seen = found;
        self.early = matches!(server, Err(CertificateError::Early(_)));
        if again && self.early {
            return None;
        }
        // A configuration of its own: sessions begun under the old certificate are not resumed under the new one.
        Some(server.map(|(server, validity)| {
            self.served = validity;
            self.current.send_replace(server);
        }))
    }

    /// One that no client takes does not replace one that clients take.
    fn replaces(&self, validity: Validity) -> Result<(), CertificateError> {
        match self.files.check_time(self.served) {
            Ok(()) => self.files.check_time(validity),
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
