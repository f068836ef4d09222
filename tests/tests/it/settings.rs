//! Settings: told in full, checked at the start, refused in words.

use prynai_tests::process::Process;

const BINARIES: [&str; 3] = ["prynai-gateway", "prynai-worker", "prynai-mcp"];

#[tokio::test]
async fn help_names_every_setting_with_its_variable() {
    for (binary, settings) in BINARIES.into_iter().zip([
        &[
            "LISTEN",
            "REDIS_URL",
            "KEY_PREFIX",
            "ALLOWED_HOST",
            "ALLOWED_ORIGIN",
            "AUTH",
            "AUTH_TENANT",
            "AUTH_AUDIENCE",
            "INSECURE_NO_AUTH",
            "PUBLIC_URL",
            "LOG_FORMAT",
        ][..],
        &["REDIS_URL", "KEY_PREFIX", "CONCURRENCY", "LOG_FORMAT"],
        &[
            "LISTEN",
            "REDIS_URL",
            "KEY_PREFIX",
            "ALLOWED_HOST",
            "ALLOWED_ORIGIN",
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
        ("prynai-gateway", "--allowed-origin", "example.com"),
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
async fn a_password_is_never_repeated() {
    let url = "redis://user:geheim@127.0.0.1:notaport";
    for binary in BINARIES {
        let ended = Process::run(binary, &["--redis-url", url]).await;
        assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
        assert!(!ended.output.contains("geheim"), "{}", ended.output);
    }
}
