//! Whoever uses it wrongly is told how to use it.

use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::process::Process;

use crate::{Server, load};

/// Exit code for wrong use, and for a server that cannot be used.
const UNUSABLE: Option<i32> = Some(2);

async fn is_told(args: &[&str], expected: &str) {
    let ended = load(args).await;
    assert_eq!(ended.status.code(), UNUSABLE, "{args:?}: {}", ended.output);
    assert!(
        ended.output.contains(expected),
        "{args:?}: {}",
        ended.output
    );
}

#[tokio::test]
async fn a_wrong_command_line_is_refused() {
    let url = "http://127.0.0.1:9/mcp";
    for (args, expected) in [
        (&[][..], "<URL>"),
        (&["127.0.0.1:8000"], "write a URL, such as http://"),
        (&["http://a:b@c/mcp"], "--header"),
        (&[url, "--mode", "magic"], "session-per-call"),
        (&[url, "--clients", "0"], "--clients"),
        (&[url, "--duration", "10"], "write a number with a unit"),
        (&[url, "--rate", "0"], "calls per second"),
        (
            &[url, "--rate", "5", "--think", "1s"],
            "cannot be used with",
        ),
        (&[url, "--arguments", "[1]"], "write a JSON object"),
        (&[url, "--arguments", "{"], "this is no JSON"),
        (&[url, "--arguments", "@/no/such/file"], "/no/such/file"),
        (&[url, "--params", "{}"], "--method"),
        (&[url, "--header", "X-Tenant"], "a colon and a value"),
        (&[url, "--p95-ms=-1"], "number of milliseconds"),
        (&[url, "--token-file", "/no/such/file"], "/no/such/file"),
        (
            &[url, "--token-command", "exit 3"],
            "--token-command ended with",
        ),
        (&[url, "--token-command", "true"], "there is no token"),
        (&[url, "--clients", "4000000000"], "ulimit -n"),
        (
            &["https://a/mcp", "--ca", "Cargo.toml"],
            "there is no certificate",
        ),
    ] {
        is_told(args, expected).await;
    }
}

#[tokio::test]
async fn a_server_that_cannot_be_used_is_noticed_before_the_load() {
    is_told(&["http://127.0.0.1:9/mcp"], "connection refused").await;
    let server = Server::start().await;
    let url = server.url();
    for mode in ["modern", "session", "session-per-call"] {
        let unknown = [&url, "--mode", mode, "--tool", "no_such_tool"];
        is_told(&unknown, "error -32602").await;
    }
    let wrong = [&url, "--arguments", r#"{"text":7}"#];
    is_told(&wrong, "the tool failed: ").await;
    let elsewhere = url.replace("/mcp", "/elsewhere");
    is_told(&[&elsewhere], "HTTP 404").await;
}

#[tokio::test]
async fn a_server_with_tls_is_trusted_by_its_authority() {
    let (certificates, _) = Certificates::mounted();
    let tls = certificates.args();
    let listen = ["--listen", "127.0.0.1:0"];
    let args = [&listen[..], &tls.each_ref().map(String::as_str)].concat();
    let mut server = Process::start("prynai-mcp", &args).await;
    let url = format!("https://{}/mcp", server.address().await);
    let authority = certificates.authority_file();
    let trusting = ["--ca", &authority, "--mode", "session", "--clients", "2"];
    let short = ["--duration", "1s", "--max-errors", "0"];
    let ended = load(&[&[url.as_str()][..], &trusting, &short].concat()).await;
    assert!(ended.status.success(), "{}", ended.output);
    is_told(&[&url], "invalid peer certificate").await;
}
