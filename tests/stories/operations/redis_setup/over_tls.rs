//! Redis over TLS: how it is trusted, and how a process shows who it is.

use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::sentinels::Sentinels;
use prynai_test_redis::server::{RedisServer, free_port};

use super::{BINARIES, Fleet, is_refused};

/// A server that speaks TLS with a certificate of this authority, and its URL.
pub(super) async fn tls_server(
    certificates: &Certificates,
    asks_for_certificates: bool,
) -> (RedisServer, String) {
    let (server, port) = tls_server_at(certificates, asks_for_certificates).await;
    (server, format!("rediss://127.0.0.1:{port}"))
}

/// The same, and its port for TLS, which is also what it tells the master that it replicates.
async fn tls_server_at(
    certificates: &Certificates,
    asks_for_certificates: bool,
) -> (RedisServer, u16) {
    let [cert, key] = certificates.files(&certificates.issue());
    let tls_port = free_port();
    let port = tls_port.to_string();
    let authority = certificates.authority_file();
    let clients = if asks_for_certificates { "yes" } else { "no" };
    let args = [
        ["--tls-port", &port],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &authority],
        ["--tls-auth-clients", clients],
        ["--replica-announce-port", &port],
    ];
    let server = RedisServer::start_with(args.as_flattened()).await;
    (server, tls_port)
}

#[tokio::test]
async fn redis_over_tls_is_trusted_by_a_file_or_by_the_system() {
    let certificates = Certificates::new();
    let (server, url) = tls_server(&certificates, false).await;
    for binary in BINARIES {
        is_refused(
            binary,
            &["--redis-url", &url],
            &["UnknownIssuer", "--redis-ca"],
        )
        .await;
    }
    let authority = certificates.authority_file();
    let fleet = Fleet::start(&["--redis-url", &url, "--redis-ca", &authority]).await;
    assert!(fleet.echoes().await);

    // This is where the system's store is looked for first.
    let system = [("SSL_CERT_FILE".to_owned(), authority.clone())];
    let mut worker = Process::start_with("prynai-worker", &["--redis-url", &url], &system).await;
    worker.logged("ready").await;

    let args = ["--redis-url", &server.url(), "--redis-ca", &authority];
    is_refused("prynai-gateway", &args, &["--redis-ca", "rediss"]).await;
}

#[tokio::test]
async fn a_process_shows_its_certificate_to_redis_and_a_renewed_one_later() {
    let certificates = Certificates::new();
    let (server, url) = tls_server(&certificates, true).await;
    let authority = certificates.authority_file();
    let trust = ["--redis-url", &url, "--redis-ca", &authority];
    is_refused("prynai-worker", &trust, &["--redis-cert"]).await;
    let [cert, key] = certificates.files(&certificates.issue());
    let half = [&trust[..], &["--redis-cert", &cert]].concat();
    is_refused("prynai-worker", &half, &["--redis-key"]).await;
    let own = [&trust[..], &["--redis-cert", &cert, "--redis-key", &key]].concat();
    let fleet = Fleet::start(&own).await;
    assert!(fleet.echoes().await);

    // A stranger's certificate in the same files, and then one of the authority again.
    let stranger = Certificates::new().issue();
    let renewed = certificates.issue();
    let exchange = |with: &prynai_test_harness::certificates::Issued| {
        std::fs::write(&cert, &with.certificate).expect("is written");
        std::fs::write(&key, &with.key).expect("is written");
    };
    exchange(&stranger);
    let _: i64 = server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eventually!(fleet.reason().await.is_some());
    exchange(&renewed);
    assert_eventually!(fleet.reason().await.is_none());
    assert_eventually!(fleet.echoes().await);
}

#[tokio::test]
async fn the_master_is_followed_over_tls() {
    let certificates = Certificates::new();
    let (mut master, port) = tls_server_at(&certificates, false).await;
    let (replica, _) = tls_server_at(&certificates, false).await;
    let plain = master.port().to_string();
    let _: String = replica.command(&["REPLICAOF", "127.0.0.1", &plain]).await;
    replica.follows().await;

    let [cert, key] = certificates.files(&certificates.issue());
    let authority = certificates.authority_file();
    let sentinels = Sentinels::watch_over_tls(port, [&cert, &key, &authority]).await;
    let url = sentinels.url();
    is_refused("prynai-gateway", &["--redis-url", &url], &["UnknownIssuer"]).await;
    let fleet = Fleet::start(&["--redis-url", &url, "--redis-ca", &authority]).await;
    assert!(fleet.echoes().await);
    master.stop();
    assert_eventually!(replica.is_replicated("role:master").await);
    assert_eventually!(fleet.reason().await.is_none());
    assert_eventually!(fleet.echoes().await);
}
