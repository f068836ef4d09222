//! What belongs to one principal is nothing to another: not refused, but unknown.
//!
//! The gateway knows every caller here as the anonymous one; the owner's things are put on the bus as another gateway
//! would have.

use std::sync::Arc;

use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::testing;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::session::{Session, SessionChange};
use prynai_bus::{BusLimits, ChangeFeed, EventLog, FeedPosition, LogPage, SessionStore};
use prynai_redis_bus::RedisBus;
use prynai_test_harness::client::{RawClient, Reply, answering, legacy, notification, tool};
use prynai_test_harness::cluster::Cluster;
use reqwest::RequestBuilder;
use serde_json::json;

/// Somebody else's session, with a call that runs in it.
struct Owned {
    bus: Arc<RedisBus>,
    session: SessionId,
    stream: StreamId,
    feed: FeedPosition,
}

/// All that a client sees of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Owned {
    async fn new(cluster: &Cluster, version: &str) -> Self {
        let url = cluster.redis.url().parse().expect("a URL");
        let bus = RedisBus::connect(&url, "prynai:", BusLimits::default()).await;
        let bus = bus.expect("connects");
        let session = Session {
            principal: Principal::named("somebody else"),
            protocol_version: version.to_owned(),
            ..testing::session(&SessionId::generate())
        };
        bus.create_session(&session).await.expect("is created");
        let subscribe = SessionChange::Subscribe("test://static/1".to_owned());
        let subscribed = bus.change_session(&session.id, &subscribe).await;
        assert!(subscribed.expect("is changed"));
        let holder = GatewayId::from("gw-owner");
        let (id, stream) = (&session.id, StreamId::generate());
        let opened = bus.open_log(&stream, &holder, Some(id), Era::Legacy).await;
        opened.expect("is opened");
        Self {
            session: session.id,
            stream,
            feed: bus.newest_change().await.expect("is known"),
            bus,
        }
    }

    /// Everything there is of it; `PTTL` apart, which only ever falls.
    async fn state(&self, cluster: &Cluster) -> (Vec<Vec<String>>, Option<LogPage>, FeedPosition) {
        let mut stored = Vec::new();
        for part in ["session", "state"] {
            let key = self.key(part);
            let mut fields: Vec<String> = cluster.redis.command(&["HGETALL", &key]).await;
            fields.sort();
            stored.push(fields);
        }
        let calls = ["ZRANGE", "prynai:{main.0}:calls", "0", "-1"];
        stored.push(cluster.redis.command(&calls).await);
        let log = self.bus.read_log(&self.stream, Some(&self.session), 0);
        let newest = self.bus.newest_change().await;
        (
            stored,
            log.await.expect("is read"),
            newest.expect("is known"),
        )
    }

    async fn life(&self, cluster: &Cluster) -> i64 {
        cluster.redis.command(&["PTTL", &self.key("session")]).await
    }

    fn key(&self, part: &str) -> String {
        format!("prynai:{{main.0}}:{part}:{}", self.session)
    }
}

impl Seen {
    async fn of(reply: Reply) -> Self {
        let headers = reply.headers().iter();
        let headers = headers.filter(|(name, _)| *name != "date");
        let text = |value: &reqwest::header::HeaderValue| value.to_str().expect("text").to_owned();
        Self {
            status: reply.status().as_u16(),
            headers: headers.map(|(n, v)| (n.to_string(), text(v))).collect(),
            body: reply.text().await,
        }
    }
}

/// What one can say with the id of a session and of a stream.
fn everything(client: &RawClient, url: &str, stream: &str, feed: &str) -> Vec<RequestBuilder> {
    let posted = [
        legacy(1, "tools/call", tool("bump_counter", json!({}))),
        legacy(1, "logging/setLevel", json!({ "level": "loud" })),
        legacy(1, "ping", json!({})),
        legacy(1, "logging/setLevel", json!({ "level": "error" })),
        legacy(
            1,
            "resources/subscribe",
            json!({ "uri": "test://static/2" }),
        ),
        legacy(
            1,
            "resources/unsubscribe",
            json!({ "uri": "test://static/1" }),
        ),
        notification("notifications/cancelled", json!({ "requestId": 1 })),
        notification(
            "notifications/progress",
            json!({ "progressToken": format!("{stream}.1.0"), "progress": 1 }),
        ),
        notification("no/such", json!({})),
        answering(&json!(format!("{stream}.1.0")), json!({})),
        json!([
            legacy(1, "ping", json!({})),
            notification("no/such", json!({}))
        ]),
    ];
    let posts = posted.iter().map(|body| client.post(url, body.to_string()));
    let place = |id: &str| {
        let get = client.request("GET", url);
        get.header("Accept", "text/event-stream")
            .header("Last-Event-ID", id)
    };
    let get = client
        .request("GET", url)
        .header("Accept", "text/event-stream");
    let delete = client.request("DELETE", url);
    let places = [
        format!("{stream}-0"),
        format!("{stream}-1"),
        format!("feed-{feed}"),
    ];
    let gets = places.iter().map(|id| place(id));
    posts.chain(gets).chain([get, delete]).collect()
}

#[tokio::test]
async fn the_session_of_another_looks_like_none() {
    // A stranger who does not count as one would soon be told so by this.
    let limits = ["--caller-streams", "1", "--caller-limit", "1"];
    let cluster = Cluster::new().gateway_args(&limits).start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    for version in ["2025-11-25", "2025-03-26"] {
        let owned = Owned::new(&cluster, version).await;
        let before = owned.state(&cluster).await;
        let life = owned.life(&cluster).await;
        let (stream, feed) = (owned.stream.to_string(), owned.feed.to_string());
        let nobody = SessionId::generate();
        let twins = everything(client, &url, &stream, &feed)
            .into_iter()
            .zip(everything(client, &url, &stream, &feed));
        for (foreign, unknown) in twins {
            let what = format!("{foreign:?}");
            let foreign = foreign.header("Mcp-Session-Id", owned.session.as_str());
            let foreign = Seen::of(client.send(foreign).await).await;
            let unknown = unknown.header("Mcp-Session-Id", nobody.as_str());
            let unknown = Seen::of(client.send(unknown).await).await;
            assert_eq!(foreign, unknown, "{what}");
            assert_eq!(foreign.status, 404, "{what}");
        }
        assert_eq!(owned.state(&cluster).await, before);
        assert!(
            owned.life(&cluster).await <= life,
            "its idle time was restarted"
        );
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn the_streams_of_another_are_unknown_in_a_session_of_ones_own() {
    let cluster = Cluster::new().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let owned = Owned::new(&cluster, "2025-11-25").await;
    let before = owned.state(&cluster).await;
    let own = client.open_session(&url).await;
    let (foreign, unknown) = (owned.stream, StreamId::generate());
    let seen = async |request: RequestBuilder| {
        let request = request.header("Mcp-Session-Id", &own.id);
        Seen::of(client.send(request).await).await
    };
    for offset in [0, 1, 7] {
        let resume = |stream: StreamId| {
            let get = client
                .request("GET", &url)
                .header("Accept", "text/event-stream");
            get.header("Last-Event-ID", format!("{stream}-{offset}"))
        };
        let (foreign, unknown) = (seen(resume(foreign)).await, seen(resume(unknown)).await);
        assert_eq!(foreign, unknown);
        // Not 404, which would tell the client that its own session has ended.
        assert_eq!(foreign.status, 405, "{foreign:?}");
    }
    let said = |stream: StreamId| {
        [
            answering(&json!(format!("{stream}.1.0")), json!({})),
            notification(
                "notifications/progress",
                json!({"progressToken": format!("{stream}.1.0"), "progress": 1}),
            ),
            notification("notifications/cancelled", json!({"requestId": 1})),
        ]
    };
    for (foreign, unknown) in said(foreign).into_iter().zip(said(unknown)) {
        let foreign = seen(client.post(&url, foreign.to_string())).await;
        let unknown = seen(client.post(&url, unknown.to_string())).await;
        assert_eq!(foreign, unknown);
    }
    let (stored, log, _) = owned.state(&cluster).await;
    assert_eq!((stored, log), (before.0, before.1));
    cluster.assert_idle().await;
}
