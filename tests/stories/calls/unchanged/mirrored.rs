//! A fleet whose handler is the mirror, and a client of both eras that writes its messages by hand.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use prynai_bus::wire::request::Era;
use prynai_test_harness::client::{MODERN, Session};
use prynai_test_harness::cluster::Cluster;
use reqwest::RequestBuilder;
use tokio::runtime::Runtime;

use super::exact::{Exact, member};

pub(crate) const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

pub(crate) struct Mirrored {
    pub(crate) cluster: Cluster,
    session: Session,
}

/// A request in parts, each of them JSON as text.
#[derive(Clone)]
pub(crate) struct Said {
    pub(crate) id: String,
    pub(crate) method: String,
    /// Members of `params`.
    pub(crate) params: String,
    /// Members of `_meta`.
    pub(crate) meta: String,
}

/// Holds a property against a fleet. The cases are the same every time: only a change can make them fail.
pub(crate) fn holds<S: Strategy>(
    cases: u32,
    strategy: S,
    property: impl AsyncFn(&Mirrored, S::Value),
) where
    S::Value: Clone,
{
    let runtime = Runtime::new().expect("a runtime");
    let mirrored = runtime.block_on(Mirrored::start());
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        max_shrink_iters: 500,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy, |case| {
        runtime.block_on(property(&mirrored, case));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    // What belongs to the runtime ends in it.
    runtime.block_on(async { drop(mirrored) });
}

pub(crate) fn said(id: &str, method: &str, params: &str) -> Said {
    Said {
        id: id.to_owned(),
        method: method.to_owned(),
        params: params.to_owned(),
        meta: String::new(),
    }
}

/// Members of an object, of which some parts may be empty.
pub(crate) fn joined<'a>(members: impl IntoIterator<Item = &'a str>) -> String {
    let members: Vec<&str> = members
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    members.join(",")
}

impl Said {
    /// The message as it is sent.
    pub(crate) fn message(&self, era: Era) -> String {
        let required = match era {
            Era::Legacy => "",
            Era::Modern => {
                r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#
            }
        };
        let meta = format!(r#""_meta":{{{}}}"#, joined([required, self.meta.as_str()]));
        let params = joined([meta.as_str(), self.params.as_str()]);
        let (id, method) = (&self.id, &self.method);
        // An empty id stands for a notification.
        let id = if id.is_empty() {
            String::new()
        } else {
            format!(r#""id":{id},"#)
        };
        format!(r#"{{"jsonrpc":"2.0",{id}"method":"{method}","params":{{{params}}}}}"#)
    }
}

impl Mirrored {
    async fn start() -> Self {
        let cluster = Cluster::new().worker_binary("prynai-mirror-worker");
        let cluster = cluster.start().await;
        let session = cluster.client.open_session(&cluster.gateway(0)).await;
        Self { cluster, session }
    }

    /// A message to be sent.
    pub(crate) fn post(&self, era: Era, said: &Said) -> RequestBuilder {
        let client = &self.cluster.client;
        let request = client.post(&self.cluster.gateway(0), said.message(era));
        let request = match era {
            Era::Legacy => request.header("Mcp-Session-Id", &self.session.id),
            Era::Modern => request
                .header("MCP-Protocol-Version", MODERN)
                .header("Mcp-Method", &said.method),
        };
        match member(&format!("{{{}}}", said.params), "name") {
            Some(name) if era == Era::Modern => request.header("Mcp-Name", name.trim_matches('"')),
            _ => request,
        }
    }

    /// Every message of the answer as it was sent.
    pub(crate) async fn messages(&self, era: Era, said: &Said) -> Vec<String> {
        let reply = self.cluster.client.send(self.post(era, said)).await;
        reply.texts().await
    }

    /// The response as it was sent.
    pub(crate) async fn response(&self, era: Era, said: &Said) -> String {
        let mut messages = self.messages(era, said).await;
        messages.pop().expect("a response")
    }

    /// The `result` of the response.
    pub(crate) async fn result(&self, era: Era, said: &Said) -> Exact {
        let response = self.response(era, said).await;
        let result = member(&response, "result");
        Exact::parse(&result.unwrap_or_else(|| panic!("no result: {response}")))
    }
}
