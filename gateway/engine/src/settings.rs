//! Settings of the gateway: one struct for each concern, which lies with what it is about.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use prynai_oauth_facade::{FacadeSettings, OnBehalfSettings};
use prynai_process::settings::listen_address;

use crate::admission::limits::LimitSettings;
use crate::auth::{AuthSettings, CallersAllowed, IssuerUrl};
use crate::listen::tls::TlsSettings;
use crate::origin::OriginSettings;
use crate::policy::PolicyFile;

/// What a gateway itself needs, wherever its bus is.
#[derive(Debug, Clone, Args)]
pub struct GatewaySettings {
    /// Address to serve HTTP or HTTPS on, as host:port; port 0 takes a free one.
    #[arg(long, env = "PRYNAI_LISTEN", default_value = "127.0.0.1:8000", value_name = "ADDRESS", value_parser = listen_address)]
    pub listen: SocketAddr,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub tls: TlsSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub origin: OriginSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub auth: AuthSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub facade: FacadeSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub on_behalf: OnBehalfSettings,

    /// File that says who may list and call which tools, prompts and resources (docs/policy.md). A change of it
    /// counts within seconds [default: every caller may do everything].
    #[arg(long, env = "PRYNAI_POLICY", value_name = "FILE", value_parser = PolicyFile::read)]
    pub policy: Option<PolicyFile>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub limits: LimitSettings,

    /// Time for which requests may wait while no worker lives, before `/readyz` says no; long enough for the
    /// autoscaler to start one. Workers that are scaled to zero are no fault while nothing waits.
    #[arg(long, env = "PRYNAI_WORKER_GRACE", default_value = "2m", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub worker_grace: Duration,

    /// Time that running requests get to end after SIGTERM, such as 20s or 2m.
    #[arg(long, env = "PRYNAI_DRAIN_TIMEOUT", default_value = "20s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub drain_timeout: Duration,
}

impl GatewaySettings {
    /// # Errors
    ///
    /// What cannot work, in words.
    pub fn check(&self) -> Result<(), String> {
        self.auth.check(self.listen)?;
        self.facade.check()?;
        if self.facade.oauth_facade {
            self.auth.facade_place()?;
        }
        self.check_enterprise()?;
        self.on_behalf.check()?;
        if self.on_behalf.downstream_client_id.is_some() {
            self.auth.on_behalf_issuer()?;
        }
        self.limits.check()?;
        self.tls.check().map_err(|error| error.to_string())
    }

    /// Who comes with an assertion has scopes and no roles.
    fn check_enterprise(&self) -> Result<(), String> {
        let auth = &self.auth;
        let lets_nobody_in = auth.auth_scope.is_empty() && !auth.auth_role.is_empty()
            || auth.auth_callers == Some(CallersAllowed::Apps);
        match !self.enterprise_issuers()?.is_empty() && lets_nobody_in {
            true => Err("--facade-enterprise-issuer lets people in by their scopes: it needs --auth-scope, and no \
                         --auth-callers apps"
                .to_owned()),
            false => Ok(()),
        }
    }

    /// Whose assertions the façade takes.
    ///
    /// # Errors
    ///
    /// What is wrong with the setting.
    pub(crate) fn enterprise_issuers(&self) -> Result<Vec<IssuerUrl>, String> {
        let urls = self.facade.facade_enterprise_issuer.iter();
        urls.map(|url| {
            url.parse()
                .map_err(|why| format!("--facade-enterprise-issuer: {why}"))
        })
        .collect()
    }

    /// Whence requests may come: from the pages of the façade as well.
    pub(crate) fn allowed_origins(&self) -> OriginSettings {
        let mut allowed = self.origin.clone();
        let public = self
            .auth
            .public_url
            .as_deref()
            .filter(|_| self.facade.oauth_facade);
        if let Some((scheme, rest)) = public.and_then(|url| url.split_once("://")) {
            let authority = rest.split('/').next().unwrap_or_default();
            allowed.allowed_host.extend(authority.parse().ok());
            let origin = format!("{scheme}://{authority}");
            allowed.allowed_origin.extend(origin.parse().ok());
        }
        allowed
    }
}
