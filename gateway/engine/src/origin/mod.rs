//! `Host` and `Origin`: protection against DNS rebinding (2025-11-25 and 2026-07-28, Streamable
//! HTTP, Security), and which web pages may use this server ([`cors`]).

mod cors;
mod pattern;
mod settings;

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};

use crate::message::host::is_loopback;
use crate::refusal::RequestError;

pub use pattern::{HostPattern, OriginPattern};
pub use settings::OriginSettings;

/// What is let in.
pub(crate) struct AllowedOrigins {
    settings: OriginSettings,
    listen: IpAddr,
}

impl AllowedOrigins {
    /// Those of the settings, of a server that listens on an address.
    pub(crate) fn new(settings: &OriginSettings, listen: IpAddr) -> Self {
        Self {
            settings: settings.clone(),
            listen,
        }
    }
}

/// Lets a request pass whose `Host`, and `Origin` if it has one, are allowed, and the page it comes from read
/// the answer, whatever that is. A browser that asks first is answered here, since it cannot authenticate.
pub(crate) async fn check<R: Future<Output = Response>>(
    origins: &AllowedOrigins,
    request: Request,
    next: impl FnOnce(Request) -> R,
) -> Response {
    if let Err(error) = origins.settings.verdict(&request, origins.listen) {
        return error.into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match cors::preflight(&request) {
        Some(answer) => answer,
        None => next(request).await,
    };
    cors::share(origin, &mut response);
    response
}

impl OriginSettings {
    fn verdict(&self, request: &Request, listen: IpAddr) -> Result<(), RequestError> {
        // All that a proxy or a handler might take for the name must be allowed.
        let named = request.headers().get_all(header::HOST).iter();
        let mut hosts: Vec<&str> = named
            .map(|host| host.to_str().unwrap_or_default())
            .collect();
        // RFC 9112, section 3.2.
        if hosts.len() > 1 || (hosts.is_empty() && request.version() == Version::HTTP_11) {
            let reason = "send exactly one Host header".to_owned();
            return Err(RequestError::NotAccepted(reason));
        }
        hosts.extend(request.uri().authority().map(Authority::as_str));
        if hosts.is_empty() || !hosts.iter().all(|host| self.allows_host(host, listen)) {
            let hosts = hosts.join(" and ");
            return Err(RequestError::Forbidden(format!(
                "the Host {hosts:?} is not allowed; the operator can allow it with --allowed-host"
            )));
        }
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let refused = |origin: &&HeaderValue| !origin.to_str().is_ok_and(|o| self.allows_origin(o));
        match origins.find(refused) {
            None => Ok(()),
            Some(origin) => Err(RequestError::Forbidden(format!(
                "the Origin {origin:?} is not allowed; the operator can allow it with --allowed-origin"
            ))),
        }
    }

    fn allows_host(&self, host: &str, listen: IpAddr) -> bool {
        pattern::authority(host).is_some_and(|(name, port)| {
            is_loopback(name)
                || is_address(name, listen)
                || self
                    .allowed_host
                    .iter()
                    .any(|allowed| allowed.allows(name, port))
        })
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        pattern::authority(authority).is_some_and(|(name, port)| {
            let web = ["http", "https"]
                .iter()
                .any(|web| web.eq_ignore_ascii_case(scheme));
            (web && is_loopback(name))
                || self
                    .allowed_origin
                    .iter()
                    .any(|allowed| allowed.allows(scheme, name, port))
        })
    }
}

/// Whether a host is the one address that is listened on. No other machine's name can stand for it, so nobody
/// is led here by a name of theirs.
fn is_address(name: &str, listen: IpAddr) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    !listen.is_unspecified() && address.parse() == Ok(listen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: &[&str], origin: &[&str]) -> OriginSettings {
        OriginSettings {
            allowed_host: host.iter().map(|host| host.parse().unwrap()).collect(),
            allowed_origin: origin
                .iter()
                .map(|origin| origin.parse().unwrap())
                .collect(),
        }
    }

    fn everywhere() -> IpAddr {
        IpAddr::from([0, 0, 0, 0])
    }

    #[test]
    fn loopback_is_allowed_by_default_and_nothing_else() {
        let settings = settings(&[], &[]);
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"] {
            assert!(settings.allows_host(host, everywhere()), "{host}");
        }
        for host in [
            "evil.example.com",
            "127.0.0.1.evil.example",
            "127.0.0.1:evil.com",
            "",
            "localhost@evil",
            "::1",
            "0.0.0.0:8000",
        ] {
            assert!(!settings.allows_host(host, everywhere()), "{host}");
        }
        for origin in [
            "http://localhost:3000",
            "https://127.0.0.1",
            "http://[::1]:1",
        ] {
            assert!(settings.allows_origin(origin), "{origin}");
        }
        for origin in [
            "null",
            "http://evil.example.com",
            "http://localhost.evil",
            "http://localhost:evil",
            "file://localhost",
            "http://localhost@evil",
            "http://localhost/x",
        ] {
            assert!(!settings.allows_origin(origin), "{origin}");
        }
    }

    #[test]
    fn the_address_that_is_listened_on_is_a_name_of_this_server() {
        let settings = settings(&[], &[]);
        for (host, listen, allowed) in [
            ("192.0.2.7:8000", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.8", "192.0.2.7", false),
            ("[fd00::7]:8000", "fd00::7", true),
            ("[fd00::8]:8000", "fd00::7", false),
            ("0.0.0.0", "0.0.0.0", false),
            ("[::]", "::", false),
        ] {
            let listen = listen.parse().unwrap();
            assert_eq!(settings.allows_host(host, listen), allowed, "{host}");
        }
    }

    #[test]
    fn named_hosts_and_origins_are_allowed() {
        let settings = settings(
            &["mcp.example.com", "other:8443", "*.example.org"],
            &["https://app.example.com", "https://*.example.org"],
        );
        for (host, allowed) in [
            ("mcp.example.com", true),
            ("mcp.example.com:443", true),
            ("other:8443", true),
            ("other:8444", false),
            ("a.example.org", true),
        ] {
            assert_eq!(settings.allows_host(host, everywhere()), allowed, "{host}");
        }
        assert!(settings.allows_origin("https://app.example.com"));
        assert!(settings.allows_origin("https://a.example.org"));
        assert!(!settings.allows_origin("https://app.example.com.evil"));
    }
}
