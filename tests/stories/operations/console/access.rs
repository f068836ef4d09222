//! Who may look, and who may not.

use prynai_test_harness::client::RawClient;
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::server::RedisServer;

use super::{ADMIN, TOKEN, admin, get, page, writing};

#[tokio::test]
async fn with_a_token_only_those_who_have_it_look() {
    let mut fleet = writing().start().await;
    let at = admin(fleet.gateway_process(0)).await;
    let client = &fleet.client;
    let console = format!("{at}/console");
    let refused = client.send(client.request("GET", &console)).await;
    assert_eq!(refused.status(), 401);
    let challenges = refused.headers().get_all("www-authenticate").iter();
    let challenges: Vec<_> = challenges.filter_map(|c| c.to_str().ok()).collect();
    assert_eq!(challenges.len(), 2, "{challenges:?}");
    assert!(challenges[1].starts_with("Basic realm="), "{challenges:?}");
    for (name, password) in [
        ("me", ""),
        (TOKEN, ""),
        ("me", "another token that is long enough"),
    ] {
        let request = client
            .request("GET", &console)
            .basic_auth(name, Some(password));
        assert_eq!(
            client.send(request).await.status(),
            401,
            "{name}:{password}"
        );
    }
    let shown = get(client, &console).await;
    assert_eq!(shown.status(), 200);
    let header = |name: &str| shown.headers()[name].to_str().expect("ASCII").to_owned();
    assert!(
        header("content-security-policy").starts_with("default-src 'none'; style-src 'sha256-")
    );
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("referrer-policy"), "same-origin");
    let bearer = RawClient::bearing(TOKEN);
    let shown = bearer.send(bearer.request("GET", &console)).await;
    assert_eq!(shown.status(), 200);
    // A browser that comes to the port itself gets there, and a program reads what there is.
    let browser = client.request("GET", &at).basic_auth("me", Some(TOKEN));
    let there = client.send(browser.header("accept", "text/html,*/*")).await;
    assert!(there.text().await.contains("<h1>Overview</h1>"));
    assert!(get(client, &at).await.text().await.contains("/console"));
}

#[tokio::test]
async fn without_a_token_no_web_page_and_no_other_name_reaches_it() {
    let mut fleet = Cluster::new().worker_args(&ADMIN).start().await;
    let at = admin(fleet.worker_process(0)).await;
    let console = format!("{at}/console");
    let client = &fleet.client;
    assert!(
        page(client, &console)
            .await
            .contains("Nothing can be changed here.")
    );
    for (name, value) in [
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example:9464"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        for method in ["GET", "POST"] {
            let url = if method == "GET" {
                console.clone()
            } else {
                format!("{console}/do")
            };
            let request = client.request(method, &url).header(name, value);
            let refused = client.send(request).await;
            assert_eq!(refused.status(), 403, "{method} {name}: {value}");
            assert!(!refused.text().await.contains("Overview"));
        }
    }
}

#[tokio::test]
async fn clients_never_reach_it() {
    let fleet = writing().start().await;
    let client = &fleet.client;
    for path in ["console", "console/", "console/dead", "console/do"] {
        let url = format!("{}/{path}", fleet.origin(0));
        for method in ["GET", "POST"] {
            let request = client.request(method, &url).basic_auth("me", Some(TOKEN));
            let refused = client.send(request).await;
            assert_eq!(refused.status(), 404, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn no_program_starts_that_would_let_anybody_change_things() {
    for program in ["prynai-gateway", "prynai-worker", "prynai-mcp"] {
        for args in [
            &["--admin-write"][..],
            &["--admin-write", "--admin-listen", "127.0.0.1:0"],
        ] {
            let ended = Process::run(program, args).await;
            assert_eq!(ended.status.code(), Some(64), "{program}: {}", ended.output);
            assert!(ended.output.contains("--admin-token"), "{}", ended.output);
        }
    }
}

#[tokio::test]
async fn a_server_for_this_machine_says_where_its_console_is_and_no_other_has_one_unasked() {
    let mut own = Process::start("prynai-mcp", &["--listen", "127.0.0.1:0"]).await;
    own.address().await;
    let at = admin(&mut own).await;
    let told = format!("Console for operators on {at}/console");
    prynai_test_redis::assert_eventually!(own.log().join("\n").contains(&told));
    let client = RawClient::new();
    let shown = page(&client, &format!("{at}/console")).await;
    assert!(shown.contains("Nothing needs attention."), "{shown}");
    let redis = RedisServer::start().await;
    let fleet = redis.url();
    for args in [
        &["--listen", "127.0.0.1:0", "--admin-listen", "off"][..],
        &["--listen", "127.0.0.1:0", "--redis-url", &fleet],
        &["--listen", "0.0.0.0:0", "--insecure-no-auth"],
        &[&["--listen", "127.0.0.1:0"][..], &super::super::GUARDED].concat(),
    ] {
        let mut other = Process::start("prynai-mcp", args).await;
        other.address().await;
        let told = "give --admin-listen";
        prynai_test_redis::assert_eventually!(other.log().join("\n").contains(told));
        assert!(
            other.all_logged("listening for administration").is_empty(),
            "{args:?}"
        );
    }
}
