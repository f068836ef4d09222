//! Who may call: a fleet that takes the access tokens of an issuer of its own, and of nobody else.

mod attacks;
mod callers;
mod challenges;
mod enterprise;
mod facade;
mod issuer_faults;
mod oidc;
pub(super) mod secrecy;
mod streams;

use std::collections::HashMap;

use prynai_dev_issuer::{API, Issuer};
use prynai_test_harness::client::{RawClient, Reply, modern, tool};
use prynai_test_harness::cluster::{Cluster, QUEUE};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

/// A fleet behind an issuer; what calls needs the scope `mcp.call` or the role `Mcp.Call`.
struct Guarded {
    issuer: Issuer,
    fleet: Cluster,
    url: String,
}

impl Guarded {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further arguments of the gateway.
    async fn start_with(further: &[&str]) -> Self {
        let issuer = Issuer::start().await;
        let fleet = Cluster::new().gateway_args(&trusting(&issuer));
        let fleet = fleet.gateway_args(further).start().await;
        let url = fleet.gateway(0);
        Self { issuer, fleet, url }
    }

    /// A call that tells whom the server takes its caller for, not sent yet.
    fn call(&self) -> RequestBuilder {
        whoami(&self.fleet.client, &self.url)
    }

    async fn call_with(&self, token: &str) -> Reply {
        let request = self.call().bearer_auth(token);
        self.fleet.client.send(request).await
    }

    async fn caller(&self, token: &str) -> Value {
        let reply = self.call_with(token).await;
        assert_eq!(reply.status(), 200);
        reply.response().await["result"]["structuredContent"].clone()
    }

    /// How many requests were ever queued.
    async fn queued(&self) -> i64 {
        let info: HashMap<String, redis::Value> =
            self.fleet.redis.command(&["XINFO", "STREAM", QUEUE]).await;
        redis::from_redis_value(info["entries-added"].clone()).expect("is a number")
    }
}

fn whoami(client: &RawClient, url: &str) -> RequestBuilder {
    client.modern_request(url, &modern(1, "tools/call", tool("whoami", json!({}))))
}

/// The arguments of a gateway that trusts an issuer.
pub(super) fn trusting(issuer: &Issuer) -> Vec<&'static str> {
    let base = issuer.base_url();
    let flags = format!(
        "--auth entra --auth-tenant {} --auth-audience {API} --auth-scope mcp.call --auth-role Mcp.Call \
         --auth-authority {base} --auth-authority-v1 {base}",
        issuer.tenant()
    );
    // For the time of the test process.
    flags.leak().split_whitespace().collect()
}

/// A request was refused: with this status, in words, and with a challenge that names this error.
async fn assert_refused(reply: Reply, status: u16, error: Option<&str>) -> Value {
    assert_eq!(reply.status(), status);
    let challenge = reply.headers()["www-authenticate"].to_str().expect("ASCII");
    let challenge = challenge.to_owned();
    assert!(challenge.starts_with("Bearer "), "{challenge}");
    match error {
        Some(error) => assert!(
            challenge.contains(&format!("error=\"{error}\"")),
            "{challenge}"
        ),
        None => assert!(!challenge.contains("error="), "{challenge}"),
    }
    assert!(
        challenge.contains("/.well-known/oauth-protected-resource/mcp\""),
        "{challenge}"
    );
    let body = reply.json().await;
    assert_eq!(body["jsonrpc"], "2.0", "{body}");
    assert_eq!(body["error"]["code"], -32600, "{body}");
    body["error"].clone()
}
