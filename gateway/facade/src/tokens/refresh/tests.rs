//! What the time that has passed since the first use changes, which no test waits for.

use std::sync::Arc;

use prynai_memory_bus::MemoryBus;

use super::*;
use crate::clients::directory::Record;
use crate::settings::FacadeSettings;
use crate::state::Place;

const REDIRECT: &str = "http://127.0.0.1:1/cb";

/// A façade whose issuer cannot be reached, and a client.
fn scene() -> (Facade, Client) {
    let settings = FacadeSettings {
        oauth_facade: true,
        facade_client_id: Some("id".to_owned()),
        facade_client_secret: Some("geheim".to_owned().into()),
        facade_key: vec!["k".repeat(32).into()],
        ..FacadeSettings::default()
    };
    let place = Place {
        public_url: "https://mcp.example.com/mcp".to_owned(),
        upstream: "http://127.0.0.1:1".to_owned(),
        roots: None,
        scope_prefix: String::new(),
        upstream_resource: None,
        is_strict: false,
        exchange_audience: String::new(),
        scopes: vec!["mcp.call".to_owned()],
    };
    let bus = MemoryBus::new(prynai_bus::BusLimits::default());
    let (once, limiter) = (Arc::clone(&bus), bus);
    let facade = Facade::new(&settings, place, once, limiter, None).expect("is set up");
    let record = Record {
        name: "A client".to_owned(),
        redirect_uris: vec![REDIRECT.parse().expect("is good")],
        refreshes: true,
    };
    let id = record.seal(&facade.sealer);
    let client = facade.clients.bearer(&facade.sealer, &id);
    (facade, client.expect("is known"))
}

fn refresh(family: &str) -> Refresh {
    let family = Family::of_code(family);
    let scopes = vec!["mcp.call".to_owned()];
    Refresh::new(family, REDIRECT, "of the issuer".to_owned(), scopes)
}

async fn used(facade: &Facade, client: &Client, token: &str) -> Result<Value, &'static str> {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("refresh_token", token)
        .finish();
    let parameters = Parameters::read(form.as_bytes()).expect("is good");
    let used = redeem(facade, client, &parameters).await;
    used.map_err(|refusal| refusal.error)
}

#[tokio::test]
async fn a_token_that_was_used_long_ago_ends_all_of_its_sign_in() {
    let (facade, client) = scene();
    for (ago_s, family_is_good) in [(40, false), (20, true)] {
        let name = ago_s.to_string();
        let (old, sibling) = (refresh(&name), refresh(&name));
        let token = old.give(&facade, &client);
        let first = Turn::of(&facade, "another token", "").await;
        let Ok(Turn::Mine(first)) = first else {
            panic!("nobody used it");
        };
        first.failed(&facade).await.expect("is written");
        let when = format!("{} somebody", now_s() - ago_s);
        let name = format!("refreshed.{}", old.id);
        facade.once.put_once(&name, &when, LIFE).await.expect("is");
        let said = used(&facade, &client, &token).await;
        let sibling = used(&facade, &client, &sibling.give(&facade, &client)).await;
        match family_is_good {
            // What it gave is not there any more, and the issuer is away.
            true => {
                assert_eq!(said, Err("temporarily_unavailable"));
                assert_eq!(sibling, Err("temporarily_unavailable"));
            }
            false => {
                assert_eq!(said, Err("invalid_grant"));
                assert_eq!(sibling, Err("invalid_grant"), "all have ended");
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_was_used_just_now_gives_the_same_again() {
    let (facade, client) = scene();
    let refresh = refresh("family");
    let token = refresh.give(&facade, &client);
    let Ok(Turn::Mine(attempt)) = Turn::of(&facade, &refresh.id, &token).await else {
        panic!("nobody used it");
    };
    let waiting = used(&facade, &client, &token);
    let answer = Answer {
        access_token: "of the issuer".to_owned(),
        ends_s: Some(now_s() + 100),
        scope: "mcp.call".to_owned(),
        refresh_token: "the next".to_owned(),
    };
    let ended = attempt.succeeded(&facade, &token, &answer);
    let (waited, ended) = tokio::join!(waiting, ended);
    ended.expect("is written");
    for told in [waited, used(&facade, &client, &token).await] {
        let told = told.expect("is answered");
        assert_eq!(told["refresh_token"], "the next");
        assert!(told["expires_in"].as_u64().is_some_and(|left| left > 90));
    }
    // Who knows only its name learns nothing.
    assert!(Turn::of(&facade, &refresh.id, "another").await.is_err());
    refresh.family.end(&facade).await.expect("is written");
    let said = used(&facade, &client, &token).await;
    assert_eq!(said, Err("invalid_grant"), "it was given back");
}

#[tokio::test]
async fn an_attempt_that_failed_leaves_the_token_to_the_next() {
    let (facade, client) = scene();
    let token = refresh("family").give(&facade, &client);
    let away = Err("temporarily_unavailable");
    for _ in 0..3 {
        assert_eq!(used(&facade, &client, &token).await, away);
    }
    // There is a bound, too: no request goes through a hundred failed ones.
    let many = Turn::of(&facade, "many", "");
    let Ok(Turn::Mine(first)) = many.await else {
        panic!("nobody used it");
    };
    first.failed(&facade).await.expect("is written");
    let mut tried = 1;
    while let Ok(Turn::Mine(next)) = Turn::of(&facade, "many", "").await {
        next.failed(&facade).await.expect("is written");
        tried += 1;
        assert!(tried < 100, "there is no bound");
    }
}
