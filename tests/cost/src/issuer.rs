//! Who gives the client a token.

use std::time::Duration;

use prynai_dev_issuer::{API, API_URI, DAEMON, DAEMON_SECRET, Issuer, Options};
use prynai_gateway_engine::{AuthKind, GatewaySettings};

/// As long as a token may be good, which is longer than any run.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Where clients sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doors {
    /// At the issuer itself.
    Issuer,
    /// At the gateway, in front of it.
    Facade,
}

/// Starts an issuer whose tokens the gateway will ask for.
pub(crate) async fn start(gateway: &mut GatewaySettings, doors: Doors) -> Issuer {
    let options = Options {
        token_lifetime: Some(TOKEN_LIFETIME),
        ..Options::default()
    };
    let issuer = Issuer::start_with(options).await;
    let auth = &mut gateway.auth;
    auth.auth = AuthKind::Entra;
    auth.auth_authority = Some(issuer.base_url().parse().expect("a URL"));
    auth.auth_tenant = vec![issuer.tenant().parse().expect("a tenant")];
    auth.auth_audience = vec![API.to_owned()];
    auth.auth_scope = vec!["mcp.call".to_owned()];
    auth.auth_scope_prefix = Some(format!("{API_URI}/"));
    auth.public_url = Some("https://mcp.example/mcp".to_owned());
    if doors == Doors::Facade {
        let facade = &mut gateway.facade;
        facade.oauth_facade = true;
        facade.facade_client_id = Some(DAEMON.to_owned());
        facade.facade_client_secret = Some(DAEMON_SECRET.to_owned().into());
        facade.facade_key = vec!["k".repeat(32).into()];
    }
    gateway.check().expect("can be served");
    issuer
}
