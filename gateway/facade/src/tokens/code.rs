//! A code for tokens (RFC 6749, section 4.1.3; RFC 7636, section 4.6).

use serde_json::Value;

use crate::clients::client::Client;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::sealed::{digest, now_s};
use crate::sign_in::grant::Grant;
use crate::state::Facade;
use crate::tokens::answer;
use crate::tokens::refresh::{Family, Refresh};

/// Lengths of a verifier (RFC 7636, section 4.1).
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// Redeems a code.
pub(super) async fn redeem(
    facade: &Facade,
    client: &Client,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let (code, redirect) = (parameters.need("code")?, parameters.need("redirect_uri")?);
    let verifier = parameters.need("code_verifier")?;
    let unknown = || Refusal::grant("the code is unknown, too old, or of another client");
    let grant = Grant::of(facade, code).await?.ok_or_else(unknown)?;
    if grant.client != client.digest {
        return Err(unknown());
    }
    if grant.redirect != redirect {
        return Err(Refusal::grant("the code was sent to another redirect URI"));
    }
    if !VERIFIER.contains(&verifier.len()) || digest(verifier) != grant.challenge {
        return Err(Refusal::grant(
            "the code_verifier is not that of the code_challenge",
        ));
    }
    let family = Family::of_code(code);
    // Only now: whoever stole the code and has no verifier must not spoil it.
    if !Grant::use_up(facade.once.as_ref(), code).await? {
        tracing::warn!(
            "a code was used twice; the tokens that it gave cannot be refreshed any more"
        );
        family.end(facade).await?;
        return Err(Refusal::grant("the code was used before"));
    }
    let refresh_token = grant.refresh_token.map(|upstream| {
        let refresh = Refresh::new(family, &grant.redirect, upstream, grant.scopes.clone());
        refresh.give(facade, client)
    });
    let granted = facade
        .scopes
        .granted(&grant.scopes, grant.granted.as_deref());
    let left = grant.ends_s.map(|ends| ends.saturating_sub(now_s()));
    let refresh_token = refresh_token.as_deref();
    Ok(answer(&grant.access_token, left, &granted, refresh_token))
}
