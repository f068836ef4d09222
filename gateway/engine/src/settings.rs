//! Settings of the gateway: one struct for each concern, which lies with what it is about.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use prynai_oauth_facade::FacadeSettings;
use prynai_process::settings::listen_address;

use crate::admission::limits::LimitSettings;
use crate::auth::AuthSettings;
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
        self.limits.check()?;
        self.tls.check().map_err(|error| error.to_string())
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
