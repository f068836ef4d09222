//! Settings: told in full, checked at the start, refused in words.

use std::net::TcpListener;

use prynai_dev_issuer::TENANT;
use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::client::modern;
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::json;

const BINARIES: [&str; 3] = ["prynai-gateway", "prynai-worker", "prynai-mcp"];

#[tokio::test]
async fn help_names_every_setting_with_its_variable() {
    for (binary, settings) in BINARIES.into_iter().zip([
        &[
            "LISTEN",
            "REDIS_URL",
            "KEY_PREFIX",
            "ENVELOPE_KEY",
            "ALLOWED_HOST",
            "ALLOWED_ORIGIN",
            "POLICY",
            "AUTH",
            "AUTH_TENANT",
            "AUTH_AUDIENCE",
            "INSECURE_NO_AUTH",
            "PUBLIC_URL",
            "LOG_FORMAT",
        ][..],
        &[
            "REDIS_URL",
            "KEY_PREFIX",
            "ENVELOPE_KEY",
            "STATE_KEY",
            "CONCURRENCY",
            "LOG_FORMAT",
        ],
        &[
            "LISTEN",
            "REDIS_URL",
            "KEY_PREFIX",
            "ENVELOPE_KEY",
            "STATE_KEY",
            "ALLOWED_HOST",
            "ALLOWED_ORIGIN",
            "POLICY",
            "CONCURRENCY",
            "LOG_FORMAT",
        ],
    ]) {
        let help = Process::run(binary, &["--help"]).await;
        assert!(help.status.success());
        for setting in settings {
            let variable = format!("PRYNAI_{setting}");
            let flag = format!("--{}", setting.to_lowercase().replace('_', "-"));
            assert!(help.output.contains(&variable), "{binary}: {variable}");
            assert!(help.output.contains(&flag), "{binary}: {flag}");
        }
        assert!(help.output.contains("RUST_LOG"), "{binary}");
    }
}

#[tokio::test]
async fn a_wrong_setting_is_refused_with_exit_code_64() {
    for (binary, flag, value) in [
        ("prynai-gateway", "--listen", "nowhere"),
        ("prynai-gateway", "--redis-url", "http://example.com"),
        ("prynai-gateway", "--key-prefix", "a{b}"),
        ("prynai-gateway", "--allowed-host", "a b"),
        (
            "prynai-gateway",
            "--allowed-host",
            "https://mcp.example.com",
        ),
        ("prynai-gateway", "--allowed-host", "mcp.*.com"),
        ("prynai-gateway", "--allowed-origin", "example.com"),
        ("prynai-gateway", "--allowed-origin", "*"),
        (
            "prynai-gateway",
            "--allowed-origin",
            "https://app.example.com/page",
        ),
        ("prynai-gateway", "--auth", "basic"),
        ("prynai-gateway", "--auth-tenant", "common"),
        ("prynai-gateway", "--auth-issuer", "http://id.example.com"),
        ("prynai-gateway", "--auth-authority", "login.example.com"),
        ("prynai-gateway", "--auth-scope", "two words"),
        ("prynai-gateway", "--auth-ca", "/no/such/file"),
        ("prynai-gateway", "--public-url", "mcp.example.com"),
        ("prynai-gateway", "--log-format", "xml"),
        ("prynai-worker", "--concurrency", "0"),
        ("prynai-worker", "--concurrency", "many"),
        ("prynai-worker", "--lease", "3"),
        ("prynai-mcp", "--redis-url", "redis:"),
        ("prynai-mcp", "--no-such-flag", "x"),
    ] {
        let ended = Process::run(binary, &[flag, value]).await;
        assert_eq!(
            ended.status.code(),
            Some(64),
            "{binary} {flag} {value}: {}",
            ended.output
        );
        assert!(ended.output.contains(flag), "{}", ended.output);
    }
}

#[tokio::test]
async fn a_taken_address_is_named_and_another_one_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("is bound").to_string();
    for binary in ["prynai-gateway", "prynai-mcp"] {
        let ended = Process::run(binary, &["--listen", &address]).await;
        assert!(!ended.status.success(), "{binary}");
        let said = format!("cannot listen on {address}: ");
        assert!(ended.output.contains(&said), "{}", ended.output);
        assert!(ended.output.contains("--listen"), "{}", ended.output);
    }
}

#[tokio::test]
async fn nobody_serves_other_machines_without_asking_who_calls_unless_told_to() {
    let everywhere = ["--listen", "0.0.0.0:0"];
    for binary in ["prynai-gateway", "prynai-mcp"] {
        let ended = Process::run(binary, &everywhere).await;
        assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
        assert!(ended.output.contains("--auth entra"), "{}", ended.output);
        let half = [&everywhere[..], &["--auth", "entra"]].concat();
        let ended = Process::run(binary, &half).await;
        assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
        assert!(ended.output.contains("--auth-tenant"), "{}", ended.output);
    }
    let told = [&everywhere[..], &["--insecure-no-auth"]].concat();
    let mut process = Process::start("prynai-mcp", &told).await;
    process.address().await;
}

#[tokio::test]
async fn a_password_is_never_repeated_and_its_wrong_characters_are_explained() {
    for (url, told) in [
        ("redis://user:geheim@127.0.0.1:notaport", "redis://"),
        ("redis://:geheim#1@127.0.0.1", "%23"),
        ("redis://:1#geheim@127.0.0.1", "%23"),
        ("rediss://user:geheim/1@127.0.0.1:6380/0", "%2F"),
        ("redis://user:geheim?x@127.0.0.1", "%3F"),
    ] {
        for binary in BINARIES {
            let ended = Process::run(binary, &["--redis-url", url]).await;
            assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
            assert!(!ended.output.contains("geheim"), "{}", ended.output);
            assert!(ended.output.contains("--redis-url"), "{}", ended.output);
            assert!(ended.output.contains(told), "{}", ended.output);
        }
    }
}

/// Every variable that a program names in its help.
async fn variables(binary: &str) -> Vec<String> {
    let help = Process::run(binary, &["--help"]).await.output;
    let names = help.split("[env: ").skip(1);
    let names = names.filter_map(|rest| rest.split(['=', ']']).next());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn an_empty_variable_is_none() {
    let redis = RedisServer::start().await;
    for (binary, args, started) in [
        (
            "prynai-gateway",
            &["--listen", "127.0.0.1:0", "--redis-url", &redis.url()][..],
            "listening",
        ),
        ("prynai-worker", &["--redis-url", &redis.url()], "ready"),
        ("prynai-mcp", &["--listen", "127.0.0.1:0"], "listening"),
        (
            "prynai-dev-issuer",
            &["--listen", "127.0.0.1:0"],
            "listening",
        ),
    ] {
        let names = variables(binary).await;
        assert!(
            names.iter().any(|name| name == "PRYNAI_LOG_FORMAT"),
            "{names:?}"
        );
        let empty: Vec<_> = names
            .into_iter()
            .chain(["RUST_LOG".to_owned()])
            .map(|name| (name, String::new()))
            .collect();
        let mut process = Process::start_with(binary, args, &empty).await;
        process.logged(started).await;
    }
}

#[tokio::test]
async fn what_is_printed_to_try_works() {
    for listen in [
        "127.0.0.1:0",
        "0.0.0.0:0",
        "[::]:0",
        "[::1]:0",
        "127.8.8.8:0",
    ] {
        for tls in [false, true] {
            let (certificates, _) = Certificates::mounted();
            let mut args = vec!["--listen".to_owned(), listen.to_owned()];
            args.push("--insecure-no-auth".to_owned());
            if tls {
                args.extend(certificates.args());
            }
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let mut process = Process::start("prynai-mcp", &args).await;
            process.address().await;
            let said = || {
                process
                    .log()
                    .into_iter()
                    .find_map(|line| Some(line.strip_prefix("Try: ")?.to_owned()))
            };
            let command = eventually!(said(), "nothing is printed: {:?}", process.log());
            let tried = tokio::process::Command::new("sh")
                .args(["-c", &command])
                .output()
                .await;
            let output = String::from_utf8(tried.expect("sh runs").stdout).expect("is text");
            assert!(
                output.contains("hello") && !output.contains("error"),
                "{command}: {output}"
            );
        }
    }
}

#[tokio::test]
async fn a_host_that_is_none_is_refused_and_not_repeated_in_a_challenge() {
    let fleet = Cluster::new().gateway_args(&super::GUARDED).start().await;
    let port = fleet.addresses()[0].port();
    for (host, status) in [
        ("127.0.0.1:evil.com", 403),
        ("localhost:80@evil.com", 403),
        ("localhost:99999", 403),
        ("evil.com", 403),
        (&format!("localhost:{port}"), 401),
    ] {
        let request = fleet.client.request("POST", &fleet.gateway(0));
        let reply = fleet.client.send(request.header("Host", host)).await;
        assert_eq!(reply.status(), status, "{host}");
        let challenge = reply.headers().get("www-authenticate");
        assert_eq!(challenge.is_some(), status == 401, "{host}: {challenge:?}");
    }
}

#[tokio::test]
async fn names_below_a_name_are_let_in() {
    let patterns = [
        "--allowed-host",
        "*.example.com",
        "--allowed-origin",
        "https://*.example.com",
    ];
    let fleet = Cluster::new().gateway_args(&patterns).start().await;
    for (host, origin, status) in [
        ("a.example.com", "https://app.example.com", 200),
        ("a.example.com:8443", "https://b.app.example.com", 200),
        ("example.com", "https://app.example.com", 403),
        ("a.example.com", "https://app.example.com.evil", 403),
        ("a.example.com", "http://app.example.com", 403),
    ] {
        let discover = modern(1, "server/discover", json!({}));
        let request = fleet.client.modern_request(&fleet.gateway(0), &discover);
        let request = request.header("Host", host).header("Origin", origin);
        let reply = fleet.client.send(request).await;
        assert_eq!(reply.status(), status, "{host} {origin}");
    }
}

#[tokio::test]
async fn bad_keys_are_refused_and_never_repeated() {
    let long = "geheim".repeat(6);
    let short_and_long = format!("{long},geheim");
    let three = [long.as_str(); 3].join(",");
    for (binary, flag) in [
        ("prynai-gateway", "--envelope-key"),
        ("prynai-worker", "--envelope-key"),
        ("prynai-mcp", "--envelope-key"),
        ("prynai-gateway", "--task-key"),
        ("prynai-worker", "--task-key"),
        ("prynai-mcp", "--task-key"),
        ("prynai-gateway", "--downstream-key"),
        ("prynai-worker", "--downstream-key"),
        ("prynai-mcp", "--downstream-key"),
        ("prynai-worker", "--state-key"),
        ("prynai-mcp", "--state-key"),
    ] {
        let padded = format!("{long}\n");
        for keys in ["", "geheim", &short_and_long, &three, &padded] {
            let ended = Process::run(binary, &[flag, keys]).await;
            let output = ended.output;
            assert_eq!(ended.status.code(), Some(64), "{binary} {flag}: {output}");
            assert!(
                output.contains(flag) && !output.contains("gehei"),
                "{output}"
            );
        }
        let variable = flag
            .trim_start_matches('-')
            .to_uppercase()
            .replace('-', "_");
        let variable = (format!("PRYNAI_{variable}"), long.clone());
        let help = Process::start_with(binary, &["--help"], &[variable]).await;
        let shown = || {
            help.log().join(
                "
",
            )
        };
        assert_eventually!(shown().contains("--version"));
        assert!(
            shown().contains(flag) && !shown().contains("gehei"),
            "{}",
            shown()
        );
    }
}

/// Tokens for other APIs lie on the bus, sealed, under the names of callers that are signed.
#[tokio::test]
async fn nobody_acts_on_behalf_of_callers_without_keys_for_it() {
    let long = "geheim".repeat(6);
    let wanted = [
        &["--auth", "entra", "--auth-tenant", TENANT][..],
        &["--auth-audience", "api", "--auth-scope", "mcp.call"],
        &["--downstream-client-id", "api"],
        &["--downstream-client-secret", &long],
    ]
    .concat();
    let redis = &["--redis-url", "redis://127.0.0.1:1"][..];
    for (binary, further, lacking) in [
        ("prynai-gateway", redis, "--downstream-key"),
        ("prynai-mcp", redis, "--downstream-key"),
        (
            "prynai-gateway",
            &["--downstream-key", &long],
            "--envelope-key",
        ),
        ("prynai-mcp", &["--downstream-key", &long], "--envelope-key"),
    ] {
        let ended = Process::run(binary, &[&wanted, further].concat()).await;
        let output = ended.output;
        assert_eq!(ended.status.code(), Some(64), "{binary}: {output}");
        assert!(
            output.contains(&format!(" needs {lacking}")) && !output.contains("gehei"),
            "{binary}: {output}"
        );
    }
    let lonely = ["--downstream-key", &long];
    let ended = Process::run("prynai-worker", &lonely).await;
    assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
    assert!(ended.output.contains("--envelope-key"), "{}", ended.output);
}
