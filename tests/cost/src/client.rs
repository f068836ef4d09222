//! A client that costs next to nothing: it sends the same bytes, but for the id, and looks for the end of the answer.

use std::io::Write;
use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::request::{FIRST_ID, LEGACY, MODERN, Request};

/// Where the head of an answer ends.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// What ends an answer whose length was not known at its start.
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// A client with one connection.
pub(crate) struct Client {
    connection: TcpStream,
    sent: Vec<u8>,
    /// Where the id stands in what is sent.
    id_at: usize,
    next_id: u32,
    received: Vec<u8>,
}

impl Client {
    /// Connects, and opens a session if the request needs one.
    pub(crate) async fn connect(
        address: SocketAddr,
        request: Request,
        token: Option<&str>,
    ) -> Self {
        let connection = TcpStream::connect(address).await.expect("connects");
        connection.set_nodelay(true).expect("is connected");
        let mut client = Self {
            connection,
            sent: Vec::new(),
            id_at: 0,
            next_id: FIRST_ID,
            received: vec![0; 256 * 1024],
        };
        let mut message = request.message();
        let headers = if request.is_legacy() {
            let session = client.initialize().await;
            format!("MCP-Protocol-Version: {LEGACY}\r\nMcp-Session-Id: {session}\r\n")
        } else if request == Request::Task {
            let task = client.make_task().await;
            message["params"]["taskId"] = json!(task);
            modern_headers(request, Some(&task))
        } else {
            modern_headers(request, request.name())
        };
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let headers = headers + &token.unwrap_or_default();
        client.send_from_now_on(&headers, &message.to_string());
        let id = FIRST_ID.to_string();
        let mut places = client.sent.windows(id.len());
        let at = places.position(|place| place == id.as_bytes());
        client.id_at = at.expect("has an id");
        client
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn request(&mut self) {
        let mut id = &mut self.sent[self.id_at..];
        write!(id, "{}", self.next_id).expect("has room");
        self.next_id += 1;
        let length = self.exchange().await;
        let answer = &self.received[..length];
        let ok = answer.starts_with(b"HTTP/1.1 200 ") && contains(answer, br#""result":"#);
        assert!(ok, "{}", String::from_utf8_lossy(answer));
    }

    async fn initialize(&mut self) -> String {
        let client = json!({ "name": "cost", "version": "1" });
        let params = json!({ "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client });
        let message =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        self.send_from_now_on("", &message.to_string());
        let length = self.exchange().await;
        let answer = String::from_utf8_lossy(&self.received[..length]).into_owned();
        let mut headers = answer.lines().filter_map(|line| line.split_once(": "));
        let session = headers.find(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"));
        session.expect("a session").1.to_owned()
    }

    async fn make_task(&mut self) -> String {
        let call = Request::Later;
        let headers = modern_headers(call, call.name());
        self.send_from_now_on(&headers, &call.message().to_string());
        let length = self.exchange().await;
        let answer = String::from_utf8_lossy(&self.received[..length]).into_owned();
        let id = answer.split_once(r#""taskId":""#);
        let id = id.and_then(|(_, rest)| rest.split_once('"'));
        id.expect("a task").0.to_owned()
    }

    fn send_from_now_on(&mut self, headers: &str, body: &str) {
        let length = body.len();
        self.sent = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes();
    }

    /// Sends what is to be sent, and gives the length of the answer.
    async fn exchange(&mut self) -> usize {
        self.connection.write_all(&self.sent).await.expect("writes");
        let mut length = 0;
        loop {
            let read = self.connection.read(&mut self.received[length..]).await;
            let read = read.expect("reads");
            length += read;
            let answer = &self.received[..length];
            assert!(read > 0, "ended early: {}", String::from_utf8_lossy(answer));
            if is_whole(answer) {
                return length;
            }
        }
    }
}

fn modern_headers(request: Request, name: Option<&str>) -> String {
    let name = name.map_or_else(String::new, |name| format!("Mcp-Name: {name}\r\n"));
    let method = request.method();
    format!("MCP-Protocol-Version: {MODERN}\r\nMcp-Method: {method}\r\n{name}")
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(head) = position(answer, HEAD_END) else {
        return false;
    };
    let length = position(&answer[..head], b"content-length: ").map(|at| {
        let digits = &answer[at + 16..head];
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
        digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'))
    });
    match length {
        Some(length) => answer.len() >= head + HEAD_END.len() + length,
        None => answer.ends_with(LAST_CHUNK),
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    position(bytes, part).is_some()
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
