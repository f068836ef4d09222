//! What the metadata say.

use prynai_dev_issuer::{Issuer, Options, TENANT};
use serde_json::json;

use super::{fetch, get};

#[tokio::test]
async fn metadata_say_no_more_than_entras_unless_told_to() {
    let issuer = Issuer::start().await;
    let metadata = get(&issuer.metadata_url()).await;
    assert_eq!(metadata["issuer"], issuer.issuer_url());
    assert_eq!(metadata["jwks_uri"], issuer.keys_url());
    assert!(metadata["code_challenge_methods_supported"].is_null());
    assert!(metadata["registration_endpoint"].is_null());
    let rfc_8414 = |issuer: &Issuer| {
        let base = issuer.base_url();
        format!("{base}/.well-known/oauth-authorization-server/{TENANT}/v2.0")
    };
    let base = issuer.base_url();
    for none in [
        rfc_8414(&issuer),
        format!("{base}/{TENANT}/v2.0/.well-known/oauth-authorization-server"),
        format!("{base}/.well-known/oauth-authorization-server"),
        format!("{base}/{TENANT}/oauth2/v2.0/register"),
        format!("{base}/register"),
    ] {
        assert_eq!(fetch(&none).await.status(), 404, "{none}");
    }
    let common = get(&format!(
        "{}/common/v2.0/.well-known/openid-configuration",
        issuer.base_url()
    ))
    .await;
    let any = format!("{}/{{tenantid}}/v2.0", issuer.base_url());
    assert_eq!(common["issuer"], any.as_str());
    let keys = common["jwks_uri"].as_str().expect("a URL");
    assert_eq!(get(keys).await["keys"][0]["issuer"], any.as_str());
    let unknown = format!(
        "{}/x/v2.0/.well-known/openid-configuration",
        issuer.base_url()
    );
    let unknown = fetch(&unknown).await;
    assert_eq!(unknown.status(), 400);

    let telling = Issuer::start_with(Options {
        advertise_s256: true,
        ..Options::default()
    })
    .await;
    let metadata = get(&telling.metadata_url()).await;
    assert_eq!(
        metadata["code_challenge_methods_supported"],
        json!(["S256"])
    );
    assert_eq!(get(&rfc_8414(&telling)).await, metadata);
}
