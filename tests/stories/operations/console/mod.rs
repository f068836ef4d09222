//! What operators see and do in a browser: the console on the administration port.

mod access;
mod bounds;
mod changes;
mod hostile;
mod looking;
mod rights;

use prynai_bus::ids::GatewayId;
use prynai_bus::testing::{json, modern_request};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_test_harness::client::{RawClient, Reply};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_harness::process::Process;
use prynai_test_redis::server::RedisServer;

/// On a port of its own.
const ADMIN: [&str; 2] = ["--admin-listen", "127.0.0.1:0"];

const TOKEN: &str = "the token of the operators of this test";

const DEAD: &str = "prynai:{main.0}:dead";

/// A fleet whose gateway has a console that changes things.
fn writing() -> ClusterPlan {
    let gateway = [&ADMIN[..], &["--admin-write"]].concat();
    let token = ("PRYNAI_ADMIN_TOKEN".to_owned(), TOKEN.to_owned());
    Cluster::new().gateway_args(&gateway).gateway_env(&[token])
}

/// Where a process has its administration port.
async fn admin(process: &mut Process) -> String {
    let metrics = process.metrics_url().await;
    metrics.trim_end_matches("/metrics").to_owned()
}

/// Asks for a page as somebody who knows the token.
async fn get(client: &RawClient, url: &str) -> Reply {
    let request = client.request("GET", url).basic_auth("me", Some(TOKEN));
    client.send(request).await
}

/// A page that there is.
async fn page(client: &RawClient, url: &str) -> String {
    let reply = get(client, url).await;
    let status = reply.status();
    let text = reply.text().await;
    assert_eq!(status, 200, "{url}: {text}");
    text
}

/// The value of a hidden field of the one form of a page.
fn hidden(page: &str, name: &str) -> String {
    let begin = format!(r#"name="{name}" value=""#);
    let rest = page.split(&begin).nth(1);
    let value = rest.and_then(|rest| rest.split('"').next());
    value
        .unwrap_or_else(|| panic!("no {name}: {page}"))
        .to_owned()
}

/// Puts a request aside as a worker does, and gives the name of the letter.
async fn put_aside(redis: &RedisServer, request: &RequestEnvelope, reason: &str) -> String {
    let fields = request.to_fields().expect("can be written");
    let mut add = vec!["XADD", DEAD, "*", "entry", "12-0", "reason", reason];
    add.extend(fields.iter().flat_map(|(name, value)| [*name, &**value]));
    redis.command::<String>(&add).await
}

/// A request of alice that a worker can run.
fn add() -> RequestEnvelope {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2},
        "_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
        "io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    RequestEnvelope {
        method: "tools/call".to_owned(),
        name: Some("add".to_owned()),
        principal: Principal::named("alice"),
        message: json(&message.replace('\n', "")),
        ..modern_request(&GatewayId::generate())
    }
}
