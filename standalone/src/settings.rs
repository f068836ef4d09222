//! What the command line says.

use clap::Parser;
use prynai_admin::AdminSettings;
use prynai_gateway_engine::{AuthKind, GatewaySettings};
use prynai_probe::{Command, Probe};
use prynai_process::telemetry::TelemetrySettings;
use prynai_redis_bus::settings::{
    EnvelopeSettings, KeySettings, RedisSettings, RedisSignInSettings, RedisTlsSettings, RedisUrl,
    TaskDurability, TaskSettings, check_tls,
};
use prynai_traces::TraceSettings;
use prynai_worker::{RequestStateKeys, WorkerConfig, WorkerSettings};

/// Everything the process can be told.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "prynai-mcp",
    version,
    about = "Serves MCP over Streamable HTTP from one process: gateway, worker and an in-memory bus",
    disable_help_subcommand = true
)]
pub struct StandaloneSettings {
    /// What to do in place of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub gateway: GatewaySettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub worker: WorkerSettings,

    /// Redis to use in place of the in-memory bus, so that sessions and state survive a restart and
    /// several processes work together: `redis://[user:password@]host:port`, `rediss://` for TLS, or
    /// `redis+sentinel://[user:password@]host:port,host:port/master` [default: none].
    #[arg(
        long,
        env = "PRYNAI_REDIS_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub redis_url: Option<RedisUrl>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub redis_tls: RedisTlsSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub redis_sign_in: RedisSignInSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub keys: KeySettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub envelope: EnvelopeSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub tasks: TaskSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub admin: AdminSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub telemetry: TelemetrySettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub traces: TraceSettings,
}

impl StandaloneSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        self.gateway.check()?;
        self.worker.check()?;
        self.envelope.check()?;
        self.admin.check()?;
        self.traces.check()?;
        check_tls(self.redis_url.as_ref(), &self.redis_tls)?;
        let is_seen = self.redis_url.is_some() && self.envelope.downstream_key.is_empty();
        if is_seen && self.gateway.on_behalf.downstream_client_id.is_some() {
            return Err(
                "--downstream-client-id needs --downstream-key where there is a --redis-url"
                    .to_owned(),
            );
        }
        self.redis_sign_in.check(self.redis_url.as_ref())?;
        if self.tasks.task_durability == TaskDurability::Synced && self.redis_url.is_none() {
            return Err(
                "--task-durability synced needs --redis-url: without a Redis nothing outlives this process"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Who is asked whether it is ready.
    ///
    /// # Errors
    ///
    /// Why nobody can be.
    pub(crate) fn probe(&self) -> Result<Probe, String> {
        Probe::of(self.gateway.listen, self.gateway.tls.is_on(), None)
    }

    /// Whether whoever reaches this machine's own addresses may call everything anyway, and nobody else can: then its
    /// console tells nothing that they could not find out. With a Redis, others may share it, and it would show theirs.
    pub(crate) fn is_for_this_machine(&self) -> bool {
        self.gateway.listen.ip().is_loopback()
            && self.gateway.auth.auth == AuthKind::None
            && self.redis_url.is_none()
    }

    /// The settings of the Redis in place of the in-memory bus, if there is one.
    pub(crate) fn redis(&self) -> Option<RedisSettings> {
        Some(RedisSettings {
            redis_url: self.redis_url.clone()?,
            tls: self.redis_tls.clone(),
            sign_in: self.redis_sign_in.clone(),
            keys: self.keys.clone(),
            envelope: self.envelope.clone(),
            task_durability: self.tasks.task_durability,
        })
    }

    /// The configuration of the worker. Without a state key it gets one of its own: it is the only worker.
    pub(crate) fn worker_config(&self) -> WorkerConfig {
        let mut config = self.worker.config();
        config.caller_kept = self.gateway.limits.caller_kept;
        if config.state_keys.is_empty() {
            config.state_keys = RequestStateKeys::random();
        }
        config
    }
}
