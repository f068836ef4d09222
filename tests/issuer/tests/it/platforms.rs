//! How codes and refresh tokens are redeemed, by what their redirect URI is registered for.

use prynai_dev_issuer::{API, API_SECRET, Issuer};
use reqwest::StatusCode;
use serde_json::Value;

use super::application::{REDIRECT, SCOPE, VERIFIER, code, start};
use super::{exchange_from, insecure_claims, refusal};

const WEB: &str = "https://mcp.example/oauth/callback";
const SPA: &str = "http://localhost:6274/oauth/callback";
const ORIGIN: &str = "http://localhost:6274";

/// An issuer whose API is a client with redirect URIs of all platforms.
async fn issuer() -> Issuer {
    let issuer = start().await;
    issuer.change_directory(|directory| {
        let own = directory.clients.iter_mut().find(|c| c.client_id == API);
        let own = own.expect("is there");
        own.web_redirect_uris = vec![WEB.to_owned()];
        own.spa_redirect_uris = vec![SPA.to_owned()];
        own.redirect_uris = vec!["http://127.0.0.1/callback".to_owned()];
    });
    issuer
}

/// Signs in with a redirect URI, and redeems the code from a web page or without one, with a secret or without.
async fn tokens(
    issuer: &Issuer,
    redirect: &str,
    scope: &str,
    origin: Option<&str>,
    secret: Option<&str>,
) -> (StatusCode, Value) {
    let changes = [
        ("client_id", API),
        ("redirect_uri", redirect),
        ("scope", scope),
    ];
    let code = code(issuer, &changes).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("redirect_uri", redirect),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ];
    ask(issuer, &fields, origin, secret).await
}

async fn refresh(
    issuer: &Issuer,
    tokens: &Value,
    origin: Option<&str>,
    secret: Option<&str>,
) -> (StatusCode, Value) {
    let token = tokens["refresh_token"].as_str().expect("a refresh token");
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
    ask(issuer, &fields, origin, secret).await
}

async fn ask(
    issuer: &Issuer,
    fields: &[(&str, &str)],
    origin: Option<&str>,
    secret: Option<&str>,
) -> (StatusCode, Value) {
    let mut fields = fields.to_vec();
    fields.push(("client_id", API));
    fields.extend(secret.map(|secret| ("client_secret", secret)));
    let response = exchange_from(issuer, origin, &fields).await;
    let status = response.status();
    let allowed = response.headers().get("access-control-allow-origin");
    assert_eq!(allowed.is_some(), origin.is_some(), "pages may read it");
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).expect("is JSON"))
}

/// Full names by the client id, which is what a client that is the API itself refreshes with.
fn scope() -> String {
    format!("{API}/mcp.call offline_access")
}

#[tokio::test]
async fn a_web_client_shows_its_secret_and_is_no_page() {
    let issuer = issuer().await;
    let (status, good) = tokens(&issuer, WEB, &scope(), None, Some(API_SECRET)).await;
    assert_eq!(status, 200, "{good}");
    let claims = insecure_claims(good["access_token"].as_str().expect("is text"));
    assert_eq!(
        (&claims["azp"], &claims["azpacr"]),
        (&API.into(), &"1".into())
    );
    let unknown = (401, "invalid_client".to_owned(), 7_000_218);
    let crossing = (400, "invalid_request".to_owned(), 9_002_326);
    let (status, refused) = tokens(&issuer, WEB, &scope(), None, None).await;
    assert_eq!(refusal(status, &refused), unknown);
    let (status, refused) = refresh(&issuer, &good, None, None).await;
    assert_eq!(refusal(status, &refused), unknown);
    let (status, refused) = tokens(&issuer, WEB, &scope(), Some(ORIGIN), Some(API_SECRET)).await;
    assert_eq!(refusal(status, &refused), crossing);
    let (status, refused) = refresh(&issuer, &good, Some(ORIGIN), Some(API_SECRET)).await;
    assert_eq!(refusal(status, &refused), crossing);
    let (status, next) = refresh(&issuer, &good, None, Some(API_SECRET)).await;
    assert_eq!(status, 200, "{next}");
    assert_ne!(good["refresh_token"], next["refresh_token"]);
}

#[tokio::test]
async fn a_page_says_where_it_is_from_and_has_no_secret() {
    let issuer = issuer().await;
    let (status, good) = tokens(&issuer, SPA, &scope(), Some(ORIGIN), None).await;
    assert_eq!(status, 200, "{good}");
    let claims = insecure_claims(good["access_token"].as_str().expect("is text"));
    assert_eq!(claims["azpacr"], "0");
    let not_a_page = (400, "invalid_request".to_owned(), 9_002_327);
    let (status, refused) = tokens(&issuer, SPA, &scope(), None, None).await;
    assert_eq!(refusal(status, &refused), not_a_page);
    let (status, refused) = tokens(&issuer, SPA, &scope(), None, Some(API_SECRET)).await;
    assert_eq!(refusal(status, &refused), not_a_page);
    let (status, refused) = refresh(&issuer, &good, None, None).await;
    assert_eq!(refusal(status, &refused), not_a_page);
    let (status, refused) = tokens(&issuer, SPA, &scope(), Some(ORIGIN), Some(API_SECRET)).await;
    assert_eq!(
        refusal(status, &refused),
        (401, "invalid_client".to_owned(), 700_025)
    );
    let (status, _) = refresh(&issuer, &good, Some(ORIGIN), None).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_desktop_client_shows_nothing_even_if_it_could() {
    let issuer = issuer().await;
    let (status, good) = tokens(&issuer, REDIRECT, &scope(), None, None).await;
    assert_eq!(status, 200, "{good}");
    let (status, refused) = tokens(&issuer, REDIRECT, &scope(), None, Some(API_SECRET)).await;
    assert_eq!(
        refusal(status, &refused),
        (401, "invalid_client".to_owned(), 700_025)
    );
    let (status, refused) = tokens(&issuer, REDIRECT, &scope(), Some(ORIGIN), None).await;
    assert_eq!(
        refusal(status, &refused),
        (400, "invalid_request".to_owned(), 9_002_326)
    );
}

#[tokio::test]
async fn no_page_is_a_service() {
    let issuer = issuer().await;
    let scope = format!("{API}/.default");
    let fields = [("grant_type", "client_credentials"), ("scope", &scope)];
    let (status, refused) = ask(&issuer, &fields, Some(ORIGIN), Some(API_SECRET)).await;
    assert_eq!(
        refusal(status, &refused),
        (400, "invalid_request".to_owned(), 9_002_326)
    );
}

#[tokio::test]
async fn an_api_that_signs_people_in_for_itself_refreshes_by_its_client_id_only() {
    let issuer = issuer().await;
    let (status, by_uri) = tokens(&issuer, WEB, SCOPE, None, Some(API_SECRET)).await;
    assert_eq!(status, 200, "{by_uri}");
    let (status, refused) = refresh(&issuer, &by_uri, None, Some(API_SECRET)).await;
    assert_eq!(
        refusal(status, &refused),
        (400, "invalid_request".to_owned(), 90_009)
    );
}
