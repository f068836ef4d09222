//! `Host` and `Origin`: protection against DNS rebinding (2025-11-25 and 2026-07-28, Streamable
//! HTTP, Security), and which web pages may use this server ([`crate::cors`]).

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::OriginSettings;
use crate::cors;
use crate::error::RequestError;
use crate::state::AppState;

/// Names that only this machine itself can mean.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Lets a request pass whose `Host`, and `Origin` if it has one, are allowed, and the page it comes from read
/// the answer, whatever that is. A browser that asks first is answered here, since it cannot authenticate.
pub(crate) async fn check(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if let Err(error) = state.settings.origin.verdict(&request) {
        return error.into_response();
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut response = match cors::preflight(&request) {
        Some(answer) => answer,
        None => next.run(request).await,
    };
    cors::share(origin, &mut response);
    response
}

/// The name that the sender used for this server, once [`check`] has let the request pass.
pub(crate) fn host(request: &Request) -> &str {
    let header = request.headers().get(header::HOST);
    let header = header.and_then(|host| host.to_str().ok());
    let authority = || request.uri().authority().map(Authority::as_str);
    header.or_else(authority).unwrap_or_default()
}

impl OriginSettings {
    fn verdict(&self, request: &Request) -> Result<(), RequestError> {
        // All that a proxy or a handler might take for the name must be allowed.
        let named = request.headers().get_all(header::HOST).iter();
        let mut hosts: Vec<&str> = named
            .map(|host| host.to_str().unwrap_or_default())
            .collect();
        // RFC 9112, section 3.2.
        if hosts.len() > 1 || (hosts.is_empty() && request.version() == Version::HTTP_11) {
            let reason = "a request names its Host once".to_owned();
            return Err(RequestError::NotAccepted(reason));
        }
        hosts.extend(request.uri().authority().map(Authority::as_str));
        if hosts.is_empty() || !hosts.iter().all(|host| self.allows_host(host)) {
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

    fn allows_host(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        // User information has no place in a Host header (RFC 9110, section 7.2).
        if host.contains('@') {
            return false;
        }
        is_loopback(authority.host())
            || self.allowed_host.iter().any(|allowed| {
                allowed == "*"
                    || allowed.eq_ignore_ascii_case(host)
                    || allowed.eq_ignore_ascii_case(authority.host())
            })
    }

    fn allows_origin(&self, origin: &str) -> bool {
        let loopback = origin
            .parse::<Uri>()
            .ok()
            .filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")))
            .filter(|uri| matches!(uri.path(), "" | "/") && uri.query().is_none())
            .is_some_and(|uri| uri.host().is_some_and(is_loopback) && !origin.contains('@'));
        loopback
            || self
                .allowed_origin
                .iter()
                .any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    LOOPBACK.iter().any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(host: &[&str], origin: &[&str]) -> OriginSettings {
        let owned = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        OriginSettings {
            allowed_host: owned(host),
            allowed_origin: owned(origin),
        }
    }

    #[test]
    fn loopback_is_allowed_by_default_and_nothing_else() {
        let settings = settings(&[], &[]);
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"] {
            assert!(settings.allows_host(host), "{host}");
        }
        for host in [
            "evil.example.com",
            "127.0.0.1.evil.example",
            "",
            "localhost@evil",
            "::1",
        ] {
            assert!(!settings.allows_host(host), "{host}");
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
            "file://localhost",
            "http://localhost@evil",
            "http://localhost/x",
        ] {
            assert!(!settings.allows_origin(origin), "{origin}");
        }
    }

    #[test]
    fn named_hosts_and_origins_are_allowed_with_or_without_port() {
        let settings = settings(
            &["mcp.example.com", "other:8443"],
            &["https://app.example.com"],
        );
        assert!(settings.allows_host("mcp.example.com"));
        assert!(settings.allows_host("mcp.example.com:443"));
        assert!(settings.allows_host("other:8443"));
        assert!(!settings.allows_host("other:8444"));
        assert!(settings.allows_origin("https://app.example.com"));
        assert!(!settings.allows_origin("https://app.example.com.evil"));
    }
}
