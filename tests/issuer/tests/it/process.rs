//! The issuer as a process, what scripts can order, and HTTPS.

use prynai_dev_issuer::{API, Issuer, Options, Tls, Version};
use prynai_test_harness::process::Process;
use reqwest::Certificate;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{client, fetch, get, http, verify};

const BINARY: &str = "prynai-dev-issuer";

/// Gives an order; what it answers, if anything.
async fn order(base: &str, path: &str, body: &Value) -> Result<Value, (u16, String)> {
    let request = client()
        .post(format!("{base}/admin/{path}"))
        .header("content-type", "application/json")
        .body(body.to_string());
    let response = request.send().await.expect("an answer");
    let status = response.status();
    let text = response.text().await.expect("a body");
    if status.is_success() {
        Ok(serde_json::from_str(&text).unwrap_or_default())
    } else {
        Err((status.as_u16(), text))
    }
}

#[tokio::test]
async fn a_process_says_where_it_is_and_takes_orders() {
    let tenant = Uuid::new_v4().to_string();
    let args = ["--listen", "127.0.0.1:0", "--tenant", &tenant];
    let mut process = Process::start(BINARY, &args).await;
    let said = process.logged("listening").await;
    let base = said["base_url"].as_str().expect("is text");
    let issuer = said["issuer"].as_str().expect("is text");
    assert_eq!(issuer, format!("{base}/{tenant}/v2.0"));
    let keys = format!("{base}/{tenant}/discovery/v2.0/keys");
    let check = async |token: &Value| {
        let keys = serde_json::from_value(get(&keys).await).expect("is a JWK set");
        let token = token["access_token"].as_str().expect("is text");
        verify(token, &keys, issuer, API).map(|token| token.claims)
    };
    let ask = json!({ "user": "carol", "scopes": ["mcp.read"] });
    let old = order(base, "token", &ask).await.expect("a token");
    let claims = check(&old).await.expect("is good");
    assert_eq!(claims["preferred_username"], "carol@contoso.example");
    let twisted = json!({ "twist": { "expires_in": -1 } });
    let expired = order(base, "token", &twisted).await.expect("a token");
    assert_eq!(
        check(&expired).await.expect_err("is old"),
        "ExpiredSignature"
    );
    let kid = order(base, "rotate", &json!(null)).await.expect("a kid")["kid"].clone();
    assert_eq!(get(&keys).await["keys"][0]["kid"], kid);
    check(&old).await.expect("is good still");
    order(base, "retire", &json!(null)).await.expect("done");
    assert_eq!(check(&old).await.expect_err("is gone"), "unknown kid");
    let fault = json!({ "endpoint": "keys", "fault": { "status": 503 }, "times": 1 });
    order(base, "misbehave", &fault).await.expect("done");
    let broken = fetch(&keys).await;
    assert_eq!(broken.status(), 503);
    let asked = get(&format!("{base}/admin/requests")).await;
    assert_eq!(asked, json!({ "keys": 6 }));
    process.signal("-TERM");
    assert!(process.ended().await.success());
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_refused_in_words() {
    let issuer = Issuer::start().await;
    let base = issuer.base_url();
    for (path, body, word) in [
        ("token", json!({ "usr": "alice" }), "unknown field"),
        ("token", json!({ "version": 3 }), "there are 1 and 2"),
        ("token", json!({ "api": "api://none" }), "no API"),
        ("misbehave", json!({}), "give endpoint and fault"),
        (
            "misbehave",
            json!({ "endpoint": "keys" }),
            "give endpoint and fault",
        ),
        (
            "misbehave",
            json!({ "endpoint": "keys", "fault": "explode" }),
            "unknown variant",
        ),
    ] {
        let (status, text) = order(base, path, &body).await.expect_err("makes no sense");
        assert!((400..500).contains(&status), "{status}");
        assert!(text.contains(word), "{path}: {text}");
    }
    let directory = get(&format!("{base}/admin/directory")).await;
    let mut twice = directory.clone();
    twice["users"]
        .as_array_mut()
        .expect("a list")
        .push(json!({ "name": "bob" }));
    let put = async |directory: &Value| {
        let request = client()
            .put(format!("{base}/admin/directory"))
            .header("content-type", "application/json");
        let sent = request.body(directory.to_string()).send().await;
        sent.expect("an answer").status()
    };
    assert_eq!(put(&twice).await, 400);
    assert_eq!(put(&directory).await, 204);
}

#[tokio::test]
async fn no_web_page_gives_orders() {
    let issuer = Issuer::start().await;
    let request = client()
        .post(format!("{}/admin/rotate", issuer.base_url()))
        .header("origin", "http://localhost:3000");
    let refused = request.send().await.expect("an answer");
    assert_eq!(refused.status(), 403);
}

#[tokio::test]
async fn wrong_settings_are_refused_in_words() {
    for (args, word) in [
        (&["--tenant", "contoso"][..], "no GUID"),
        (&["--base-url", "http://issuer/"], "no slash at the end"),
        (&["--tls-cert", "cert.pem"], "--tls-key"),
        (
            &["--config", "/nowhere.json"],
            "cannot read the configuration",
        ),
        (
            &["--identifier-uri", "api://prynai-mcp"],
            "registered twice",
        ),
    ] {
        let ended = Process::run(BINARY, args).await;
        assert_eq!(ended.status.code(), Some(64), "{args:?}: {}", ended.output);
        assert!(ended.output.contains(word), "{args:?}: {}", ended.output);
    }
}

#[tokio::test]
async fn the_configuration_that_is_printed_can_be_read() {
    let printed = Process::run(BINARY, &["--print-config"]).await;
    assert!(printed.status.success(), "{}", printed.output);
    let file = std::env::temp_dir().join(format!("prynai-issuer-{}.json", Uuid::new_v4().simple()));
    std::fs::write(&file, &printed.output).expect("is written");
    let path = file.to_str().expect("is text");
    let again = Process::run(BINARY, &["--config", path, "--print-config"]).await;
    let _ = std::fs::remove_file(&file);
    assert_eq!(again.output, printed.output);
    let callback = "https://mcp.example/oauth/callback";
    let changed = ["--web-redirect-uri", callback, "--print-config"];
    let changed = Process::run(BINARY, &changed).await;
    let changed: Value = serde_json::from_str(&changed.output).expect("is JSON");
    let clients = changed["clients"].as_array().expect("a list");
    let own = clients.iter().find(|client| client["client_id"] == API);
    let uris = &own.expect("is there")["web_redirect_uris"];
    assert!(uris.as_array().expect("a list").contains(&callback.into()));
}

#[tokio::test]
async fn https_is_trusted_by_the_authority_it_hands_out() {
    let issuer = Issuer::start_with(Options {
        tls: Tls::Made,
        v1_issuer_base: Some("https://sts.example".to_owned()),
        ..Options::default()
    })
    .await;
    assert!(issuer.base_url().starts_with("https://"));
    let v1 = issuer.issuer_of("t", Version::V1);
    assert_eq!(v1, "https://sts.example/t/");
    let pem = issuer.ca_pem().expect("has one").as_bytes();
    let authority = Certificate::from_pem(pem).expect("is PEM");
    let trusting = http().tls_certs_only([authority]).build();
    let trusting = trusting.expect("a client");
    let answer = trusting.get(issuer.metadata_url()).send().await;
    let text = answer.expect("is trusted").text().await.expect("a body");
    let metadata: Value = serde_json::from_str(&text).expect("is JSON");
    assert_eq!(metadata["issuer"], issuer.issuer_url());
    let strange = http().tls_certs_only([]).build().expect("a client");
    let refused = strange.get(issuer.metadata_url()).send().await;
    refused.expect_err("is trusted by nobody else");
}
