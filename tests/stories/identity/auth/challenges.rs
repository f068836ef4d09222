//! What clients are told: where to get a token, and for what to ask.

use prynai_dev_issuer::{API, API_URI};
use prynai_test_harness::cluster::Cluster;
use serde_json::json;

use super::Guarded;

const METADATA: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn a_client_without_a_token_learns_where_to_get_one() {
    let guarded = Guarded::start().await;
    let (client, origin) = (&guarded.fleet.client, guarded.fleet.origin(0));
    let refused = client.send(guarded.call()).await;
    assert_eq!(
        refused.headers()["www-authenticate"],
        format!(
            r#"Bearer resource_metadata="{origin}{METADATA}/mcp", scope="api://{API}/mcp.call""#
        )
    );
    let expected = json!({
        "resource": format!("{origin}/mcp"),
        "resource_name": "PrynAI MCP",
        "authorization_servers": [guarded.issuer.issuer_url()],
        "bearer_methods_supported": ["header"],
        "scopes_supported": [format!("api://{API}/mcp.call")],
    });
    for path in ["", "/mcp"] {
        let metadata = client.get_json(&format!("{origin}{METADATA}{path}")).await;
        assert_eq!(metadata, expected, "{path}");
    }
    let reached = client
        .send(client.request("GET", &guarded.issuer.metadata_url()))
        .await;
    assert_eq!(reached.status(), 200, "and there the client goes on");
}

#[tokio::test]
async fn only_the_metadata_and_the_probes_are_open() {
    let guarded = Guarded::start().await;
    let (client, origin) = (&guarded.fleet.client, guarded.fleet.origin(0));
    for (method, path, status) in [
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/healthz", 200),
        ("HEAD", METADATA, 200),
        ("POST", METADATA, 405),
        ("GET", "/.well-known/oauth-protected-resource/other", 404),
        (
            "GET",
            "/.well-known/oauth-protected-resource/mcp/other",
            404,
        ),
        ("GET", "/.well-known/oauth-authorization-server", 404),
        ("GET", "/.well-known/openid-configuration", 404),
        ("GET", "/mcp", 401),
        ("GET", "/mcp/", 401),
    ] {
        let request = client.request(method, &format!("{origin}{path}"));
        assert_eq!(
            client.send(request).await.status(),
            status,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn the_public_name_is_the_operators_or_the_checked_host() {
    let named = [
        "--public-url",
        "https://mcp.example.com/team/mcp",
        "--auth-audience",
        API_URI,
    ];
    let guarded = Guarded::start_with(&named).await;
    let client = &guarded.fleet.client;
    let refused = client.send(guarded.call()).await;
    assert_eq!(
        refused.headers()["www-authenticate"],
        "Bearer resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/team/mcp\", \
         scope=\"api://prynai-mcp/mcp.call\""
    );
    let url = format!("{}{METADATA}", guarded.fleet.origin(0));
    // As it is advertised, as a proxy leaves it that takes the beginning of the path off, and at the root.
    for path in ["/team/mcp", "/team/mcp/", "/mcp", "/mcp/", "", "/"] {
        let metadata = client.get_json(&format!("{url}{path}")).await;
        let resource = &metadata["resource"];
        assert_eq!(resource, "https://mcp.example.com/team/mcp", "{path}");
    }
    for path in ["/team", "/eam/mcp", "cp", "/other/team/mcp", "//", "/mcp//"] {
        let request = client.request("GET", &format!("{url}{path}"));
        assert_eq!(client.send(request).await.status(), 404, "{path}");
    }

    let guarded = Guarded::start_with(&["--allowed-host", "mcp.example.com"]).await;
    let client = &guarded.fleet.client;
    let url = format!("{}{METADATA}/mcp", guarded.fleet.origin(0));
    let request = client
        .request("GET", &url)
        .header("Host", "mcp.example.com");
    let request = request
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Proto", "https")
        .header("Forwarded", "host=evil.example;proto=https");
    let metadata = client.send(request).await.json().await;
    assert_eq!(metadata["resource"], "http://mcp.example.com/mcp");
    let evil = client.request("GET", &url).header("Host", "evil.example");
    assert_eq!(client.send(evil).await.status(), 403);
    let evil = guarded.call().header("Host", "evil.example");
    let evil = client.send(evil).await;
    assert_eq!(evil.status(), 403);
    assert!(
        !evil.headers().contains_key("www-authenticate"),
        "where from comes before who"
    );
}

#[tokio::test]
async fn a_web_page_may_ask_without_a_token_and_reads_where_to_get_one() {
    const PAGE: &str = "https://app.example.com";
    let guarded = Guarded::start_with(&["--allowed-origin", PAGE]).await;
    let (client, origin) = (&guarded.fleet.client, guarded.fleet.origin(0));
    for path in [
        "/mcp",
        METADATA,
        "/.well-known/oauth-protected-resource/mcp",
    ] {
        let asking = client.request("OPTIONS", &format!("{origin}{path}"));
        let asking = asking
            .header("Origin", PAGE)
            .header("Access-Control-Request-Method", "GET")
            .header("Access-Control-Request-Headers", "authorization");
        let reply = client.send(asking).await;
        assert_eq!(reply.status(), 204, "{path}");
        assert_eq!(reply.headers()["access-control-allow-origin"], PAGE);
    }
    let metadata = client.request("GET", &format!("{origin}{METADATA}"));
    let unable = guarded.issuer.token().app_only().roles(&[]).jwt();
    for (request, status) in [
        (metadata, 200),
        (guarded.call(), 401),
        (guarded.call().bearer_auth("x"), 401),
        (guarded.call().bearer_auth(unable), 403),
    ] {
        let reply = client.send(request.header("Origin", PAGE)).await;
        assert_eq!(reply.status(), status);
        assert_eq!(reply.headers()["access-control-allow-origin"], PAGE);
        let exposed = &reply.headers()["access-control-expose-headers"];
        assert!(
            exposed
                .to_str()
                .expect("ASCII")
                .contains("www-authenticate")
        );
        assert_eq!(
            reply.headers().contains_key("www-authenticate"),
            status != 200
        );
        let other = guarded.call().header("Origin", "https://other.example.com");
        assert_eq!(client.send(other).await.status(), 403);
    }
}

#[tokio::test]
async fn a_server_that_asks_nobody_has_no_metadata() {
    let fleet = Cluster::new().start().await;
    let url = format!("{}{METADATA}", fleet.origin(0));
    for path in ["", "/mcp"] {
        let request = fleet.client.request("GET", &format!("{url}{path}"));
        assert_eq!(fleet.client.send(request).await.status(), 404);
    }
}
