//! Refresh tokens (RFC 6749, section 6; RFC 9700, section 4.14). They are the issuer's own, sealed: good only here,
//! only for their client, and once. All that came from one sign-in are a family: if an old one is used again, somebody
//! stole one, and the whole family ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clients::client::Client;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::sealed::{Kind, digest, now_s, unguessable};
use crate::state::Facade;
use crate::tokens::answer;
use crate::upstream::Denied;

/// How long one is good, if it is not used.
const LIFE: Duration = Duration::from_secs(14 * 24 * 3600);

/// For how many seconds a used one may be used again: the answer may have been lost, or two processes of a client share
/// it.
const GRACE_S: u64 = 30;

/// Written where a family ended.
const ENDED: &str = "ended";

/// What came from one sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Family(String);

/// What is in a refresh token.
#[derive(Serialize, Deserialize)]
struct Refresh {
    family: Family,
    /// Its own name.
    id: String,
    /// The issuer's.
    upstream: String,
    /// What the client asked for first.
    scopes: Vec<String>,
}

impl Family {
    pub(super) fn of_code(code: &str) -> Self {
        Self(digest(&format!("family {code}")))
    }

    /// None of its refresh tokens is good any more.
    pub(super) async fn end(&self, facade: &Facade) -> Result<(), Refusal> {
        facade.once.put_once(&self.name(), ENDED, LIFE).await?;
        Ok(())
    }

    async fn has_ended(&self, facade: &Facade) -> Result<bool, Refusal> {
        Ok(facade.once.read_once(&self.name()).await?.is_some())
    }

    fn name(&self) -> String {
        format!("family.{}", self.0)
    }
}

/// A refresh token for a client.
pub(super) fn give(
    facade: &Facade,
    client: &Client,
    family: &Family,
    upstream: &str,
    scopes: &[String],
) -> String {
    let refresh = Refresh {
        family: family.clone(),
        id: unguessable(),
        upstream: upstream.to_owned(),
        scopes: scopes.to_vec(),
    };
    facade
        .sealer
        .seal(Kind::Refresh, &client.digest, &refresh, LIFE)
}

/// Redeems a refresh token.
pub(super) async fn redeem(
    facade: &Facade,
    client: &Client,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let token = parameters.need("refresh_token")?;
    let unknown = || Refusal::grant("the refresh token is unknown, too old, or of another client");
    let refresh: Option<Refresh> = facade.sealer.open(Kind::Refresh, &client.digest, token);
    let refresh = refresh.ok_or_else(unknown)?;
    let scopes = narrowed(facade, &refresh.scopes, parameters.get("scope"))?;
    if refresh.family.has_ended(facade).await? {
        return Err(Refusal::grant(
            "the refresh token was revoked; sign in again",
        ));
    }
    let used = format!("refreshed.{}", refresh.id);
    let first = facade.once.read_once(&used).await?;
    if first.is_some_and(|first| is_over(&first, now_s())) {
        tracing::warn!(client = %client.name, "a refresh token was used again: all of its sign-in are revoked");
        refresh.family.end(facade).await?;
        return Err(Refusal::grant(
            "the refresh token was used before; sign in again",
        ));
    }
    let scope = facade.scopes.upstream(&scopes, true);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.upstream.as_str()),
        ("scope", &scope),
    ];
    let tokens = facade
        .upstream
        .tokens(&fields)
        .await
        .map_err(|denied| match denied {
            Denied::Refused(error, said) if error == "invalid_grant" => Refusal::grant(said),
            Denied::Refused(_, said) => Refusal::new("invalid_request", said),
            Denied::Away => Refusal::passing("the issuer cannot be asked now; try again"),
        })?;
    // Only now: while the issuer is away, the token stays good.
    let now = now_s().to_string();
    facade.once.put_once(&used, &now, LIFE).await?;
    // Not each issuer gives a new one (RFC 6749, section 6).
    let next = tokens.refresh_token.as_deref().unwrap_or(&refresh.upstream);
    let next = give(facade, client, &refresh.family, next, &refresh.scopes);
    let granted = facade.scopes.granted(&scopes, tokens.scope.as_deref());
    let life = tokens.lifetime_s();
    Ok(answer(&tokens.access_token, life, &granted, Some(&next)))
}

/// Ends the family of a refresh token. What is none, or of another client, changes nothing (RFC 7009, section 2.2).
pub(super) async fn revoke(facade: &Facade, client: &Client, token: &str) -> Result<(), Refusal> {
    let refresh: Option<Refresh> = facade.sealer.open(Kind::Refresh, &client.digest, token);
    match refresh {
        Some(refresh) => refresh.family.end(facade).await,
        None => Ok(()),
    }
}

/// What is asked for now; never more than at first.
fn narrowed(facade: &Facade, first: &[String], text: Option<&str>) -> Result<Vec<String>, Refusal> {
    let Some(text) = text else {
        return Ok(first.to_vec());
    };
    let asked = facade.scopes.asked(Some(text))?;
    match asked.iter().all(|name| first.contains(name)) {
        true => Ok(asked),
        false => Err(Refusal::new(
            "invalid_scope",
            "this was not asked for at first",
        )),
    }
}

/// Whether the time is over in which a token may be used again that was used `first`, in Unix seconds.
fn is_over(first: &str, now_s: u64) -> bool {
    let first = first.parse().unwrap_or(0);
    now_s.saturating_sub(first) > GRACE_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_may_be_used_again_only_for_a_while() {
        for (first, is_it) in [
            ("1000", false),
            ("970", false),
            ("969", true),
            ("1010", false),
            ("no time", true),
        ] {
            assert_eq!(is_over(first, 1000), is_it, "{first}");
        }
    }
}
