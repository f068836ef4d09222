//! How much may be asked.

use serde_json::Value;

use crate::scene::{Scene, http};

/// More than come back while a test asks.
const MORE_THAN_ENOUGH: usize = 6000;

#[tokio::test]
async fn who_asks_too_often_is_told_to_wait() {
    let scene = Scene::start().await;
    let client = http();
    let ask = async |gateway: &String| {
        let url = format!("{gateway}/oauth/token");
        client.post(url).send().await.expect("an answer")
    };
    // Both gateways count together.
    for gateway in scene.gateways.iter().cycle().take(MORE_THAN_ENOUGH) {
        let answer = ask(gateway).await;
        if answer.status() == 429 {
            assert!(answer.headers().contains_key("retry-after"));
            let text = answer.text().await.expect("a body");
            let said: Value = serde_json::from_str(&text).expect("is JSON");
            assert_eq!(said["error"], "temporarily_unavailable");
            // Other endpoints have bounds of their own.
            scene.register().await;
            return;
        }
        assert_eq!(answer.status(), 400);
    }
    panic!("nobody was refused");
}

#[tokio::test]
async fn no_request_is_longer_than_it_need_be() {
    let scene = Scene::start().await;
    for (body, status) in [(32 * 1024, 400), (32 * 1024 + 1, 413)] {
        let sent = http().post(scene.at("/oauth/token")).body("x".repeat(body));
        let answer = sent.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{body}");
    }
}
