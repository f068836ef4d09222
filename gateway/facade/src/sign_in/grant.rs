//! What a code is good for. It lies on the bus for a minute, sealed, and only the code itself opens it: whoever reads
//! the bus has no code, and a code alone is nothing without the keys of the façade.

use std::time::Duration;

use prynai_bus::OnceStore;
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::sealed::{Kind, digest, unguessable};
use crate::state::Facade;

/// How long a code is good: the client fetches the tokens at once.
const LIFE: Duration = Duration::from_secs(60);

/// What a code is good for.
#[derive(Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The digest of the client's id.
    pub(crate) client: String,
    pub(crate) redirect: String,
    pub(crate) challenge: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) access_token: String,
    /// When the access token ends, Unix seconds.
    pub(crate) ends_s: Option<u64>,
    /// The issuer's own, if the client is to have one.
    pub(crate) refresh_token: Option<String>,
    /// What the issuer granted, as it writes it.
    pub(crate) granted: Option<String>,
}

impl Grant {
    /// Gives out a code for it.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    pub(crate) async fn give(&self, facade: &Facade) -> Result<String, Refusal> {
        let code = unguessable();
        let sealed = facade.sealer.seal(Kind::Code, &code, self, LIFE);
        facade.once.put_once(&given(&code), &sealed, LIFE).await?;
        Ok(code)
    }

    /// What this code is good for.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    pub(crate) async fn of(facade: &Facade, code: &str) -> Result<Option<Self>, Refusal> {
        let sealed = facade.once.read_once(&given(code)).await?;
        Ok(sealed.and_then(|sealed| facade.sealer.open(Kind::Code, code, &sealed)))
    }

    /// Whether the code was not used before, by anybody.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    pub(crate) async fn use_up(once: &dyn OnceStore, code: &str) -> Result<bool, Refusal> {
        let attempt = unguessable();
        let used = format!("used.{}", digest(code));
        // As long as the code may be good, by any clock.
        Ok(once.put_once(&used, &attempt, LIFE * 2).await? == attempt)
    }
}

fn given(code: &str) -> String {
    format!("code.{}", digest(code))
}
