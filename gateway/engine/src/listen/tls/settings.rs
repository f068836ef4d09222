//! Settings of TLS.

use std::path::PathBuf;

use clap::Args;

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
