//! The name that a request uses for this server.

use axum::extract::Request;
use axum::http::header;
use axum::http::uri::Authority;

/// Names that only this machine itself can mean.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The name that the caller used, which only counts once it was found to be allowed.
pub(crate) fn host(request: &Request) -> &str {
    let header = request.headers().get(header::HOST);
    let header = header.and_then(|host| host.to_str().ok());
    let authority = || request.uri().authority().map(Authority::as_str);
    header.or_else(authority).unwrap_or_default()
}

/// Whether a host, without its port, can only be this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    LOOPBACK.iter().any(|name| name.eq_ignore_ascii_case(host))
}
