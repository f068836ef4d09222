use std::net::Ipv4Addr;
use std::num::NonZeroUsize;

use prynai_process::lifecycle::Shutdown;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::listen::accept::{accept, listen};

/// Only a broken test waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers everything, but for paths where it has a bug.
#[derive(Clone)]
struct Bugged;

impl Respond for Bugged {
    fn respond(
        &self,
        request: Request<Incoming>,
        _: ClientAddress,
    ) -> BoxFuture<'static, Response> {
        assert_ne!(request.uri().path(), "/bug-at-once", "a bug");
        Box::pin(async move {
            assert_ne!(request.uri().path(), "/bug", "a bug");
            Response::new(Body::from("fine"))
        })
    }
}

/// A client's connection to a server that is bugged.
struct Client {
    connection: BufReader<TcpStream>,
    _server: AbortOnDropHandle<()>,
}

impl Client {
    async fn connect() -> Self {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let shutdown = Shutdown::new();
            let stopping = CancellationToken::new();
            let connections = Connections::new(Bugged, None, PATIENCE, stopping);
            let most = NonZeroUsize::new(8).unwrap();
            accept(listener, connections, most, &shutdown, &TaskTracker::new()).await;
        });
        Self {
            connection: BufReader::new(TcpStream::connect(address).await.unwrap()),
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// Sends the head of a request in pieces of this size, and reads the status of the answer and all the rest of it.
    async fn get(&mut self, path: &str, headers: &str, piece: usize) -> u16 {
        let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        for piece in head.as_bytes().chunks(piece) {
            // It may be refused before all was sent.
            if self.connection.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        tokio::time::timeout(PATIENCE, self.answer())
            .await
            .expect("an answer in time")
    }

    async fn answer(&mut self) -> u16 {
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            self.connection.read_line(&mut line).await.unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = line.strip_prefix("http/1.1 ") {
                status = rest.split(' ').next().and_then(|code| code.parse().ok());
            } else if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            } else if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body).await.unwrap();
        status.expect("a status")
    }
}

#[tokio::test]
async fn a_bug_in_an_answer_ends_its_request_only() {
    let mut client = Client::connect().await;
    for bug in ["/bug", "/bug-at-once"] {
        assert_eq!(client.get(bug, "", usize::MAX).await, 500, "{bug}");
        assert_eq!(client.get("/", "", usize::MAX).await, 200, "after {bug}");
    }
}

#[tokio::test]
async fn a_head_beyond_its_limit_is_refused_however_it_arrives() {
    let within = format!("X: {}\r\n", "x".repeat(HEAD_LIMIT - 1_000));
    let beyond = format!("X: {}\r\n", "x".repeat(HEAD_LIMIT));
    for piece in [usize::MAX, 40_000, 8_192, 100] {
        let mut client = Client::connect().await;
        assert_eq!(client.get("/", &within, piece).await, 200, "{piece}");
        assert_eq!(client.get("/", &beyond, piece).await, 431, "{piece}");
    }
}
