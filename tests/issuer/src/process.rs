//! The process `prynai-dev-issuer`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use prynai_process::lifecycle::Shutdown;
use prynai_process::settings::parse_or_exit;
use prynai_process::telemetry::TelemetrySettings;

use super::{Directory, Issuer, Options, Tls};

/// Everything the process can be told.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "prynai-dev-issuer",
    version,
    about = "An authorization server for development and tests, shaped like Microsoft Entra ID. It asks for no password: \
             never let anything of worth trust it"
)]
pub struct IssuerSettings {
    /// Address to listen on; port 0 takes a free one.
    #[arg(
        long,
        env = "PRYNAI_ISSUER_LISTEN",
        default_value = "127.0.0.1:8400",
        value_name = "IP:PORT"
    )]
    pub listen: SocketAddr,

    /// URL that clients and gateways reach it by, without a slash at the end; stands for
    /// https://login.microsoftonline.com [default: the address it listens on].
    #[arg(long, env = "PRYNAI_ISSUER_BASE_URL", value_name = "URL", value_parser = base_url)]
    pub base_url: Option<String>,

    /// URL that issuers of v1 tokens begin with, without a slash at the end; stands for https://sts.windows.net
    /// [default: the base URL].
    #[arg(long, env = "PRYNAI_ISSUER_V1_ISSUER_BASE", value_name = "URL", value_parser = base_url)]
    pub v1_issuer_base: Option<String>,

    /// Certificate chain in PEM; with it the issuer speaks HTTPS [default: HTTP].
    #[arg(
        long,
        env = "PRYNAI_ISSUER_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate in PEM.
    #[arg(
        long,
        env = "PRYNAI_ISSUER_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,

    /// JSON file with tenants, APIs, clients and users; --print-config shows the form [default: what --print-config
    /// shows].
    #[arg(long, env = "PRYNAI_ISSUER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Prints what would be registered, as JSON for --config, and ends.
    #[arg(long)]
    pub print_config: bool,

    /// Tenant by its GUID; may be repeated [default: those of the configuration].
    #[arg(
        long = "tenant",
        env = "PRYNAI_ISSUER_TENANTS",
        value_name = "GUID",
        value_delimiter = ','
    )]
    pub tenants: Vec<String>,

    /// App ID URI that the first API has as well, such as the URL of the MCP endpoint; may be repeated.
    #[arg(
        long = "identifier-uri",
        env = "PRYNAI_ISSUER_IDENTIFIER_URIS",
        value_name = "URI",
        value_delimiter = ','
    )]
    pub identifier_uris: Vec<String>,

    /// Redirect URI of the platform "Web" that the first API has as a client, such as the callback of an OAuth façade;
    /// may be repeated.
    #[arg(
        long = "web-redirect-uri",
        env = "PRYNAI_ISSUER_WEB_REDIRECT_URIS",
        value_name = "URI",
        value_delimiter = ','
    )]
    pub web_redirect_uris: Vec<String>,

    /// Says in the metadata that S256 is supported, and serves them under RFC 8414's name too. Entra does neither, and
    /// many MCP clients need it.
    #[arg(long, env = "PRYNAI_ISSUER_ADVERTISE_S256")]
    pub advertise_s256: bool,

    /// Takes any `resource`. Without it, one that is not an App ID URI of the API that the scopes are of is refused, as
    /// Entra does (AADSTS9010010).
    #[arg(long, env = "PRYNAI_ISSUER_LENIENT_RESOURCE")]
    pub lenient_resource: bool,

    /// Signs in whoever `login_hint` names, or else the first user, at once and without a page.
    #[arg(long, env = "PRYNAI_ISSUER_AUTO_APPROVE")]
    pub auto_approve: bool,

    /// For how long access tokens are good, in whole seconds [default: 60 to 90 minutes by chance].
    #[arg(
        long,
        env = "PRYNAI_ISSUER_TOKEN_LIFETIME",
        value_name = "DURATION",
        value_parser = humantime::parse_duration
    )]
    pub token_lifetime: Option<Duration>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub telemetry: TelemetrySettings,
}

/// Runs the issuer until it is told to stop.
///
/// # Errors
///
/// When the address cannot be bound or the certificate cannot be used.
pub async fn run() -> anyhow::Result<()> {
    let mut directory = Directory::default();
    let (settings, _log) = parse_or_exit(std::env::args_os(), |settings: &IssuerSettings| {
        directory = settings.directory()?;
        settings.telemetry.start()
    });
    if settings.print_config {
        return print(&directory);
    }
    let shutdown = Shutdown::new();
    let _unended = shutdown.on_signals(Duration::ZERO, Duration::ZERO)?;
    let issuer = Issuer::try_start(settings.options(directory)).await?;
    tracing::info!(
        address = %issuer.address(),
        base_url = issuer.base_url(),
        issuer = issuer.issuer_url(),
        "listening"
    );
    shutdown.soft().cancelled().await;
    Ok(())
}

impl IssuerSettings {
    fn directory(&self) -> Result<Directory, String> {
        let mut directory = match &self.config {
            Some(file) => read(file).map_err(|error| format!("{error:#}"))?,
            None => Directory::default(),
        };
        if !self.tenants.is_empty() {
            directory.tenants.clone_from(&self.tenants);
        }
        directory.check()?;
        let first = &mut directory.apis[0].identifier_uris;
        first.extend(self.identifier_uris.iter().cloned());
        let api = directory.apis[0].client_id.clone();
        if !self.web_redirect_uris.is_empty() {
            let mut clients = directory.clients.iter_mut();
            let own = clients.find(|client| client.client_id == api);
            let own = own.ok_or(format!("no client {api}, which --web-redirect-uri is for"))?;
            own.web_redirect_uris
                .extend(self.web_redirect_uris.iter().cloned());
        }
        directory.check()?;
        Ok(directory)
    }

    fn options(self, directory: Directory) -> Options {
        Options {
            listen: self.listen,
            base_url: self.base_url,
            v1_issuer_base: self.v1_issuer_base,
            tls: match (self.tls_cert, self.tls_key) {
                (Some(certificate), Some(key)) => Tls::Files { certificate, key },
                _ => Tls::Off,
            },
            directory,
            advertise_s256: self.advertise_s256,
            strict_resource: !self.lenient_resource,
            auto_approve: self.auto_approve,
            token_lifetime: self.token_lifetime,
            ..Options::default()
        }
    }
}

fn read(file: &Path) -> anyhow::Result<Directory> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("cannot read the configuration {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no configuration", file.display()))
}

fn base_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    if !["http", "https"].contains(&url.scheme()) || url.query().is_some() || text.ends_with('/') {
        return Err("give http:// or https://, a host, and no slash at the end".to_owned());
    }
    Ok(text.to_owned())
}

#[expect(
    clippy::print_stdout,
    reason = "the configuration is what was asked for"
)]
fn print(directory: &Directory) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(directory)?);
    Ok(())
}
