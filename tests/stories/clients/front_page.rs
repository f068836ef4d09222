//! A person opens the address of the server in a browser, and reads how to connect to it.

use prynai_test_harness::client::Reply;
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use reqwest::StatusCode;
use serde_json::Value;

/// As Chromium asks for a page.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

/// What nobody who connects need know, in lower case.
const INSIDE: [&str; 9] = [
    "worker", "redis", "gateway", "fleet", "queue", "prynai", "rust", "rmcp", "version",
];

fn plan() -> ClusterPlan {
    Cluster::new().workers(0)
}

async fn get(cluster: &Cluster, headers: &[(&str, &str)]) -> Reply {
    ask(cluster, "GET", headers).await
}

async fn ask(cluster: &Cluster, method: &str, headers: &[(&str, &str)]) -> Reply {
    let url = format!("{}/", cluster.origin(0));
    let request = cluster.client.request(method, &url);
    let request = headers.iter().fold(request, |request, (name, value)| {
        request.header(*name, *value)
    });
    cluster.client.send(request).await
}

/// What the page says, when it is asked for so, under the URL.
async fn url_shown(cluster: &Cluster, headers: &[(&str, &str)]) -> String {
    let headers = [&[("accept", BROWSER)], headers].concat();
    let reply = get(cluster, &headers).await;
    assert_eq!(reply.status(), StatusCode::OK);
    let page = reply.text().await;
    inside(&page, "<pre id=\"url\">").to_owned()
}

fn inside<'a>(page: &'a str, begin: &str) -> &'a str {
    let (_, rest) = page.split_once(begin).expect("is on the page");
    rest.split_once("</pre>").expect("ends").0
}

#[tokio::test]
async fn a_browser_is_told_how_to_connect_and_nothing_of_the_inside() {
    let cluster = plan().start().await;
    let reply = get(&cluster, &[("accept", BROWSER)]).await;
    assert_eq!(reply.status(), StatusCode::OK);
    let headers = reply.headers().clone();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-store");
    let policy = headers["content-security-policy"]
        .to_str()
        .expect("is text");
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    assert!(headers.get("server").is_none(), "{headers:?}");

    let page = reply.text().await;
    let url = cluster.gateway(0);
    assert_eq!(inside(&page, "<pre id=\"url\">"), url);
    let config: Value =
        serde_json::from_str(inside(&page, "<pre id=\"vscode\">")).expect("is JSON");
    assert_eq!(config["servers"]["my-server"]["url"], url);
    let claude = format!("claude mcp add --transport http my-server \"{url}\"");
    assert_eq!(inside(&page, "<pre id=\"claude\">"), claude);
    assert!(inside(&page, "<pre id=\"inspector-cli\">").contains(&url));

    let (_, read) = page.split_once("</style>").expect("has a style");
    let read = read.to_lowercase();
    for word in INSIDE {
        assert!(!read.contains(word), "{word}");
    }
    assert!(
        !page.contains("<script") && !page.contains("src="),
        "{page}"
    );

    let head = ask(&cluster, "HEAD", &[("accept", BROWSER)]).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-type"], "text/html; charset=utf-8");
    assert_eq!(head.text().await, "");
}

#[tokio::test]
async fn whoever_does_not_ask_for_a_page_gets_none() {
    let cluster = plan().start().await;
    let elsewhere = format!("{}/nowhere", cluster.origin(0));
    let request = cluster.client.request("GET", &elsewhere);
    let told = cluster.client.send(request).await.json().await;
    assert_eq!(told["error"]["code"], -32600);
    for accept in [
        "*/*",
        "application/json, text/event-stream",
        "text/html;q=0, */*",
        "text/*",
    ] {
        let reply = get(&cluster, &[("accept", accept)]).await;
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{accept}");
        assert_eq!(reply.json().await, told, "{accept}");
    }
    for method in ["POST", "DELETE", "PUT"] {
        let reply = ask(&cluster, method, &[("accept", BROWSER)]).await;
        assert_eq!(reply.status(), StatusCode::NOT_FOUND, "{method}");
    }
    let request = cluster.client.request("GET", &elsewhere);
    let reply = cluster.client.send(request.header("accept", BROWSER)).await;
    assert_eq!(reply.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_url_is_the_one_under_which_the_caller_came() {
    let cluster = plan()
        .gateway_args(&["--allowed-host", "mcp.example.com,*.example.org"])
        .start()
        .await;
    for (sent, shown) in [
        (
            &[("host", "mcp.example.com")][..],
            "http://mcp.example.com/mcp",
        ),
        (
            &[
                ("host", "a.example.org:8443"),
                ("x-forwarded-proto", "https"),
            ],
            "https://a.example.org:8443/mcp",
        ),
        (
            &[("host", "localhost"), ("x-forwarded-proto", "javascript")],
            "http://localhost/mcp",
        ),
        // No proxy names the server: the operator does.
        (
            &[("host", "localhost"), ("x-forwarded-host", "evil.example")],
            "http://localhost/mcp",
        ),
    ] {
        assert_eq!(url_shown(&cluster, sent).await, shown);
    }
    // The page is for those whom the endpoint is for.
    for refused in [
        &[("host", "evil.example")][..],
        &[("host", "\"><script>alert(1)</script>.example.org")],
        &[
            ("host", "mcp.example.com"),
            ("origin", "https://evil.example"),
        ],
    ] {
        let reply = get(&cluster, &[&[("accept", BROWSER)], refused].concat()).await;
        assert_eq!(reply.status(), StatusCode::FORBIDDEN, "{refused:?}");
        let told = reply.text().await;
        assert!(!told.contains("<html"), "{told}");
    }
}

#[tokio::test]
async fn the_operator_s_word_for_the_url_counts() {
    let public = "https://mcp.example.com/team/mcp";
    let args = [&crate::operations::GUARDED[..], &["--public-url", public]].concat();
    let cluster = plan().gateway_args(&args).start().await;
    // Nobody needs a token to read how to connect.
    assert_eq!(url_shown(&cluster, &[]).await, public);
}
