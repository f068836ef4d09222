//! Tokens for a service that acts by itself (RFC 6749, section 4.4; the extension `oauth-client-credentials` of MCP,
//! SEP-1046). The issuer knows it: the façade passes on its secret, or vouches for its key, and asks for the scope that
//! the issuer wants.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::sealed::{digest, now_s, unguessable};
use crate::state::Facade;
use crate::tokens::{answer, shown};
use crate::upstream::Denied;
use crate::upstream::credential::ASSERTION;

/// For how many seconds the issuer may take the façade's word for a service.
const LIFE_S: u64 = 300;

/// Tokens for whoever shows its own secret, or that it has its key.
pub(super) async fn tokens(
    facade: &Facade,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let (id, proof) = match parameters.get("client_assertion") {
        Some(assertion) => by_key(facade, headers, parameters, assertion).await?,
        None => {
            let (id, secret) = shown(headers, parameters)?;
            (id, vec![("client_secret", secret)])
        }
    };
    let scope = facade.scopes.of_service(parameters.get("scope"))?;
    let fields = [
        ("grant_type", "client_credentials"),
        ("scope", scope.as_str()),
    ];
    let tokens = facade.upstream.tokens_of(&id, &proof, &fields).await;
    let tokens = tokens.map_err(|denied| match denied {
        Denied::Refused(error, said) => match error.as_str() {
            "invalid_client" | "unauthorized_client" => Refusal::client(said),
            "invalid_scope" => Refusal::new("invalid_scope", said),
            _ => Refusal::new("invalid_request", said),
        },
        Denied::Away => Refusal::passing("the issuer cannot be asked now; try again"),
    })?;
    // What it may do are roles, which have no scopes.
    Ok(answer(&tokens.access_token, tokens.lifetime_s(), "", None))
}

/// The service signed an assertion for us (RFC 7523, section 3). The issuer would not take it, since it is for us: the
/// façade vouches for the service there, whose registration trusts it (a federated credential).
async fn by_key(
    facade: &Facade,
    headers: &HeaderMap,
    parameters: &Parameters,
    assertion: &str,
) -> Result<(String, Vec<(&'static str, String)>), Refusal> {
    let wrong = |why: &str| Refusal::client(format!("the assertion proves nothing: {why}"));
    let is_other_kind = parameters.get("client_assertion_type") != Some(ASSERTION);
    if is_other_kind || headers.contains_key(header::AUTHORIZATION) {
        return Err(wrong(
            "client_assertion_type is needed, and nothing else is shown",
        ));
    }
    // The assertion names who shows it, whether client_id does so or not (RFC 7521, section 4.2).
    let named = parameters.get("client_id");
    let services = facade.services.iter();
    let mut services = services.filter(|service| named.is_none_or(|id| service.id() == id));
    let names = [facade.issuer.clone(), format!("{}/token", facade.issuer)];
    let names = names.each_ref().map(String::as_str);
    let mut why = "the service is not known here";
    let proven = services.find_map(|service| {
        let checked = service.check(assertion, &names, now_s());
        checked
            .map_err(|reason| why = reason)
            .ok()
            .map(|proven| (service.id(), proven))
    });
    let (id, proven) = proven.ok_or_else(|| wrong(why))?;
    let name = format!("service.{}", digest(&format!("{id}\n{}", proven.id)));
    let mine = unguessable();
    let life = Duration::from_secs(proven.life_s);
    if facade.once.put_once(&name, &mine, life).await? != mine {
        return Err(wrong("it was shown before"));
    }
    // Without a key the settings name no service.
    let none = || Refusal::passing("the server has no key to sign with");
    let key = facade.signing_keys.first().ok_or_else(none)?;
    let now = now_s();
    let word = json!({
        "iss": facade.issuer, "sub": id, "aud": facade.exchange_audience, "jti": unguessable(),
        "iat": now, "nbf": now, "exp": now + LIFE_S,
    });
    let proof = vec![
        ("client_assertion_type", ASSERTION.to_owned()),
        ("client_assertion", key.sign("JWT", &word)?),
    ];
    Ok((id.to_owned(), proof))
}
