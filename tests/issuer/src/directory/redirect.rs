//! Where codes may be sent, and what follows from it.
//!
//! Source: learn.microsoft.com/entra/identity-platform/reply-url.

use url::Url;

use super::Client;

/// What a redirect URI is registered for. It decides how a code that was sent there is redeemed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    /// Without a credential, and by no web page.
    Desktop,
    /// With a credential, and by no web page.
    Web,
    /// By a web page of another origin, without a credential.
    Spa,
}

impl Client {
    /// The platform that a redirect URI is registered for, if it is. What fits exactly goes before what fits but for
    /// the port.
    pub(crate) fn platform(&self, uri: &str) -> Option<Platform> {
        let all = [
            (Platform::Web, &self.web_redirect_uris),
            (Platform::Spa, &self.spa_redirect_uris),
            (Platform::Desktop, &self.redirect_uris),
        ];
        let of = |fits: &dyn Fn(&String) -> bool| {
            let fitting = all.iter().find(|(_, own)| own.iter().any(fits));
            fitting.map(|(platform, _)| *platform)
        };
        of(&|own| own == uri).or_else(|| {
            let uri = portless(uri)?;
            of(&|own| portless(own).is_some_and(|own| own == uri))
        })
    }
}

/// A loopback URI without its port. At Entra the IPv6 one is none.
fn portless(uri: &str) -> Option<Url> {
    let mut url = Url::parse(uri).ok()?;
    let is_loopback = ["localhost", "127.0.0.1"].contains(&url.host_str()?);
    if url.scheme() != "http" || !is_loopback {
        return None;
    }
    url.set_port(None).ok()?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_does_not_matter_where_a_program_listens_for_itself() {
        let client = Client {
            redirect_uris: vec!["http://localhost".to_owned(), "http://[::1]/cb".to_owned()],
            web_redirect_uris: vec!["https://mcp.example/callback".to_owned()],
            spa_redirect_uris: vec!["http://localhost:6274/cb".to_owned()],
            ..Client::default()
        };
        for (uri, platform) in [
            ("http://localhost", Some(Platform::Desktop)),
            ("http://localhost:51234", Some(Platform::Desktop)),
            ("http://localhost:51234/", Some(Platform::Desktop)),
            ("http://localhost:51234/callback", None),
            ("http://127.0.0.1:51234", None),
            ("http://[::1]/cb", Some(Platform::Desktop)),
            ("http://[::1]:51234/cb", None),
            ("https://mcp.example/callback", Some(Platform::Web)),
            ("https://mcp.example:8443/callback", None),
            ("https://mcp.example/Callback", None),
            ("http://localhost:6274/cb", Some(Platform::Spa)),
            ("http://localhost:1/cb", Some(Platform::Spa)),
        ] {
            assert_eq!(client.platform(uri), platform, "{uri}");
        }
    }
}
