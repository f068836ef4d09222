//! The hostile corpus: malformed and forged messages in both eras, as tables of what is sent, the status and code that
//! the specification names, and what of it may reach a handler at all.
//!
//! Every table runs on a fleet behind a round robin whose workers log what reaches their handler. At its end nothing
//! may be left running, nothing may have reached a handler that no row names, no process may have logged an error,
//! and each must stop when it is told to.

mod batches;
mod depth;
mod envelope;
mod fields;
mod headers;
mod metadata;
mod methods;
mod raw_http;
mod rounds;
mod sessions;

use prynai_test_fixtures::witness;
use prynai_test_harness::client::{LEGACY, MODERN, RawClient, Reply, Session};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::eventually;
use reqwest::{Body, RequestBuilder};
use serde_json::{Value, json};

use Era::{Legacy, Modern};

/// The `_meta` of a modern request; a legacy one may have it but for its first member.
const MODERN_META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"raw","version":"1"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}"#;

/// The `params` of the call that every row spoils: as they are, `echo` answers.
const ECHO: &str = r#""name":"echo","arguments":{"text":"x"}"#;

/// What the witness logs of that call.
const REACHED_ECHO: &str = "tools/call echo";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Era {
    Legacy,
    Modern,
}

const BOTH_ERAS: [Era; 2] = [Legacy, Modern];

/// What is sent and what must come of it.
struct Row {
    what: String,
    request: RequestBuilder,
    /// The HTTP status, and the code of the JSON-RPC error if there is to be one.
    expected: (u16, Option<i64>),
    reaches: Option<&'static str>,
}

/// A row that is refused.
fn refused(what: impl Into<String>, request: RequestBuilder, status: u16, code: i64) -> Row {
    Row {
        what: what.into(),
        request,
        expected: (status, Some(code)),
        reaches: None,
    }
}

/// A row that is served, or taken without an answer.
fn taken(what: impl Into<String>, request: RequestBuilder, status: u16) -> Row {
    Row {
        what: what.into(),
        request,
        expected: (status, None),
        reaches: None,
    }
}

impl Row {
    /// The specification wants the handler to see it, or there is nothing wrong with it.
    fn reaching(mut self, call: &'static str) -> Self {
        self.reaches = Some(call);
        self
    }
}

/// One JSON-RPC request with the id 1.
fn request(era: Era, method: &str, params: &str) -> String {
    let meta = match era {
        Legacy => r#"{"progressToken":"p"}"#,
        Modern => MODERN_META,
    };
    request_with(method, params, meta)
}

fn request_with(method: &str, params: &str, meta: &str) -> String {
    let comma = if params.is_empty() { "" } else { "," };
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{params}{comma}"_meta":{meta}}}}}"#
    )
}

/// The call that every row spoils.
fn echo(era: Era) -> String {
    request(era, "tools/call", ECHO)
}

/// A fleet under attack.
struct Target {
    cluster: Cluster,
    client: RawClient,
    url: String,
    session: Session,
    deviations: Vec<String>,
    reached: Vec<String>,
    fences: usize,
}

impl Target {
    async fn start() -> Self {
        let fleet = Cluster::new().gateways(2).workers(2);
        let cluster = fleet.worker_binary("prynai-witness-worker").start().await;
        let (client, url) = (cluster.client.clone(), cluster.proxy());
        let session = client.open_session(&url).await;
        Self {
            cluster,
            client,
            url,
            session,
            deviations: Vec::new(),
            reached: Vec::new(),
            fences: 0,
        }
    }

    /// A POST with the headers that an honest request of this era has.
    fn post(
        &self,
        era: Era,
        method: &str,
        name: Option<&str>,
        body: impl Into<Body>,
    ) -> RequestBuilder {
        match (era, name) {
            (Legacy, _) => self.post_in(&self.session, body),
            (Modern, Some(name)) => self.post_modern(method, body).header("Mcp-Name", name),
            (Modern, None) => self.post_modern(method, body),
        }
    }

    fn post_in(&self, session: &Session, body: impl Into<Body>) -> RequestBuilder {
        let request = self.client.post(&self.url, body);
        let version = session.server["protocolVersion"].as_str();
        request
            .header("MCP-Protocol-Version", version.unwrap_or(LEGACY))
            .header("Mcp-Session-Id", &session.id)
    }

    fn post_modern(&self, method: &str, body: impl Into<Body>) -> RequestBuilder {
        let request = self.client.post(&self.url, body);
        request
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Method", method)
    }

    /// The spoiled call of `echo`, with the headers of the good one.
    fn call(&self, era: Era, body: impl Into<Body>) -> RequestBuilder {
        self.post(era, "tools/call", Some("echo"), body)
    }

    /// Sends row after row and notes what does not come as it must.
    async fn attack(&mut self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            let reply = self.client.send(row.request).await;
            self.judge(&row.what, reply, row.expected).await;
            self.reached.extend(row.reaches.map(str::to_owned));
        }
    }

    async fn judge(&mut self, what: &str, reply: Reply, expected: (u16, Option<i64>)) {
        let status = reply.status().as_u16();
        let answer = answer(reply).await;
        let code = answer["error"]["code"].as_i64();
        let well_formed = match status {
            202 => answer.is_null(),
            _ => answer["result"].is_object() || is_refusal(&answer),
        };
        if (status, code) != expected || !well_formed {
            self.deviation(format!(
                "{what}: {status} {answer:.300} instead of {expected:?}"
            ));
        }
    }

    fn deviation(&mut self, text: String) {
        self.deviations.push(text);
    }

    /// Looks at what is left of it all.
    async fn assert_unharmed(mut self) {
        self.cluster.assert_idle().await;
        let mut seen = self.seen().await;
        seen.sort();
        self.reached.sort();
        assert_eq!(self.deviations, Vec::<String>::new());
        assert_eq!(seen, self.reached, "what reached a handler");
        for process in self.cluster.processes() {
            process.signal("-TERM");
            assert!(process.ended().await.success());
            let said_all = |log: &Vec<String>| log.iter().any(|line| line.contains(r#""stopped""#));
            let log = eventually!(Some(process.log()).filter(said_all));
            let failures: Vec<_> = log.iter().filter(|line| is_failure(line)).collect();
            assert_eq!(failures, Vec::<&String>::new());
        }
    }

    /// What the handlers have seen until now, but for the fences: calls that a worker logs after everything before.
    async fn seen(&mut self) -> Vec<String> {
        self.fences += 1;
        let fence = format!("fence {}", self.fences);
        let body = request(Modern, "tools/call", ECHO).replace("\"x\"", &format!("\"{fence}\""));
        eventually!({
            let reply = self.client.send(self.call(Modern, body.clone())).await;
            assert_eq!(answer(reply).await["result"]["isError"], false);
            let passed = |process: &mut prynai_test_harness::process::Process| {
                process.log().iter().any(|line| line.contains(&fence))
            };
            let mut workers = self.cluster.processes().skip(2);
            workers.all(passed).then_some(())
        });
        let logs = self.cluster.processes().flat_map(|process| process.log());
        logs.filter_map(|line| witnessed(&line)).collect()
    }
}

/// The status of a request whose parameters are wrong: in a session it is an answer like any other.
fn refused_request(era: Era) -> u16 {
    match era {
        Legacy => 200,
        Modern => 400,
    }
}

/// The last message of an answer; `null` when there is none, as for a notification.
async fn answer(reply: Reply) -> Value {
    if reply.is_event_stream() {
        return reply.response().await;
    }
    let text = reply.text().await;
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Array(answers)) => answers.into_iter().next().unwrap_or_default(),
        Ok(answer) => answer,
        Err(_) => json!(null),
    }
}

/// An error response as JSON-RPC 2.0 (section 5.1) wants it.
fn is_refusal(answer: &Value) -> bool {
    let error = &answer["error"];
    let readable = error["message"]
        .as_str()
        .is_some_and(|text| text.len() > 10);
    answer["jsonrpc"] == "2.0" && readable && answer.get("result").is_none()
}

/// What a worker's log line says of a handler that was reached.
fn witnessed(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let arguments = line["arguments"].as_str().unwrap_or_default();
    let is_fence = arguments.contains("fence ");
    let is_seen = line["message"] == witness::SEEN && !is_fence;
    is_seen.then(|| line["call"].as_str().unwrap_or_default().to_owned())
}

/// An error, or a line that is no log line, such as a panic's.
fn is_failure(line: &str) -> bool {
    serde_json::from_str::<Value>(line).map_or(true, |line| line["level"] == "ERROR")
}
