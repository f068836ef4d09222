//! Refresh tokens (RFC 6749, section 6; RFC 9700, section 4.14). They are the issuer's own, sealed: good only here,
//! only for their client, and once. All that came from one sign-in are a family: if an old one is used again, somebody
//! stole one, and the whole family ends.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clients::client::Client;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::sealed::{Kind, digest, now_s, unguessable};
use crate::state::Facade;
use crate::tokens::LIFE;
use crate::tokens::attempt::{Answer, Turn};
use crate::upstream::Denied;

/// Written where a family ended.
const ENDED: &str = "ended";

/// What came from one sign-in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Family(String);

/// What is in a refresh token.
#[derive(Serialize, Deserialize)]
pub(super) struct Refresh {
    family: Family,
    /// Its own name.
    id: String,
    /// Where the code was sent that the family came from.
    redirect: String,
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
        // Longer than any of them can be good, also one that is being made now.
        facade.once.put_once(&self.name(), ENDED, LIFE * 2).await?;
        Ok(())
    }

    async fn check(&self, facade: &Facade) -> Result<(), Refusal> {
        match facade.once.read_once(&self.name()).await? {
            None => Ok(()),
            Some(_) => Err(Refusal::grant(
                "the refresh token was revoked; sign in again",
            )),
        }
    }

    fn name(&self) -> String {
        format!("family.{}", self.0)
    }
}

impl Refresh {
    pub(super) fn new(
        family: Family,
        redirect: &str,
        upstream: String,
        scopes: Vec<String>,
    ) -> Self {
        Self {
            family,
            id: unguessable(),
            redirect: redirect.to_owned(),
            upstream,
            scopes,
        }
    }

    /// The refresh token, for its client.
    pub(super) fn give(&self, facade: &Facade, client: &Client) -> String {
        facade
            .sealer
            .seal(Kind::Refresh, &client.digest, self, LIFE)
    }

    /// The one that takes its place. Not each issuer gives a new one (RFC 6749, section 6).
    fn next(&self, upstream: Option<String>) -> Self {
        Self {
            family: self.family.clone(),
            id: unguessable(),
            redirect: self.redirect.clone(),
            upstream: upstream.unwrap_or_else(|| self.upstream.clone()),
            scopes: self.scopes.clone(),
        }
    }
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
    if !facade.clients.still_allows(client, &refresh.redirect) {
        return Err(Refusal::grant(
            "the operator of this server does not allow this app any more",
        ));
    }
    let scopes = narrowed(facade, &refresh.scopes, parameters.get("scope"))?;
    refresh.family.check(facade).await?;
    match Turn::of(facade, &refresh.id, token).await? {
        Turn::Answered(answer) => Ok(answer.told()),
        Turn::Over => {
            tracing::warn!(client = %client.name, "a refresh token was used again: all of its sign-in are revoked");
            refresh.family.end(facade).await?;
            Err(Refusal::grant(
                "the refresh token was used before; sign in again",
            ))
        }
        Turn::Mine(attempt) => {
            let (facade, client, token) = (facade.clone(), client.clone(), token.to_owned());
            // It comes to its end, whether the client waits or not: the issuer takes its token only once.
            let asking = tokio::spawn(async move {
                let answer = ask(&facade, &client, &refresh, &scopes).await;
                match &answer {
                    Ok(answer) => attempt.succeeded(&facade, &token, answer).await?,
                    Err(_) => attempt.failed(&facade).await?,
                }
                answer
            });
            let stopped = |_| Refusal::passing("the server is stopping; try again");
            Ok(asking.await.map_err(stopped)??.told())
        }
    }
}

/// Asks the issuer.
async fn ask(
    facade: &Facade,
    client: &Client,
    refresh: &Refresh,
    scopes: &[String],
) -> Result<Answer, Refusal> {
    let scope = match facade.is_strict {
        false => Some(facade.scopes.upstream(scopes, true)),
        // Nobody says whether it has given all that was asked for; without a scope it gives what it has.
        true if scopes.len() == refresh.scopes.len() => None,
        true => Some(facade.scopes.narrowed(scopes)),
    };
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.upstream.as_str()),
    ];
    fields.extend(scope.iter().map(|scope| ("scope", scope.as_str())));
    let tokens = facade.upstream.tokens(&fields).await;
    let tokens = tokens.map_err(|denied| match denied {
        Denied::Refused(error, said) if error == "invalid_grant" => Refusal::grant(said),
        Denied::Refused(_, said) => Refusal::new("invalid_request", said),
        Denied::Away => Refusal::passing("the issuer cannot be asked now; try again"),
    })?;
    // It may have been given back meanwhile.
    refresh.family.check(facade).await?;
    Ok(Answer {
        ends_s: tokens.lifetime_s().map(|life| now_s().saturating_add(life)),
        scope: facade.scopes.granted(scopes, tokens.scope.as_deref()),
        access_token: tokens.access_token,
        refresh_token: refresh.next(tokens.refresh_token).give(facade, client),
    })
}

/// Ends the family of a refresh token. What is none, or of another client, changes nothing (RFC 7009, section 2.2).
pub(super) async fn revoke(facade: &Facade, client: &Client, token: &str) -> Result<(), Refusal> {
    let refresh: Option<Refresh> = facade.sealer.open(Kind::Refresh, &client.digest, token);
    match refresh {
        Some(refresh) => refresh.family.end(facade).await,
        None => Ok(()),
    }
}

/// What is asked for now; never more than at first. What the issuer added then, the client may name, too.
fn narrowed(facade: &Facade, first: &[String], text: Option<&str>) -> Result<Vec<String>, Refusal> {
    let Some(text) = text else {
        return Ok(first.to_vec());
    };
    let mut asked = facade.scopes.asked(Some(text))?;
    asked.retain(|name| first.contains(name));
    match asked.is_empty() {
        false => Ok(asked),
        true => Err(Refusal::new(
            "invalid_scope",
            "this was not asked for at first",
        )),
    }
}

#[cfg(test)]
mod tests;
