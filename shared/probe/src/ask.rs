//! One question and its answer.

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use prynai_bus::shown;
use prynai_process::secret::Secret;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::any_certificate;

/// Time for the answer, from connecting to its last byte; `/readyz` itself waits up to a second for Redis. Shorter than
/// the three seconds after which a container's check is usually killed, so that it can still say why.
const PATIENCE: Duration = Duration::from_secs(2);

/// Longest answer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Most bytes of a reason that are shown.
const MOST_OF_REASON: usize = 2048;

/// Whom to ask.
#[derive(Debug)]
pub struct Probe {
    address: SocketAddr,
    has_tls: bool,
    token: Option<Secret>,
}

/// Why a process is not ready, as far as can be told from outside.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each says in words what it is")]
pub enum Unready {
    #[error("not ready: {0}")]
    Says(String),
    #[error("nobody answers at {0} ({1}); does the process run, with these settings?")]
    Unreachable(String, String),
    #[error("{0} did not answer within {patience} s", patience = PATIENCE.as_secs())]
    Late(String),
    #[error(
        "{0} answered {1}, as no program of this fleet does; does something else listen there?"
    )]
    Stranger(String, StatusCode),
}

/// What `/readyz` says when it is not ready. Those without the token are told no reason.
#[derive(Deserialize)]
struct Said {
    status: String,
    reason: Option<String>,
}

impl Probe {
    /// Asks the process that listens on `listen`, with HTTPS if `has_tls`, and shows it `token`.
    ///
    /// # Errors
    ///
    /// If the port is 0: the process has taken a free one, and nobody here knows which.
    pub fn of(
        mut listen: SocketAddr,
        has_tls: bool,
        token: Option<Secret>,
    ) -> Result<Self, String> {
        if listen.port() == 0 {
            return Err(
                "the process listens on a port that it chose itself (port 0), so it cannot be asked"
                    .to_owned(),
            );
        }
        match listen {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
                listen.set_ip(Ipv4Addr::LOCALHOST.into());
            }
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
                listen.set_ip(Ipv6Addr::LOCALHOST.into());
            }
            SocketAddr::V4(_) | SocketAddr::V6(_) => {}
        }
        Ok(Self {
            address: listen,
            has_tls,
            token,
        })
    }

    /// Asks, and says `ready` on standard output if the process is.
    ///
    /// # Errors
    ///
    /// Why it is not.
    pub async fn tell(self) -> Result<(), Unready> {
        let url = self.url();
        let answer = tokio::time::timeout(PATIENCE, self.answer()).await;
        let answer = answer.map_err(|_| Unready::Late(url.clone()))?;
        let (status, body) = answer
            .map_err(|error| Unready::Unreachable(url.clone(), with_causes(error.as_ref())))?;
        if status == StatusCode::OK {
            // Nothing is left to do when nobody reads it; the exit code says the same.
            let _ = writeln!(io::stdout(), "ready");
            return Ok(());
        }
        match serde_json::from_slice::<Said>(&body) {
            Ok(said) if said.status == "unready" => {
                let reason = said
                    .reason
                    .as_deref()
                    .unwrap_or("it says why to those who have --admin-token");
                let reason = shown::visible(reason, MOST_OF_REASON).into_owned();
                Err(Unready::Says(reason))
            }
            _ => Err(Unready::Stranger(url, status)),
        }
    }

    fn url(&self) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        format!("{scheme}://{}/readyz", self.address)
    }

    async fn answer(&self) -> Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>> {
        let mut request = Request::get("/readyz").header(HOST, self.address.to_string());
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Empty::new())?;
        let stream = TcpStream::connect(self.address).await?;
        if !self.has_tls {
            return exchange(stream, request).await;
        }
        let connector = TlsConnector::from(Arc::new(any_certificate::client_config()?));
        let stream = connector.connect(self.address.ip().into(), stream).await?;
        exchange(stream, request).await
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer, or with the process.
    tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST)
        .collect()
        .await?;
    Ok((status, body.to_bytes()))
}

/// An error's own text says little; what it comes from says more.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
