//! Web pages: those of allowed origins may register and get tokens, and none may answer for the person.

use prynai_test_harness::cluster::Cluster;
use reqwest::{Method, RequestBuilder, Response};

use super::{Browser, REDIRECT, http, location, redeeming, register, start_with};

/// Named to the gateways; another one is not.
const PAGE: &str = "https://app.example.com";
const OTHER: &str = "https://other.example.com";

async fn from(origin: &str, request: RequestBuilder) -> Response {
    let sent = request.header("Origin", origin).send().await;
    sent.expect("an answer")
}

/// What an answer says to pages, but for `Vary`.
fn told(answer: &Response) -> Vec<&str> {
    let names = answer.headers().keys().map(|name| name.as_str());
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

/// A page of `PAGE` can read it, and no cookie goes with such a request.
fn assert_shared(answer: &Response) {
    assert_eq!(answer.headers()["access-control-allow-origin"], PAGE);
    assert_eq!(
        answer.headers()["vary"].to_str().unwrap().to_lowercase(),
        "origin"
    );
    assert!(!told(answer).contains(&"access-control-allow-credentials"));
}

fn asking(fleet: &Cluster, path: &str, method: &str) -> RequestBuilder {
    let url = format!("{}{path}", fleet.origin(0));
    let request = http().request(Method::OPTIONS, url);
    let request = request.header("Access-Control-Request-Method", method);
    request.header(
        "Access-Control-Request-Headers",
        "authorization,content-type",
    )
}

const ENDPOINTS: [(&str, &str); 6] = [
    ("/.well-known/oauth-authorization-server/oauth", "GET"),
    ("/.well-known/openid-configuration", "GET"),
    ("/oauth/jwks", "GET"),
    ("/oauth/register", "POST"),
    ("/oauth/token", "POST"),
    ("/oauth/revoke", "POST"),
];

#[tokio::test]
async fn a_page_of_an_allowed_origin_gets_tokens_and_reads_why_not() {
    let (_issuer, fleet) = start_with(&["--allowed-origin", PAGE], &[]).await;
    for (path, method) in ENDPOINTS {
        let asked = from(PAGE, asking(&fleet, path, method)).await;
        assert_eq!(asked.status(), 204, "{path}");
        assert_shared(&asked);
        let allowed = asked.headers()["access-control-allow-headers"].to_str();
        let allowed = allowed.expect("is text").to_lowercase();
        for name in ["authorization", "content-type"] {
            assert!(allowed.contains(name), "{path}: {allowed}");
        }
        let refused = from(OTHER, asking(&fleet, path, method)).await;
        assert_eq!(refused.status(), 403, "{path}");
        assert!(told(&refused).is_empty(), "{path}");
    }
    let at = |path: &str| format!("{}{path}", fleet.origin(1));
    let metadata = "{\"redirect_uris\": [\"http://127.0.0.1:49152/callback\"]}";
    let registering = || {
        let request = http().post(at("/oauth/register"));
        request
            .header("Content-Type", "application/json")
            .body(metadata)
    };
    let registered = from(PAGE, registering()).await;
    assert_eq!(registered.status(), 201);
    assert_shared(&registered);
    let refused = from(OTHER, registering()).await;
    assert_eq!(refused.status(), 403);
    assert!(told(&refused).is_empty());

    let client = register(&fleet, 0).await;
    let code = Browser::new().code(&fleet, &client).await;
    let redeem = |code: &str| {
        http()
            .post(at("/oauth/token"))
            .form(&redeeming(&client, code))
    };
    let refused = from(PAGE, redeem("unheard-of")).await;
    assert_eq!(refused.status(), 400);
    assert_shared(&refused);
    // It is refused before anything is done, so the code is good after that.
    let refused = from(OTHER, redeem(&code)).await;
    assert_eq!(refused.status(), 403);
    assert!(told(&refused).is_empty());
    let given = from(PAGE, redeem(&code)).await;
    assert_eq!(given.status(), 200);
    assert_shared(&given);
}

/// A page of an allowed origin may call tools; the person's consent is no affair of it.
#[tokio::test]
async fn no_page_elsewhere_answers_for_the_person() {
    let (_issuer, fleet) = start_with(&["--allowed-origin", PAGE], &[]).await;
    let client = register(&fleet, 0).await;
    let mut browser = Browser::new();
    let page = browser.authorize(&fleet, 0, &client).await;
    let page = page.text().await.expect("a page");
    let begin = "name=\"question\" value=\"";
    let question = page.split(begin).nth(1).expect("a form");
    let question = question.split('"').next().expect("ends").to_owned();
    let url = format!("{}/oauth/consent", fleet.origin(0));
    for (origin, status) in [(PAGE, 400), (OTHER, 403), ("null", 403)] {
        let form = [("question", &*question), ("answer", "allow")];
        let request = browser.http.post(&url).form(&form);
        let refused = browser.send(request.header("Origin", origin)).await;
        assert_eq!(refused.status(), status, "{origin}");
        assert!(!refused.headers().contains_key("location"), "{origin}");
    }
    let form = [("question", &*question), ("answer", "deny")];
    let request = browser.http.post(&url).form(&form);
    let own = request.header("Origin", "https://mcp.example.com");
    let denied = browser.send(own).await;
    assert!(location(&denied).starts_with(REDIRECT), "its own page may");
}
