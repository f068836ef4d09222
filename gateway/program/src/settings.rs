//! Everything the process `prynai-gateway` can be told.

use std::time::Duration;

use clap::Parser;
use prynai_admin::AdminSettings;
use prynai_gateway_engine::GatewaySettings;
use prynai_probe::{Command, Probe};
use prynai_process::telemetry::TelemetrySettings;
use prynai_redis_bus::settings::{RedisSettings, TaskSettings};
use prynai_traces::TraceSettings;

/// Everything the process `prynai-gateway` can be told.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "prynai-gateway",
    version,
    about = "Holds the connections of MCP clients and puts their requests on a Redis stream for the workers",
    disable_help_subcommand = true
)]
pub(crate) struct ProcessSettings {
    /// What to do in place of serving.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) gateway: GatewaySettings,
    /// Time after SIGTERM in which connections are still taken while `/readyz` says no, so that the load
    /// balancer can turn to other gateways first, such as 2s; a part of --drain-timeout.
    #[arg(long, env = "PRYNAI_STOP_DELAY", default_value = "2s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) stop_delay: Duration,

    /// Serves nobody: says what --policy would have refused or allowed otherwise of the calls in the audit, and ends
    /// with exit code 0; 1 if it would have refused something; 3 if the audit is empty; 5 if Redis cannot be reached
    /// (docs/policy.md).
    #[arg(long, requires = "policy")]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) redis: RedisSettings,
    #[command(flatten)]
    pub(crate) tasks: TaskSettings,
    #[command(flatten)]
    pub(crate) admin: AdminSettings,
    #[command(flatten)]
    pub(crate) telemetry: TelemetrySettings,
    #[command(flatten)]
    pub(crate) traces: TraceSettings,
}

impl ProcessSettings {
    /// Who is asked whether it is ready.
    ///
    /// # Errors
    ///
    /// Why nobody can be.
    pub(crate) fn probe(&self) -> Result<Probe, String> {
        Probe::of(self.gateway.listen, self.gateway.tls.is_on(), None)
    }

    /// Where Redis is, and what it is to do for this process.
    pub(crate) fn redis(&self) -> RedisSettings {
        RedisSettings {
            task_durability: self.tasks.task_durability,
            ..self.redis.clone()
        }
    }

    /// # Errors
    ///
    /// What cannot work, in words.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.dry_run {
            // Nothing is served.
            return Ok(());
        }
        if self.stop_delay >= self.gateway.drain_timeout {
            return Err(
                "--stop-delay must be below --drain-timeout, of which it is a part".to_owned(),
            );
        }
        self.admin.check()?;
        self.traces.check()?;
        self.gateway.check()?;
        match self.gateway.on_behalf.downstream_client_id.is_some()
            && self.redis.envelope.downstream_key.is_empty()
        {
            true => Err(
                "--downstream-client-id needs --downstream-key, the same in the whole fleet"
                    .to_owned(),
            ),
            false => Ok(()),
        }
    }
}
