//! Reads identity assertions (ID-JAG) for the façade: checks that an issuer on the list signed them.

use std::collections::HashMap;

use async_trait::async_trait;
use jsonwebtoken::{Validation, decode};
use prynai_oauth_facade::{ASSERTION_TYPE, Assertions, Unread};
use serde_json::{Map, Value};

use crate::auth::issuer::client::IssuerClient;
use crate::auth::issuer::keys::{IssuerKeys, NoKey};
use crate::auth::token::header::Unchecked;
use crate::auth::token::verify::{self, BackgroundTask};
use crate::auth::trust::{IssuerUrl, Roots};
use crate::refusal::Flaw;

/// The types of what is read here.
const TYPES: [&str; 2] = [ASSERTION_TYPE, "application/oauth-id-jag+jwt"];

/// The keys of the issuers of assertions.
pub(crate) struct IdentityProviders {
    /// By `iss`.
    issuers: HashMap<String, IssuerKeys>,
    validation: Validation,
}

impl IdentityProviders {
    /// The tasks fetch the issuers' keys.
    pub(crate) fn new(
        issuers: Vec<IssuerUrl>,
        roots: Option<&Roots>,
    ) -> (Self, Vec<BackgroundTask>) {
        let client = IssuerClient::new(roots);
        let mut known = HashMap::new();
        let mut tasks: Vec<BackgroundTask> = Vec::new();
        for issuer in issuers {
            let keys = IssuerKeys::new();
            let name = issuer.as_str().to_owned();
            if known.insert(name.clone(), keys.clone()).is_some() {
                continue;
            }
            let client = client.clone();
            let fetch = async move || client.discovered_keys(&issuer).await;
            tasks.push(Box::pin(keys.keep(name, fetch)));
        }
        let providers = Self {
            issuers: known,
            validation: verify::validation(),
        };
        (providers, tasks)
    }
}

#[async_trait]
impl Assertions for IdentityProviders {
    async fn read(&self, assertion: &str) -> Result<Map<String, Value>, Unread> {
        let bad = |Flaw(_, reason)| Unread::Bad(reason);
        let wrong_type = Flaw("type", "its type (typ) is not oauth-id-jag+jwt");
        let Unchecked { kid, issuer, typ } = Unchecked::read(assertion).map_err(bad)?;
        if !typ.is_some_and(|typ| TYPES.iter().any(|known| known.eq_ignore_ascii_case(&typ))) {
            return Err(bad(wrong_type));
        }
        let keys = self.issuers.get(&issuer);
        let keys = keys.ok_or(Unread::Bad("its issuer (iss) is not trusted here"))?;
        let key = keys.find(&kid).await.map_err(|why| match why {
            NoKey::Unknown => Unread::Bad("its issuer has no key of its name (kid)"),
            NoKey::Silence => Unread::NoKeys,
        })?;
        let decoded = decode::<Map<String, Value>>(assertion, &key, &self.validation);
        let claims = decoded
            .map_err(|error| bad(verify::flaw_of(error.kind())))?
            .claims;
        Ok(claims)
    }
}
