//! Settings of the gateway, one struct per concern.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::auth::AuthSettings;
use crate::limits::LimitSettings;
use crate::origin::{HostPattern, OriginPattern};
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

    /// File that says who may list and call which tools, prompts and resources (docs/policy.md). A change of it
    /// counts within seconds [default: every caller may do everything].
    #[arg(long, env = "PRYNAI_POLICY", value_name = "FILE", value_parser = PolicyFile::read)]
    pub policy: Option<PolicyFile>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub limits: LimitSettings,

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
        self.limits.check()?;
        self.tls.check().map_err(|error| error.to_string())
    }
}

/// Certificate and key of this server; without them it speaks plain HTTP.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsSettings {
    /// Certificate to serve HTTPS with: a PEM file, the server's certificate first, then those between it
    /// and its authority. Read again when it changes, without losing a connection.
    #[arg(long, env = "PRYNAI_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate: a PEM file, not encrypted.
    #[arg(long, env = "PRYNAI_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
}

/// Which `Host` and `Origin` headers are let in, besides those of the loopback interface.
#[derive(Debug, Clone, Default, Args)]
pub struct OriginSettings {
    /// Name clients may use for this server, as host or host:port; *.example.com allows every name below
    /// example.com, * every name (only behind a proxy that checks it). Repeat it or separate by commas [default:
    /// loopback, and the address of --listen].
    #[arg(
        long,
        env = "PRYNAI_ALLOWED_HOST",
        value_delimiter = ',',
        value_name = "HOST"
    )]
    pub allowed_host: Vec<HostPattern>,

    /// Origin of a web page that may call this server, such as https://app.example.com, http://dev.test:* for
    /// every port or https://*.example.com for every name below. Repeat it or separate by commas [default:
    /// loopback only].
    #[arg(
        long,
        env = "PRYNAI_ALLOWED_ORIGIN",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub allowed_origin: Vec<OriginPattern>,
}

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text
        .to_socket_addrs()
        .map_err(|error| format!("{error}; write host:port, such as 127.0.0.1:8000"))?;
    addresses
        .next()
        .ok_or_else(|| "the host has no address".to_owned())
}
