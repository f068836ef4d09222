//! Signing in to Redis with tokens of Entra ID, which end while connections live.
//!
//! The Redis is real. Whoever gives out tokens is a stand-in that speaks as Azure's two endpoints do. With each token
//! it makes a user at Redis, and at the token's end it takes that user away, upon which Redis closes the connections
//! that are still signed in with it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::client::{legacy, long_running};
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use super::over_tls::tls_server;
use super::{Fleet, is_refused};

/// How long a token holds. The next one is asked for after half of it.
const LIFE: Duration = Duration::from_secs(10);

/// The secret with which the platform knows its process.
const HEADER: &str = "geheim-header";

const AWAY: &str = "Redis is away; waiting for it. If it is not, check --redis-url, and whether Redis speaks TLS there";

const NO_TOKEN: &str = "Entra ID gives this process no token for Redis; trying again";

/// What proves a pod.
const PROOF: &str = "geheim-proof";

/// Who gives out tokens.
struct EntraId {
    origin: String,
    shared: Arc<Shared>,
}

struct Shared {
    redis: Arc<RedisServer>,
    given: AtomicUsize,
    /// Users whose tokens hold.
    users: Mutex<HashSet<String>>,
    refuses: AtomicBool,
    /// Redis is not told of who gets a token.
    is_unknown: AtomicBool,
    /// Its tokens have ended when they come.
    is_late: AtomicBool,
}

#[derive(Deserialize)]
struct Asked {
    resource: String,
    #[serde(rename = "api-version")]
    api_version: String,
    client_id: Option<String>,
}

#[derive(Deserialize)]
struct Proven {
    grant_type: String,
    client_id: String,
    scope: String,
    client_assertion: String,
    client_assertion_type: String,
}

impl EntraId {
    async fn start(redis: Arc<RedisServer>) -> Self {
        let shared = Arc::new(Shared {
            redis,
            given: AtomicUsize::new(0),
            users: Mutex::default(),
            refuses: AtomicBool::new(false),
            is_unknown: AtomicBool::new(false),
            is_late: AtomicBool::new(false),
        });
        let router = Router::new()
            .route("/msi/token", get(managed))
            .route("/tenant/oauth2/v2.0/token", post(workload))
            .with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, shared }
    }

    /// What Container Apps tell a process with a managed identity.
    fn managed(&self) -> [(String, String); 2] {
        [
            (
                "IDENTITY_ENDPOINT".to_owned(),
                format!("{}/msi/token", self.origin),
            ),
            ("IDENTITY_HEADER".to_owned(), HEADER.to_owned()),
        ]
    }

    fn given(&self) -> usize {
        self.shared.given.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// A token, which holds for [`LIFE`].
    async fn token(self: &Arc<Self>, numbers_are_text: bool) -> Response {
        if self.refuses.load(Ordering::Relaxed) {
            let said =
                json!({"error": "invalid_request", "error_description": "Identity not found"});
            return (StatusCode::BAD_REQUEST, said.to_string()).into_response();
        }
        let number = self.given.fetch_add(1, Ordering::Relaxed);
        let user = format!("who-{number}");
        let claims = URL_SAFE_NO_PAD.encode(json!({"oid": user}).to_string());
        let token = format!("e30.{claims}.geheim{number}");
        let password = format!(">{token}");
        let rights = [
            "ACL", "SETUSER", &user, "on", &password, "~*", "&*", "+@all",
        ];
        if !self.is_unknown.load(Ordering::Relaxed) {
            let _: String = self.redis.command(&rights).await;
        }
        self.users.lock().expect("no panic").insert(user.clone());
        let shared = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(LIFE).await;
            shared.users.lock().expect("no panic").remove(&user);
            // Closes what is signed in with it.
            let _: i64 = shared.redis.command(&["ACL", "DELUSER", &user]).await;
        });
        let life = match self.is_late.load(Ordering::Relaxed) {
            true => 0,
            false => LIFE.as_secs(),
        };
        let answer = match numbers_are_text {
            true => json!({"access_token": token, "expires_in": life.to_string()}),
            false => json!({"access_token": token, "expires_in": life, "token_type": "Bearer"}),
        };
        answer.to_string().into_response()
    }
}

async fn managed(
    State(shared): State<Arc<Shared>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let is_right = headers
        .get("x-identity-header")
        .is_some_and(|header| header == HEADER)
        && asked.resource == "https://redis.azure.com"
        && asked.api_version == "2019-08-01"
        && asked.client_id.as_deref().is_none_or(|id| id == "client");
    match is_right {
        true => shared.token(true).await,
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn workload(State(shared): State<Arc<Shared>>, Form(proven): Form<Proven>) -> Response {
    let is_right = proven.grant_type == "client_credentials"
        && proven.client_id == "client"
        && proven.scope == "https://redis.azure.com/.default"
        && proven.client_assertion == PROOF
        && proven.client_assertion_type == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    match is_right {
        true => shared.token(false).await,
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}

/// How a process is told to sign in.
fn signing_in<'a>(url: &'a str, authority: &'a str) -> [&'a str; 6] {
    [
        "--redis-url",
        url,
        "--redis-ca",
        authority,
        "--redis-auth",
        "entra",
    ]
}

/// Who is signed in over TLS, which is how the fleet comes.
async fn signed_in(redis: &RedisServer, tls_port: &str) -> HashSet<String> {
    let clients: String = redis.command(&["CLIENT", "LIST"]).await;
    let fleet = clients
        .lines()
        .filter(|client| client.contains(&format!(":{tls_port} ")));
    let user = |client: &str| {
        let user = client
            .split(' ')
            .find_map(|part| part.strip_prefix("user="));
        user.expect("has a user").to_owned()
    };
    fleet.map(user).collect()
}

#[tokio::test]
async fn every_connection_outlives_the_token_that_it_began_with() {
    let certificates = Certificates::new();
    let (redis, url) = tls_server(&certificates, false).await;
    let redis = Arc::new(redis);
    let entra = EntraId::start(redis.clone()).await;
    let authority = certificates.authority_file();
    let args = signing_in(&url, &authority);
    let fleet = Fleet::start_with(&args, &entra.managed()).await;
    let session = fleet.client.open_session(&fleet.url()).await;
    let news = fleet.client.stream(&fleet.url(), &session, None).await;
    // Longer than two tokens hold.
    let call = legacy(1, "tools/call", long_running(120, 200));
    let running = fleet.client.legacy(&fleet.url(), &session, &call).await;
    let answer = running.response();
    let mut answer = std::pin::pin!(answer);
    let answer = loop {
        tokio::select! {
            answer = &mut answer => break answer,
            echoes = fleet.echoes() => assert!(echoes),
        }
    };
    assert!(answer["result"].is_object(), "{answer}");
    assert!(entra.given() >= 6, "{} tokens", entra.given());
    let (_, port) = url.rsplit_once(':').expect("a port");
    let users = signed_in(&redis, port).await;
    assert!(!users.is_empty());
    let holding = entra.shared.users.lock().expect("no panic").clone();
    assert!(users.is_subset(&holding), "{users:?} of {holding:?}");
    let log = fleet.log();
    assert!(!log.contains("lost"), "{log}");
    assert!(!log.contains("geheim"), "{log}");
    drop(news);
}

#[tokio::test]
async fn who_gives_no_token_is_named_and_asked_again() {
    let certificates = Certificates::new();
    let (redis, url) = tls_server(&certificates, false).await;
    let entra = EntraId::start(Arc::new(redis)).await;
    entra.shared.refuses.store(true, Ordering::Relaxed);
    let authority = certificates.authority_file();
    let proof = certificates.authority_file() + ".proof";
    std::fs::write(&proof, PROOF).expect("is written");
    let env = [
        ("AZURE_FEDERATED_TOKEN_FILE", proof.as_str()),
        ("AZURE_TENANT_ID", "tenant"),
        ("AZURE_CLIENT_ID", "client"),
        ("AZURE_AUTHORITY_HOST", &entra.origin),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let args = signing_in(&url, &authority);
    let mut worker = Process::start_with("prynai-worker", &args, &env).await;
    let line = worker.logged(NO_TOKEN).await;
    assert!(
        line["reason"].to_string().contains("Identity not found"),
        "{line}"
    );
    entra.shared.refuses.store(false, Ordering::Relaxed);
    worker.logged("ready").await;
    // Until no token holds any more.
    entra.shared.refuses.store(true, Ordering::Relaxed);
    worker
        .logged("the connection to Redis is lost; connecting again")
        .await;
    assert_eq!(worker.all_logged(NO_TOKEN).len(), 2);
    entra.shared.refuses.store(false, Ordering::Relaxed);
    worker.logged("connected to Redis again").await;
    let log = worker.log().join("\n");
    assert!(!log.contains("geheim"), "{log}");
}

#[tokio::test]
async fn an_identity_that_redis_does_not_know_yet_is_named_and_waited_for() {
    let certificates = Certificates::new();
    let (redis, url) = tls_server(&certificates, false).await;
    let entra = EntraId::start(Arc::new(redis)).await;
    entra.shared.is_unknown.store(true, Ordering::Relaxed);
    let authority = certificates.authority_file();
    let args = signing_in(&url, &authority);
    let mut worker = Process::start_with("prynai-worker", &args, &entra.managed()).await;
    let line = worker.logged(AWAY).await;
    let reason = line["reason"].to_string();
    assert!(
        reason.contains("identity who-0") && reason.contains("access policy"),
        "{line}"
    );
    assert!(!reason.contains("URL"), "{line}");
    entra.shared.is_unknown.store(false, Ordering::Relaxed);
    worker.logged("ready").await;
}

#[tokio::test]
async fn tokens_that_have_ended_when_they_come_are_named_and_not_asked_for_without_end() {
    let certificates = Certificates::new();
    let (redis, url) = tls_server(&certificates, false).await;
    let entra = EntraId::start(Arc::new(redis)).await;
    entra.shared.is_late.store(true, Ordering::Relaxed);
    let authority = certificates.authority_file();
    let args = signing_in(&url, &authority);
    let mut worker = Process::start_with("prynai-worker", &args, &entra.managed()).await;
    let line = worker.logged(AWAY).await;
    assert!(line["reason"].to_string().contains("clock"), "{line}");
    // Pauses of 50 ms at first, which double: without them there were hundreds by now.
    assert!(entra.given() < 50, "{} tokens", entra.given());
    entra.shared.is_late.store(false, Ordering::Relaxed);
    worker.logged("ready").await;
}

#[tokio::test]
async fn what_cannot_work_is_refused() {
    let entra = ["--redis-auth", "entra"];
    for (url, word) in [
        ("redis://127.0.0.1:1", "rediss"),
        ("rediss://user:geheim@127.0.0.1:1", "leave them out"),
        ("rediss://127.0.0.1:1", "IDENTITY_ENDPOINT"),
    ] {
        is_refused(
            "prynai-worker",
            &[&["--redis-url", url], &entra[..]].concat(),
            &[word],
        )
        .await;
    }
    is_refused("prynai-mcp", &entra, &["--redis-url"]).await;
    let stray = ["--redis-identity", "client"];
    is_refused("prynai-gateway", &stray, &["--redis-auth entra"]).await;
}

#[tokio::test]
async fn operators_sign_in_alike() {
    let certificates = Certificates::new();
    let (redis, url) = tls_server(&certificates, false).await;
    let entra = EntraId::start(Arc::new(redis)).await;
    let authority = certificates.authority_file();
    let args = signing_in(&url, &authority);
    let fleet = Fleet::start_with(&args, &entra.managed()).await;
    assert_eventually!(fleet.echoes().await);
    let identity = ["--redis-identity", "client"];
    let args = [&args[..], &identity[..], &["status"]].concat();
    let ended = Process::run_with("prynai-ops", &args, &entra.managed()).await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
}
