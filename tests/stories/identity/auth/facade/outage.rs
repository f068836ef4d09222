//! Redis is away while people sign in.

use std::time::Duration;

use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use reqwest::RequestBuilder;
use serde_json::Value;

use super::{Browser, answer, http, parameter, plan, redeeming, refreshing, register, text, token};

/// Longest time that anybody waits for an answer.
const QUICKLY: Duration = Duration::from_secs(20);

/// The request is refused soon, and may be sent again.
async fn assert_away(request: RequestBuilder) {
    let answered = tokio::time::timeout(QUICKLY, request.send()).await;
    let refused = answered.expect("is refused soon").expect("an answer");
    assert_eq!(refused.status(), 503, "{refused:?}");
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.headers()["cache-control"], "no-store");
    let body = refused.text().await.expect("a body");
    let said: Value = serde_json::from_str(&body).expect("is JSON");
    assert_eq!(said["error"], "temporarily_unavailable", "{said}");
}

fn at(fleet: &Cluster, gateway: usize, path: &str) -> String {
    format!("{}{path}", fleet.origin(gateway))
}

#[tokio::test]
async fn while_redis_is_away_each_step_says_so_and_nothing_is_lost() {
    let (issuer, plan) = plan(&[], &[]).await;
    let mut fleet = plan.durable().start().await;
    let client = register(&fleet, 0).await;
    let mut known = Browser::new();
    let code = known.code(&fleet, &client).await;
    let (_, tokens) = token(&fleet, 0, &redeeming(&client, &code)).await;
    let refresh = text(&tokens, "refresh_token");
    let code = known.code(&fleet, &client).await;
    let mut person = Browser::new();
    let exchanges = issuer.requests(prynai_dev_issuer::Endpoint::Token);

    fleet.redis.stop();
    fleet.gateway_is_unready(0).await;
    fleet.gateway_is_unready(1).await;
    // What needs nothing of Redis goes on.
    let metadata = at(&fleet, 1, "/.well-known/oauth-authorization-server/oauth");
    assert_eq!(answer(http().get(metadata)).await.0, 200);
    let other = register(&fleet, 0).await;
    let page = person.authorize(&fleet, 1, &other).await;
    let sent = person.agree(&fleet, 0, page).await;
    let callback = person.sign_in(&sent).await;
    // The client hears it where it waits, and the person's browser goes back there.
    let back = person.come_back(&fleet, 1, &callback).await;
    assert_eq!(parameter(&back, "error"), "temporarily_unavailable");
    for gateway in [0, 1] {
        let url = at(&fleet, gateway, "/oauth/token");
        assert_away(http().post(&url).form(&redeeming(&client, &code))).await;
        assert_away(http().post(&url).form(&refreshing(&client, &refresh))).await;
        let given = [("client_id", &*client), ("token", &*refresh)];
        let url = at(&fleet, gateway, "/oauth/revoke");
        assert_away(http().post(url).form(&given)).await;
    }
    let asked = issuer.requests(prynai_dev_issuer::Endpoint::Token) - exchanges;
    assert_eq!(asked, 1, "no refresh token was used up at the issuer");

    fleet.redis.restart().await;
    for gateway in [0, 1] {
        let ready = at(&fleet, gateway, "/readyz");
        assert_eventually!(answer(http().get(&ready)).await.0 == 200);
    }
    let (status, tokens) = token(&fleet, 1, &redeeming(&client, &code)).await;
    assert_eq!(status, 200, "{tokens}");
    let (status, tokens) = token(&fleet, 0, &refreshing(&client, &refresh)).await;
    assert_eq!(status, 200, "{tokens}");
    // Who signed in meanwhile is not asked again.
    let sent = person.authorize(&fleet, 0, &other).await;
    assert_eq!(sent.status(), 302);
    let callback = person.sign_in(&sent).await;
    let back = person.come_back(&fleet, 1, &callback).await;
    let code = parameter(&back, "code");
    let (status, tokens) = token(&fleet, 1, &redeeming(&other, &code)).await;
    assert_eq!(status, 200, "{tokens}");
}
