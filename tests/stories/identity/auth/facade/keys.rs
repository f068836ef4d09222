//! The façade's key is replaced while people sign in.

use prynai_test_harness::cluster::Cluster;

use super::{Browser, KEY, keys, redeeming, refreshing, register, start_with, text, token};

const NEW: &str = "another key of 32 characters or of more";

/// Every gateway starts again with these keys.
async fn roll(fleet: &mut Cluster, to: &str) {
    for gateway in 0..fleet.gateway_count() {
        fleet.gateway_process(gateway).kill().await;
        fleet.replace_gateway_as(gateway, &keys(to)).await;
    }
}

#[tokio::test]
async fn a_sign_in_that_began_with_the_old_key_ends_after_the_roll() {
    let (_issuer, mut fleet) = start_with(&[], &[]).await;
    let client = register(&fleet, 0).await;
    let mut browser = Browser::new();
    let code = browser.code(&fleet, &client).await;
    let (status, earlier) = token(&fleet, 0, &redeeming(&client, &code)).await;
    assert_eq!(status, 200, "{earlier}");
    let mut person = Browser::new();
    let page = person.authorize(&fleet, 0, &client).await;
    let both = format!("{KEY},{NEW}");
    roll(&mut fleet, &both).await;
    let sent = person.agree(&fleet, 1, page).await;
    let callback = person.sign_in(&sent).await;
    roll(&mut fleet, &format!("{NEW},{KEY}")).await;
    let back = person.come_back(&fleet, 0, &callback).await;
    let code = super::parameter(&back, "code");
    let (status, tokens) = token(&fleet, 1, &redeeming(&client, &code)).await;
    assert_eq!(status, 200, "{tokens}");
    let refresh = text(&tokens, "refresh_token");
    let (status, tokens) = token(&fleet, 0, &refreshing(&client, &refresh)).await;
    assert_eq!(status, 200, "{tokens}");
    // What the old key sealed opens, and is sealed by the new one then.
    let refresh = text(&earlier, "refresh_token");
    let (status, earlier) = token(&fleet, 1, &refreshing(&client, &refresh)).await;
    assert_eq!(status, 200, "{earlier}");
    let asked = browser.authorize(&fleet, 1, &client).await;
    assert_eq!(
        asked.status(),
        302,
        "the browser remembers what it agreed to"
    );

    let newer = register(&fleet, 1).await;
    let code = browser.code(&fleet, &newer).await;
    roll(&mut fleet, NEW).await;
    let (status, tokens) = token(&fleet, 0, &redeeming(&newer, &code)).await;
    assert_eq!(status, 200, "{tokens}");
    let refresh = text(&earlier, "refresh_token");
    let (status, refused) = token(&fleet, 1, &refreshing(&client, &refresh)).await;
    assert_eq!(
        (status, refused["error"].as_str()),
        (401, Some("invalid_client")),
        "it has to register again"
    );
    let asked = browser.authorize(&fleet, 0, &client).await;
    assert_eq!(asked.status(), 401);
}
