//! HTTPS at the gateway's own port: versions, renewal of the certificate, and peers that never get to speak HTTP.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::client::{RawClient, legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_harness::raw_tcp::until_closed;
use prynai_test_redis::{assert_eventually, eventually};
use reqwest::{Certificate, ClientBuilder, StatusCode, Version, tls};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

/// How long the gateway may take to be rid of a peer: its own timeout is 10 s.
const GIVEN_UP: Duration = Duration::from_secs(90);

const RENEWED: &str = "the certificate was renewed";
const KEPT: &str = "the new certificate cannot be used; the old one is kept";

/// A call that speaks every 100 ms.
fn slow(steps: u32) -> Value {
    long_running(steps, 100)
}

/// What the other side says until it closes, after it was told this.
async fn said(address: SocketAddr, told: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("connects");
    stream.write_all(told).await.expect("is written");
    let said = until_closed(&mut stream, GIVEN_UP).await;
    said.expect("the gateway waits for a peer that says nothing")
}

#[tokio::test]
async fn both_eras_are_served_over_every_version() {
    let (certificates, issued) = Certificates::mounted();
    let cluster = Cluster::new().gateways(2).tls(&certificates).start().await;
    let http1 = |client: ClientBuilder| client.http1_only();
    let http2 = |client: ClientBuilder| client;
    type Build = fn(ClientBuilder) -> ClientBuilder;
    let versions: [(Build, Version); 2] = [(http1, Version::HTTP_11), (http2, Version::HTTP_2)];
    for tls_version in [tls::Version::TLS_1_2, tls::Version::TLS_1_3] {
        for (build, version) in versions {
            let client = build(certificates.trusted());
            let client = client
                .tls_version_min(tls_version)
                .tls_version_max(tls_version);
            let client = RawClient::of(client);
            let call = modern(1, "tools/call", tool("add", json!({ "a": 2, "b": 40 })));
            let reply = client.modern(&cluster.gateway(0), &call).await;
            assert_eq!(reply.version(), version);
            assert_eq!(reply.certificate(), issued.der);
            let answer = reply.response().await;
            assert_eq!(answer["result"]["structuredContent"]["sum"], 42, "{answer}");

            let session = client.open_session(&cluster.gateway(0)).await;
            let call = legacy(2, "tools/call", slow(3));
            let reply = client.legacy(&cluster.gateway(1), &session, &call).await;
            let messages = reply.events().rest().await;
            let progress = messages
                .iter()
                .filter(|message| message["method"] == "notifications/progress");
            assert_eq!(progress.count(), 3, "{messages:?}");
        }
    }
    cluster.assert_idle().await;
}

/// A ClientHello of TLS 1.1 (RFC 4346, section 7.4.1.2) with two cipher suites, and the signature algorithms that
/// later versions want to know first.
fn client_hello_of_tls_1_1() -> Vec<u8> {
    let mut hello = vec![3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0, 4, 0xc0, 0x13, 0, 0x2f, 1, 0]);
    hello.extend([0, 8, 0, 13, 0, 4, 0, 2, 4, 3]);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4];
    record.extend([1, 0, 0, hello.len() as u8]);
    record.extend(hello);
    record
}

#[tokio::test]
async fn what_is_not_tls_as_of_1_2_is_refused_in_its_own_words() {
    let (certificates, _) = Certificates::mounted();
    let cluster = Cluster::new().tls(&certificates).start().await;
    let address = cluster.address(0);

    let alert = said(address, &client_hello_of_tls_1_1()).await;
    // An alert, fatal: protocol_version (RFC 8446, section 6.2).
    assert_eq!((alert[0], &alert[5..]), (21, &[2, 70][..]), "{alert:?}");

    let begin = format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Length: 9\r\n\r\n");
    for plain in [begin.as_bytes(), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let answer = String::from_utf8(said(address, plain).await).expect("is text");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert!(answer.contains("https://"), "{answer}");
        let (head, body) = answer.split_once("\r\n\r\n").expect("has a body");
        let length = format!("Content-Length: {}", body.len());
        assert!(head.contains(&length), "{answer}");
    }
    for nonsense in [
        &b"\x00\x01\x02\x03"[..],
        b"\x16\x03\x01\xff\xff\xff",
        b"ssh",
    ] {
        let answer = said(address, nonsense).await;
        assert!(answer.first().is_none_or(|kind| *kind == 21), "{answer:?}");
    }
    let discover = modern(1, "server/discover", json!({}));
    let served = cluster.client.modern(&cluster.gateway(0), &discover).await;
    assert_eq!(served.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_renewed_certificate_is_served_and_open_streams_go_on() {
    let (certificates, first) = Certificates::mounted();
    let mut cluster = Cluster::new().tls(&certificates).start().await;
    let url = cluster.gateway(0);
    let http1 = RawClient::of(certificates.trusted().http1_only());
    let http2 = RawClient::of(certificates.trusted());
    let mut open = Vec::new();
    for client in [&http1, &http2] {
        let session = client.open_session(&url).await;
        let call = legacy(1, "tools/call", slow(1_000));
        let reply = client.legacy(&url, &session, &call).await;
        assert_eq!(reply.certificate(), first.der);
        let mut events = reply.events();
        events.expect("notifications/progress").await;
        open.push((client, session, events));
    }
    let second = certificates.issue();
    certificates.mount(&second.certificate, &second.key);
    cluster.gateway_process(0).logged(RENEWED).await;
    let discover = modern(2, "server/discover", json!({}));
    for begun in [certificates.trusted().http1_only(), certificates.trusted()] {
        let reply = RawClient::of(begun).modern(&url, &discover).await;
        assert_eq!(reply.certificate(), second.der);
    }
    for (client, session, mut events) in open {
        // What was on its way while the certificate changed, and more.
        for _ in 0..20 {
            events.expect("notifications/progress").await;
        }
        client.end_session(&url, &session).await;
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_renewal_that_cannot_be_used_keeps_the_old_certificate() {
    let (certificates, first) = Certificates::mounted();
    let mut cluster = Cluster::new().tls(&certificates).start().await;
    let url = cluster.gateway(0);
    let second = certificates.issue();
    let half = &second.certificate[..second.certificate.len() / 2];
    let broken = [
        (half, second.key.as_str(), "holds no certificate"),
        (&second.certificate, &first.key, "does not belong"),
        (&second.certificate, "", "holds no private key"),
    ];
    let discover = modern(1, "server/discover", json!({}));
    for (number, (certificate, key, reason)) in broken.into_iter().enumerate() {
        certificates.mount(certificate, key);
        let told = eventually!({
            let told = cluster.gateway_process(0).all_logged(KEPT);
            (told.len() > number).then_some(told)
        });
        let error = told[number]["error"].as_str().expect("is text");
        assert!(error.contains(reason), "{error}");
        // On a connection of its own.
        let reply = RawClient::of(certificates.trusted())
            .modern(&url, &discover)
            .await;
        assert_eq!(reply.certificate(), first.der);
    }
    certificates.mount(&second.certificate, &second.key);
    cluster.gateway_process(0).logged(RENEWED).await;
    let reply = RawClient::of(certificates.trusted())
        .modern(&url, &discover)
        .await;
    assert_eq!(reply.certificate(), second.der);
    let told = cluster.gateway_process(0).all_logged(KEPT);
    assert_eq!(told.len(), broken.len(), "{told:?}");
    let log = cluster.gateway_process(0).log().join("\n");
    assert!(!log.contains("PRIVATE KEY"), "{log}");
}

#[tokio::test]
async fn a_client_without_a_handshake_is_closed_and_holds_nobody_up() {
    let (certificates, _) = Certificates::mounted();
    let cluster = Cluster::new()
        .tls(&certificates)
        .gateway_args(&["--max-connections", "4"])
        .start()
        .await;
    let address = cluster.address(0);
    let live = format!("{}/livez", cluster.origin(0));
    let status = async || {
        let request = cluster.client.request("GET", &live);
        request.send().await.map(|reply| reply.status()).ok()
    };
    let mut silent = Vec::new();
    for told in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01"] {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        stream.write_all(told).await.expect("is written");
        silent.push(stream);
    }
    assert_eventually!(status().await == Some(StatusCode::OK));
    // It takes a place from the first byte on; one too many is closed without a word that it could read.
    assert_eventually!({
        // Not all of them find a place: that of the last look may not be free yet.
        silent.push(TcpStream::connect(address).await.expect("connects"));
        status().await.is_none()
    });
    let mut one_too_many = TcpStream::connect(address).await.expect("connects");
    let mut told = Vec::new();
    let read = one_too_many.read_to_end(&mut told).await;
    assert!(read.is_ok() && told.is_empty(), "{read:?} {told:?}");

    for mut stream in silent {
        let ended = until_closed(&mut stream, GIVEN_UP).await;
        ended.expect("the gateway waits for a handshake");
    }
    assert_eventually!(status().await == Some(StatusCode::OK));
}

#[tokio::test]
async fn a_stop_ends_streams_in_order_and_waits_for_no_handshake() {
    let (certificates, _) = Certificates::mounted();
    let mut cluster = Cluster::new()
        .tls(&certificates)
        .gateway_args(&["--drain-timeout", "8s", "--stop-delay", "0s"])
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let session = client.open_session(&url).await;
    let call = legacy(1, "tools/call", slow(1_000));
    let mut events = client.legacy(&url, &session, &call).await.events();
    events.expect("notifications/progress").await;
    let silent = TcpStream::connect(cluster.address(0))
        .await
        .expect("connects");
    // Connections are accepted in their order, so that one has been.
    client
        .get_json(&format!("{}/livez", cluster.origin(0)))
        .await;

    cluster.gateway_process(0).signal("-TERM");
    let mut last = None;
    while let Some(frame) = events.frame().await {
        last = Some(frame);
    }
    let last = last.expect("a frame");
    assert!(last.retry.is_some(), "{last:?}");
    assert!(cluster.gateway_process(0).ended().await.success());
    let log = cluster.gateway_process(0).log().join("\n");
    assert!(!log.contains("grace period over"), "{log}");
    drop(silent);
}

#[tokio::test]
async fn one_process_serves_https_as_well() {
    let (certificates, issued) = Certificates::mounted();
    let args = certificates.args();
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    args.extend(["--listen", "127.0.0.1:0"]);
    let mut process = Process::start("prynai-mcp", &args).await;
    let url = format!("https://{}/mcp", process.address().await);
    let client = RawClient::of(certificates.trusted());
    let call = modern(1, "tools/call", tool("add", json!({ "a": 2, "b": 40 })));
    let reply = client.modern(&url, &call).await;
    assert_eq!(reply.certificate(), issued.der);
    let answer = reply.response().await;
    assert_eq!(answer["result"]["structuredContent"]["sum"], 42, "{answer}");
    assert!(process.log().join("\n").contains(&url));
}

#[tokio::test]
async fn certificate_and_key_are_checked_at_the_start() {
    let (certificates, first) = Certificates::mounted();
    let other = certificates.issue();
    let [cert, cert_file, key, key_file] = certificates.args();
    for binary in ["prynai-gateway", "prynai-mcp"] {
        for (args, reason) in [
            (vec![&cert, &cert_file], "belong together"),
            (vec![&key, &key_file], "belong together"),
            (
                vec![&cert, &key_file, &key, &key_file],
                "holds no certificate",
            ),
        ] {
            let args: Vec<&str> = args.into_iter().map(String::as_str).collect();
            assert_refused(binary, &args, reason).await;
        }
        let all = [&cert, &cert_file, &key, &key_file].map(String::as_str);
        certificates.mount(&first.certificate, &other.key);
        assert_refused(binary, &all, "does not belong").await;
        let nowhere = [all[0], "/nowhere/tls.crt", all[2], all[3]];
        assert_refused(binary, &nowhere, "cannot read /nowhere/tls.crt").await;
    }
}

#[tokio::test]
async fn certificates_for_development_are_served_and_trusted() {
    let folder = std::env::temp_dir().join(format!("prynai-dev-certs-{}", std::process::id()));
    let read = |file: &str| std::fs::read(folder.join(file)).expect("is there");
    let mut made = Vec::new();
    for _ in 0..2 {
        let mut script = Command::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../scripts/dev-certs"
        ));
        let script = script.arg("--into").arg(&folder).arg("mcp.test");
        let output = script.output().await.expect("the script runs");
        assert!(output.status.success(), "{output:?}");
        made.push((read("ca.pem"), read("tls.crt")));
        for key in ["ca.key", "tls.key"] {
            let mode = std::fs::metadata(folder.join(key))
                .expect("is there")
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{key}");
        }
    }
    // Whoever trusts the authority goes on doing so.
    assert_eq!(made[0].0, made[1].0);
    assert_ne!(made[0].1, made[1].1);

    let file = |name: &str| folder.join(name).display().to_string();
    let (certificate, key) = (file("tls.crt"), file("tls.key"));
    let args = ["--listen", "127.0.0.1:0", "--allowed-host", "mcp.test"];
    let files = ["--tls-cert", &certificate, "--tls-key", &key];
    let mut process = Process::start("prynai-mcp", &[args, files].concat()).await;
    let address = process.address().await;
    let authority = Certificate::from_pem(&read("ca.pem")).expect("is a certificate");
    let client = reqwest::Client::builder()
        .tls_certs_only([authority])
        .resolve("mcp.test", address);
    let client = RawClient::of(client);
    for host in ["127.0.0.1", "localhost", "mcp.test"] {
        let url = format!("https://{host}:{}/mcp", address.port());
        let reply = client
            .modern(&url, &modern(1, "server/discover", json!({})))
            .await;
        assert_eq!(reply.status(), StatusCode::OK, "{url}");
    }
    std::fs::remove_dir_all(&folder).expect("is removed");
}

async fn assert_refused(binary: &str, args: &[&str], reason: &str) {
    let ended = Process::run(binary, args).await;
    assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
    assert!(ended.output.contains(reason), "{}", ended.output);
    assert!(!ended.output.contains("PRIVATE KEY"), "{}", ended.output);
}
