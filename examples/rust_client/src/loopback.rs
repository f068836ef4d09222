//! Where the browser comes back to after a sign-in: a listener on the loopback address (RFC 8252, section 7.3).

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Longest request head, in bytes.
const HEAD_LIMIT: u64 = 64 * 1024;

/// More wait in the system's queue.
const MOST_CONNECTIONS: usize = 16;

pub(crate) struct Loopback {
    listener: TcpListener,
    port: u16,
}

impl Loopback {
    pub(crate) async fn listen() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// By name and not by number: it is the one loopback address that Entra's portal lets one register.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://localhost:{}/callback", self.port)
    }

    /// Waits for the browser; gives the URL that it was sent to.
    pub(crate) async fn answer(&self) -> std::io::Result<String> {
        // Browsers connect ahead, and ask for icons: each connection takes its own time.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                    connections.spawn(converse(accepted?.0));
                }
                Some(Ok(Some(target))) = connections.join_next() => {
                    return Ok(format!("http://localhost:{}{target}", self.port));
                }
            }
        }
    }
}

/// The target of the request, if it is the answer.
async fn converse(mut browser: TcpStream) -> Option<String> {
    let target = target(&mut browser).await?;
    let is_answer = target.starts_with("/callback?");
    let (status, text) = match (is_answer, target.contains("code=")) {
        (true, true) => (
            "200 OK",
            "You can close this window and go back to the program.",
        ),
        (true, false) => (
            "200 OK",
            "The sign-in failed. The address of this page says why.",
        ),
        (false, _) => ("404 Not Found", "There is nothing here."),
    };
    let page = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Connection: close\r\n\r\n{text}",
        text.len()
    );
    // A browser that has gone has answered all the same.
    let _ = browser.write_all(page.as_bytes()).await;
    is_answer.then_some(target)
}

/// The target of a `GET`.
async fn target(browser: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut limited = browser.take(HEAD_LIMIT);
    while !head.ends_with(b"\r\n\r\n") {
        if limited.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.strip_prefix("GET ")?.split(' ').next()?;
    Some(target.to_owned())
}
