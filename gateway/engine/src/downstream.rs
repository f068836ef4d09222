//! Tokens for other APIs, of the callers of tools that name scopes of these. They are there before the call is queued:
//! whoever has none hears why, and the tool does not run. The caller's own token stays here.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::shown::visible;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::principal::{CallerKind, Identity};
use prynai_bus::{DownstreamToken, DownstreamTokens};
use prynai_oauth_facade::{Given, NotGiven, OnBehalf};
use prynai_process::clock::unix_millis;
use tokio::sync::Mutex;

use crate::message::request_head::{Caller, RequestHead};
use crate::refusal::RequestError;

/// How much earlier than it ends a token is forgotten, in seconds: whoever finds one can use it for so long.
const MARGIN_S: u64 = 60;

/// Of many callers who come at once, so many get their tokens at a time; of one caller, one.
const LOCKS: usize = 64;

/// Longest reason of the issuer that a caller hears, in bytes.
const MOST_SAID: usize = 400;

/// Gets tokens for other APIs, and keeps them for handlers.
pub(crate) struct Downstream {
    on_behalf: OnBehalf,
    tokens: Arc<dyn DownstreamTokens>,
    /// Whether tools may act for applications.
    for_apps: bool,
    locks: [Mutex<()>; LOCKS],
}

impl Downstream {
    pub(crate) fn new(
        on_behalf: OnBehalf,
        tokens: Arc<dyn DownstreamTokens>,
        for_apps: bool,
    ) -> Self {
        Self {
            on_behalf,
            tokens,
            for_apps,
            locks: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Sees to it that the handler of a call finds the tokens that its tool wants, before the call is queued.
    ///
    /// # Errors
    ///
    /// Why there is one that it cannot have.
    pub(crate) async fn prepare(
        &self,
        catalog: &CatalogRecord,
        head: RequestHead<'_>,
        method: &str,
        target: Option<&str>,
    ) -> Result<(), RequestError> {
        let tool = target.filter(|_| method == "tools/call");
        let tool = tool.and_then(|tool| catalog.tools.get(tool));
        for scope in tool.iter().flat_map(|tool| &tool.downstream) {
            self.prepare_one(head.caller, scope).await?;
        }
        Ok(())
    }

    async fn prepare_one(&self, caller: &Caller, scope: &str) -> Result<(), RequestError> {
        let subject = &caller.principal.subject;
        self.check(caller.principal.identity.as_deref())?;
        if self.tokens.token_of(subject, scope).await?.is_some() {
            return Ok(());
        }
        let _one_at_a_time = self.lock(subject, scope).lock().await;
        // Another call of the same caller may have got it meanwhile.
        if self.tokens.token_of(subject, scope).await?.is_some() {
            return Ok(());
        }
        let Given { token, life_s } = self.ask(caller, scope).await?;
        let token = DownstreamToken {
            token,
            ends_s: unix_millis() / 1000 + life_s,
        };
        // What ends at once is still good for this call.
        let life = Duration::from_secs(life_s.saturating_sub(MARGIN_S).max(1));
        self.tokens.keep_token(subject, scope, &token, life).await?;
        Ok(())
    }

    fn check(&self, identity: Option<&Identity>) -> Result<(), RequestError> {
        let refused = |why: &str| Err(RequestError::Downstream(why.to_owned()));
        match identity {
            None => refused(
                "this tool acts on behalf of its caller, and this server does not know its callers",
            ),
            // Only tokens of Entra ID name a tenant.
            Some(Identity { tenant: None, .. }) => refused(
                "this tool acts on behalf of its caller at another API, where whoever signs you in is not known",
            ),
            Some(Identity {
                kind: CallerKind::App,
                ..
            }) if !self.for_apps => refused(
                "this tool acts on behalf of a person, and an application calls by itself: sign a person in, or let \
                 the operator allow it with --downstream-apps",
            ),
            Some(_) => Ok(()),
        }
    }

    async fn ask(&self, caller: &Caller, scope: &str) -> Result<Given, RequestError> {
        let identity = caller.principal.identity.as_deref();
        let is_app = identity.is_some_and(|identity| identity.kind == CallerKind::App);
        let given = match (is_app, &caller.token) {
            (true, _) => self.on_behalf.of_itself(scope).await,
            (false, Some(token)) => self.on_behalf.of_person(token.expose(), scope).await,
            // A caller with an identity has shown a token.
            (false, None) => Err(NotGiven::Away),
        };
        given.map_err(|why| match why {
            NotGiven::Away => RequestError::DownstreamAway,
            NotGiven::Refused(said) => {
                let said = visible(&said, MOST_SAID);
                let scope = visible(scope, MOST_SAID);
                RequestError::Downstream(format!(
                    "this tool needs {scope} on your behalf, and the issuer does not give it: {said}"
                ))
            }
        })
    }

    fn lock(&self, subject: &str, scope: &str) -> &Mutex<()> {
        let mut hasher = DefaultHasher::new();
        (subject, scope).hash(&mut hasher);
        // Below the number of locks.
        &self.locks[(hasher.finish() % LOCKS as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use prynai_bus::BusLimits;
    use prynai_memory_bus::MemoryBus;
    use prynai_oauth_facade::OnBehalfSettings;

    use super::*;

    #[test]
    fn however_many_callers_come_there_is_a_bound_on_locks() {
        let settings = OnBehalfSettings {
            downstream_client_id: Some("id".to_owned()),
            downstream_client_secret: Some("geheim".to_owned().into()),
            ..OnBehalfSettings::default()
        };
        let made = OnBehalf::new(&settings, "http://127.0.0.1:1".to_owned(), None);
        let made = made.expect("is set up").expect("is wanted");
        let downstream = Downstream::new(made, MemoryBus::new(BusLimits::default()), false);
        let of = |n: usize, scope: &str| {
            std::ptr::from_ref(downstream.lock(&format!("caller {n}"), scope))
        };
        let used: HashSet<_> = (0..10_000).map(|n| of(n, "records.read")).collect();
        assert_eq!(used.len(), 64);
        let of_one: HashSet<_> = (0..100).map(|_| of(7, "records.read")).collect();
        assert_eq!(of_one.len(), 1, "a caller waits for itself");
        let scopes: HashSet<_> = (0..100).map(|n| of(7, &format!("scope {n}"))).collect();
        assert!(scopes.len() > 1, "but not for another scope of its own");
    }
}
