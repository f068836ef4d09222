//! What every request handler may use.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRef;
use prynai_bus::ids::GatewayId;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::session::Session;
use prynai_bus::{Bus, BusError};
use prynai_oauth_facade::{Facade, OnBehalf};
use prynai_process::lifecycle::Shutdown;
use tokio::task::JoinSet;

use crate::admission::Admission;
use crate::admission::rates::Rates;
use crate::admission::turns::Turns;
use crate::audit::Audit;
use crate::auth::assertions::IdentityProviders;
use crate::auth::{Authenticator, BackgroundTask, Roots};
use crate::changes::Changes;
use crate::changes::catalog::CatalogCache;
use crate::downstream::Downstream;
use crate::first_worker::FirstWorker;
use crate::message::params::Params;
use crate::message::request_head::{Caller, RequestHead};
use crate::origin::AllowedOrigins;
use crate::policy::{self, Policy};
use crate::refusal::RequestError;
use crate::settings::GatewaySettings;
use crate::streams::canceller::Canceller;
use crate::streams::hub::Hub;
use crate::streams::lifetime::Lifetime;
use crate::streams::session_use::{SessionUse, touch_every};
use crate::worker_watch::WorkerWatch;

/// What every request handler may use: a pointer, cloned for each request.
#[derive(Clone)]
pub(crate) struct AppState(Arc<Inner>);

/// What all clones of an [`AppState`] share.
pub(crate) struct Inner {
    pub(crate) admission: Admission,
    pub(crate) audit: Audit,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) authenticator: Authenticator,
    pub(crate) origins: AllowedOrigins,
    pub(crate) hub: Hub,
    pub(crate) changes: Changes,
    pub(crate) catalog: CatalogCache,
    pub(crate) canceller: Canceller,
    /// The authorization server that clients see, if it is not the issuer itself.
    pub(crate) facade: Option<Facade>,
    /// Who gets tokens for other APIs, where the settings say how.
    pub(crate) downstream: Option<Downstream>,
    pub(crate) first_worker: FirstWorker,
    pub(crate) policy: Policy,
    pub(crate) rates: Rates,
    pub(crate) settings: GatewaySettings,
    pub(crate) shutdown: Shutdown,
    pub(crate) turns: Turns,
    pub(crate) workers: Arc<WorkerWatch>,
}

impl Deref for AppState {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<AppState> for Authenticator {
    fn from_ref(state: &AppState) -> Self {
        state.authenticator.clone()
    }
}

impl AppState {
    /// The state of a gateway that has this name. What keeps it up to date runs in `background`, and never ends.
    ///
    /// # Errors
    ///
    /// When the bus cannot be subscribed to.
    pub(crate) async fn start(
        gateway: GatewayId,
        bus: Arc<dyn Bus>,
        settings: GatewaySettings,
        policy: Policy,
        shutdown: Shutdown,
        background: &mut JoinSet<()>,
    ) -> Result<Self, BusError> {
        let news = bus.event_news(&gateway).await?;
        let (hub, hub_task) = Hub::new(gateway, bus.clone(), news);
        let news = bus.change_news().await?;
        let (changes, changes_task) = Changes::new(bus.clone(), news).await?;
        let (catalog, catalog_task) = CatalogCache::new(bus.clone(), &changes).await?;
        background.spawn(hub_task);
        background.spawn(changes_task);
        background.spawn(catalog_task);
        let (facade, facade_tasks) = facade(&settings, &bus)?;
        for task in facade_tasks {
            background.spawn(task);
        }
        let downstream = downstream(&settings, &bus)?;
        let origins = settings.allowed_origins();
        let scheme = if settings.tls.is_on() {
            "https"
        } else {
            "http"
        };
        let (authenticator, key_tasks) = Authenticator::new(
            &settings.auth,
            scheme,
            facade.as_ref(),
            downstream.is_some(),
        );
        for task in key_tasks {
            background.spawn(task);
        }
        let (audit, audit_task) = Audit::new(hub.gateway().clone(), bus.clone());
        background.spawn(audit_task);
        let rates = Rates::new(bus.clone());
        let workers = Arc::new(WorkerWatch::new(settings.worker_grace));
        let turns = Turns::new();
        let first_worker = FirstWorker::new(
            hub.gateway().clone(),
            bus.clone(),
            catalog.clone(),
            turns.clone(),
            shutdown.clone(),
            settings.worker_grace,
        );
        Ok(Self(Arc::new(Inner {
            admission: Admission::new(bus.clone(), &settings.limits),
            audit,
            canceller: Canceller::new(bus.clone(), bus.clone()),
            facade,
            downstream,
            origins: AllowedOrigins::new(&origins, settings.listen.ip()),
            bus,
            authenticator,
            hub,
            changes,
            catalog,
            first_worker,
            policy,
            rates,
            settings,
            shutdown,
            turns,
            workers,
        })))
    }

    /// How long an event stream lasts that begins now.
    pub(crate) fn lifetime(&self, caller: &Caller) -> Lifetime {
        let limits = &self.settings.limits;
        let (most, keep_alive) = (limits.max_stream_age, limits.keep_alive);
        Lifetime::begin(self.shutdown.clone(), most, keep_alive, caller.expires)
    }

    /// What an open stream of a session does for it: it keeps the session from falling idle.
    pub(crate) fn use_of(&self, session: &Session) -> SessionUse {
        let every = touch_every(self.settings.limits.session_idle);
        SessionUse::new(self.bus.clone(), session, every)
    }

    /// What the workers serve. While none has ever said so, the request, of so many bytes, waits for the first one for
    /// `timeout` at most; meanwhile it counts to its caller's share as a call does.
    pub(crate) async fn served(
        &self,
        head: RequestHead<'_>,
        bytes: usize,
        timeout: Option<Duration>,
    ) -> Result<Arc<CatalogRecord>, RequestError> {
        if let Some(catalog) = self.catalog.known_record() {
            return Ok(catalog);
        }
        Box::pin(async move {
            let share = head.share(None);
            let _permit = self.admission.call(share.clone(), share, bytes).await?;
            let most = self.settings.limits.request_timeout;
            let patience = timeout.map_or(most, |timeout| timeout.min(most));
            self.first_worker.catalog(patience).await
        })
        .await
    }

    /// Refuses what its caller may not send, as [`policy::check`] does, or not so often.
    pub(crate) async fn check_policy(
        &self,
        head: RequestHead<'_>,
        method: &str,
        params: &Params,
    ) -> Result<(), RequestError> {
        let principal = &head.caller.principal;
        let allowed = policy::check(&self.policy, &self.catalog, principal, method, params).await?;
        if let Some(rule) = allowed.rule {
            head.operation.allowed_by(rule);
        }
        self.rates.take(&allowed.counted).await
    }

    /// Says of a message that it is refused, to the log and to the audit.
    pub(crate) fn refused(&self, head: RequestHead<'_>, error: &RequestError) {
        let operation = head.operation;
        operation.refused(error);
        if let Some(asked) = operation.asked() {
            self.audit.refused(&head.caller.principal, asked, error);
        }
    }
}

/// Who gets tokens for other APIs, if the settings say how.
fn downstream(
    settings: &GatewaySettings,
    bus: &Arc<dyn Bus>,
) -> Result<Option<Downstream>, BusError> {
    let on_behalf = &settings.on_behalf;
    if on_behalf.downstream_client_id.is_none() {
        return Ok(None);
    }
    if !bus.keeps_tokens() {
        let lacking = "--downstream-client-id needs --downstream-key, the same in the whole fleet";
        return Err(BusError::Unusable(lacking.to_owned()));
    }
    let roots = settings.auth.auth_ca.as_ref();
    let issuer = settings.auth.on_behalf_issuer();
    let made = issuer.and_then(|issuer| {
        OnBehalf::new(on_behalf, issuer, roots.map(|Roots(roots)| roots.clone()))
    });
    // The settings were checked.
    let made = made.map_err(BusError::Unexpected)?;
    Ok(made.map(|made| Downstream::new(made, bus.clone(), on_behalf.downstream_apps)))
}

/// The façade, if the settings want one. The tasks keep up to date what it knows.
fn facade(
    settings: &GatewaySettings,
    bus: &Arc<dyn Bus>,
) -> Result<(Option<Facade>, Vec<BackgroundTask>), BusError> {
    if !settings.facade.oauth_facade {
        return Ok((None, Vec::new()));
    }
    let (issuers, roots) = (settings.enterprise_issuers(), &settings.auth.auth_ca);
    let place = settings.auth.facade_place();
    let facade = issuers.and_then(|issuers| {
        let takes_some = !issuers.is_empty();
        let (assertions, tasks) = IdentityProviders::new(issuers, roots.as_ref());
        let assertions = takes_some.then(|| Arc::new(assertions) as _);
        let facade = Facade::new(
            &settings.facade,
            place?,
            bus.clone(),
            bus.clone(),
            assertions,
        )?;
        Ok((Some(facade), tasks))
    });
    // The settings were checked.
    facade.map_err(BusError::Unexpected)
}
