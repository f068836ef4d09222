//! An identity assertion of an enterprise for a token of the façade itself.

use std::time::Duration;

use axum::http::HeaderMap;
use serde_json::Value;

use crate::enterprise::Unread;
use crate::enterprise::assertion::Assertion;
use crate::own::{self, Bearer};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::sealed::{digest, now_s, unguessable};
use crate::state::Facade;
use crate::tokens::{answer, shown};

/// Longest assertion, in bytes.
const MOST_BYTES: usize = 16 * 1024;

/// Redeems an assertion.
pub(super) async fn redeem(
    facade: &Facade,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let Some(assertions) = &facade.assertions else {
        let what = "this server takes no assertions";
        return Err(Refusal::new("unsupported_grant_type", what));
    };
    let (id, secret) = shown(headers, parameters)?;
    let client = facade.enterprise_clients.iter();
    let client = client
        .filter(|client| client.is(&id, &secret))
        .map(|client| client.id.as_str())
        .next()
        .ok_or_else(|| {
            Refusal::client("the client is not registered here, or has another secret")
        })?;
    let text = parameters.need("assertion")?;
    if text.len() > MOST_BYTES {
        return Err(Refusal::grant("the assertion is too long"));
    }
    let claims = assertions.read(text).await.map_err(|unread| match unread {
        Unread::Bad(reason) => Refusal::grant(format!("the assertion is no good: {reason}")),
        Unread::NoKeys => Refusal::passing("the keys of the issuer are not known yet; try again"),
    })?;
    let assertion = Assertion::read(claims)
        .and_then(|assertion| {
            assertion.check(&facade.issuer, &facade.resource, client, now_s())?;
            Ok(assertion)
        })
        .map_err(|reason| Refusal::grant(format!("the assertion is no good: {reason}")))?;
    let scope = assertion.granted(&facade.scopes, parameters.get("scope"))?;
    // Last of all: what was refused for another reason can be shown again.
    let name = digest(&format!("{}\n{}", assertion.issuer, assertion.id));
    let mine = unguessable();
    let life = Duration::from_secs(assertion.life_s(now_s()));
    let first = facade
        .once
        .put_once(&format!("jag.{name}"), &mine, life)
        .await?;
    if first != mine {
        let issuer = assertion.issuer.as_str();
        tracing::warn!(issuer, client, "an assertion was shown twice");
        return Err(Refusal::grant("the assertion was used before"));
    }
    let bearer = Bearer {
        enterprise: &assertion.issuer,
        subject: &assertion.subject,
        client,
        scope: &scope,
    };
    let (token, life_s) = own::access_token(facade, &bearer)?;
    Ok(answer(&token, Some(life_s), &scope, None))
}
