//! What clients read first.

use serde_json::json;

use crate::scene::{Scene, http, json_of};

#[tokio::test]
async fn metadata_are_where_each_standard_puts_them() {
    let scene = Scene::start().await;
    for path in [
        "/.well-known/oauth-authorization-server/oauth",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/oauth",
        "/.well-known/openid-configuration",
        "/oauth/.well-known/openid-configuration",
    ] {
        let got = http().get(scene.at(path)).send().await.expect("an answer");
        let (status, document) = json_of(got).await;
        assert_eq!(status, 200, "{path}");
        let issuer = scene.at("/oauth");
        assert_eq!(document["issuer"], issuer, "{path}");
        assert_eq!(
            document["code_challenge_methods_supported"],
            json!(["S256"])
        );
        assert_eq!(
            document["authorization_response_iss_parameter_supported"],
            true
        );
        assert_eq!(document["token_endpoint"], format!("{issuer}/token"));
        let is_openid = path.contains("openid");
        assert_eq!(document["jwks_uri"].is_string(), is_openid, "{path}");
    }
    for path in [
        "/.well-known/oauth-authorization-server/other",
        "/.well-known/oauth-authorization-server/oauth/more",
    ] {
        let got = http().get(scene.at(path)).send().await.expect("an answer");
        assert_eq!(got.status(), 404, "{path}");
    }
}
