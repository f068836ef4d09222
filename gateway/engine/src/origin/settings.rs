//! Settings of which names and pages are let in.

use clap::Args;

use super::pattern::{HostPattern, OriginPattern};

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
