//! Accepts few connections, each for one request and a short time, on a thread of its own: a handler that blocks the
//! runtime, or a reader that stops reading, must not keep operators from looking, nor their tools cost the fleet
//! anything.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use prynai_console::{About, Connect, Console};
use prynai_process::secret::Secret;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::access::Access;
use crate::pages::{Health, Pages};
use crate::scrape::{Look, Scrape};

/// Connections at a time; any more are closed unanswered.
const MOST_CONNECTIONS: usize = 32;

/// Time for the head of the request.
const HEAD: Duration = Duration::from_secs(5);

/// Time for all of a connection: a reader that has not taken its page by then gets no more of it.
const CONNECTION: Duration = Duration::from_secs(10);

/// Largest head of a request, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// Pause after accepting failed, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The administration listener, until it is dropped.
pub struct Admin {
    look: Arc<OnceLock<Look>>,
    health: Arc<OnceLock<Health>>,
    console: Arc<OnceLock<Console>>,
    opening: Opening,
    address: SocketAddr,
    _stop: DropGuard,
}

/// How a listener is opened.
pub(crate) struct Opening {
    /// What its readers must show.
    pub(crate) token: Option<Secret>,
    /// Whether its console changes things.
    pub(crate) write: bool,
    /// Whose it is.
    pub(crate) about: About,
}

impl Admin {
    pub(crate) fn start(address: SocketAddr, opening: Opening) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (look, health, console) = (Arc::default(), Arc::default(), Arc::default());
        let pages = Pages {
            access: Access::new(opening.token.as_ref()),
            scrape: Scrape::new(Arc::clone(&look)),
            health: Arc::clone(&health),
            console: Arc::clone(&console),
            content_policy: Console::content_policy(),
        };
        let stop = CancellationToken::new();
        let serving = stop
            .clone()
            .run_until_cancelled_owned(serve(listener, Arc::new(pages)));
        std::thread::Builder::new()
            .name("admin".to_owned())
            .spawn(move || runtime.block_on(serving))?;
        let admin = Self {
            look,
            health,
            console,
            opening,
            address,
            _stop: stop.drop_guard(),
        };
        let console = admin.console_url();
        tracing::info!(%address, console, "listening for administration");
        Ok(admin)
    }

    /// From now on this is looked up before metrics are read, for half a second at most.
    pub fn look_before_reading(&self, look: Look) {
        // A second one is a mistake that changes nothing.
        let _ = self.look.set(look);
    }

    /// From now on `/readyz` answers with this.
    pub fn tell_health(&self, health: Health) {
        // A second one is a mistake that changes nothing.
        let _ = self.health.set(health);
    }

    /// From now on it has pages for browsers. What `connect` opens is driven by the listener's own thread, once
    /// somebody looks.
    pub fn show_console(&self, connect: Connect) {
        let (about, write) = (self.opening.about.clone(), self.opening.write);
        // A second one is a mistake that changes nothing.
        let _ = self.console.set(Console::new(about, connect, write));
    }

    /// Where the console is, as this machine reaches it.
    pub fn console_url(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}/console")
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn serve(listener: TcpListener, pages: Arc<Pages>) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a connection for administration; trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let pages = Arc::clone(&pages);
        tokio::spawn(async move {
            let _place = place;
            if timeout(CONNECTION, answer(stream, &pages)).await.is_err() {
                tracing::debug!("closed a connection for administration that took too long");
            }
        });
    }
}

async fn answer(stream: TcpStream, pages: &Pages) {
    let service = service_fn(
        async |request: Request<Incoming>| -> Result<Response<_>, Infallible> {
            Ok(pages.answer(request).await)
        },
    );
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_LIMIT)
        // A connection that is kept open takes a place from others.
        .keep_alive(false);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection for administration ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn admin() -> Admin {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let about = About {
            program: "test".to_owned(),
            version: "0".to_owned(),
        };
        let opening = Opening {
            token: None,
            write: false,
            about,
        };
        Admin::start(address, opening).expect("starts")
    }

    async fn get(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("is sent");
        let mut answer = Vec::new();
        // A refused connection may be reset.
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn it_answers_although_the_runtime_of_the_handlers_is_blocked() {
        // This test's own thread is what blocks: no task of its runtime runs meanwhile.
        let admin = admin();
        let answer = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(admin.address()).expect("connects");
            let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
            std::io::Write::write_all(&mut stream, request).expect("is sent");
            std::io::read_to_string(stream).expect("is answered")
        });
        let answer = answer.join().expect("ends");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains("process_cpu_seconds_total"), "{answer}");
    }

    #[tokio::test]
    async fn those_who_hold_every_place_lose_it() {
        let admin = admin();
        let mut silent = Vec::new();
        for _ in 0..MOST_CONNECTIONS {
            silent.push(TcpStream::connect(admin.address()).await.expect("connects"));
        }
        assert_eq!(
            get(admin.address(), "/metrics").await,
            "",
            "there is no place"
        );
        let mut nothing = [0; 1];
        for stream in &mut silent {
            let closed = timeout(PATIENCE, stream.read(&mut nothing)).await;
            assert!(!matches!(closed, Err(_) | Ok(Ok(1..))), "{closed:?}");
        }
        let begun = tokio::time::Instant::now();
        while !get(admin.address(), "/").await.contains("200 OK") {
            assert!(begun.elapsed() < PATIENCE, "no place is free again");
        }
    }

    #[tokio::test]
    async fn a_large_head_and_another_path_are_refused() {
        let admin = admin();
        let long = "x".repeat(2 * HEAD_LIMIT);
        let answer = get(admin.address(), &format!("/{long}")).await;
        assert!(!answer.contains("200 OK"), "{answer}");
        let answer = get(admin.address(), "/mcp").await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }

    #[tokio::test]
    async fn dropping_it_ends_it() {
        let admin = admin();
        let address = admin.address();
        assert!(get(address, "/").await.contains("200 OK"));
        drop(admin);
        let begun = tokio::time::Instant::now();
        while TcpStream::connect(address).await.is_ok() {
            assert!(begun.elapsed() < PATIENCE, "it still listens");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
