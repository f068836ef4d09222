//! The values of the settings: whose word counts, and over which connection.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::Uri;
use axum::http::uri::Scheme;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use uuid::Uuid;

use crate::message::host::is_loopback;

/// The id of an Entra ID tenant, as tokens write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantId(String);

/// The URL of an issuer, byte for byte as it was given: over HTTPS, or on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerUrl(String);

/// Certificate authorities from a file.
#[derive(Clone)]
pub struct Roots(pub(crate) Arc<RootCertStore>);

// === impl TenantId ===

impl FromStr for TenantId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        as_guid(text).map(Self).ok_or_else(|| {
            "write the tenant's id, such as 9b6c1f0e-0c5d-4b0e-8a55-3f6f0c2a7d11; a name, common or \
             organizations does not say whom you trust"
                .to_owned()
        })
    }
}

impl TenantId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A GUID in the one form that Entra ID writes.
pub(crate) fn as_guid(text: &str) -> Option<String> {
    let written = Uuid::try_parse(text).ok()?.hyphenated().to_string();
    written.eq_ignore_ascii_case(text).then_some(written)
}

// === impl IssuerUrl ===

impl FromStr for IssuerUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        secured(text)?;
        if text.contains('?') {
            return Err("an issuer's URL has no query".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl IssuerUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn without_slash(&self) -> &str {
        self.0.trim_end_matches('/')
    }
}

/// A URL that is safe to ask: whoever could change the answer could make keys of their own count.
pub(crate) fn secured(text: &str) -> Result<Uri, String> {
    let (uri, host) = web_url(text)?;
    // RFC 6761, section 6.3, reserves the names below localhost for this machine. Resolvers need not know that, so they
    // are for development, where one may lead to a container.
    let is_near = is_loopback(&host) || host.to_ascii_lowercase().ends_with(".localhost");
    match uri.scheme() == Some(&Scheme::HTTPS) || is_near {
        true => Ok(uri),
        false => Err("use https: over http, somebody in between could answer instead".to_owned()),
    }
}

/// The URL of the endpoint as clients write it: the resource identifier of RFC 9728, section 1.2.
pub(crate) fn public_url(text: &str) -> Result<String, String> {
    web_url(text)?;
    match text.contains('?') || text.ends_with('/') {
        true => Err("write it without a query and without a slash at the end".to_owned()),
        false => Ok(text.to_owned()),
    }
}

/// Scheme and authority, and the path.
pub(crate) fn split(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let slash = url[authority..].find('/');
    url.split_at(slash.map_or(url.len(), |slash| authority + slash))
}

fn web_url(text: &str) -> Result<(Uri, String), String> {
    let wrong = || "write a URL, such as https://id.example.com".to_owned();
    let uri: Uri = text.parse().map_err(|_| wrong())?;
    let host = uri.host().unwrap_or_default().to_owned();
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    if !web || host.is_empty() || text.contains(['#', '@', '"', '\\']) {
        return Err(wrong());
    }
    Ok((uri, host))
}

/// Text that a header may carry between quotes, without a space.
pub(crate) fn visible(text: &str) -> Result<String, String> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b',');
    match !text.is_empty() && text.len() <= 256 && text.bytes().all(plain) {
        true => Ok(text.to_owned()),
        false => {
            Err("write up to 256 visible ASCII characters, without spaces and quotes".to_owned())
        }
    }
}

// === impl Roots ===

impl FromStr for Roots {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let unreadable = |error| format!("its certificates cannot be read: {error}");
        let mut roots = RootCertStore::empty();
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|e| unreadable(e.to_string()))?
        {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unreadable(error.to_string()))?;
        }
        match roots.is_empty() {
            true => Err("there is no certificate in it".to_owned()),
            false => Ok(Self(Arc::new(roots))),
        }
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} certificates", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_over_https_or_on_this_machine() {
        for url in [
            "https://login.microsoftonline.com",
            "https://tenant.eu.auth0.com/",
            "http://127.0.0.1:8080/realms/a",
            "http://localhost:1",
            "http://issuer.localhost:1",
        ] {
            assert_eq!(url.parse().as_ref().map(IssuerUrl::as_str), Ok(url));
        }
        for url in [
            "http://id.example.com",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://evillocalhost",
            "ftp://id.example.com",
            "id.example.com",
            "https://",
            "https://user@id.example.com",
            "https://id.example.com#x",
            "https://id.example.com?x",
            "",
        ] {
            assert!(url.parse::<IssuerUrl>().is_err(), "{url}");
        }
    }

    #[test]
    fn a_tenant_is_an_id() {
        let id: TenantId = "9B6C1F0E-0C5D-4B0E-8A55-3F6F0C2A7D11".parse().unwrap();
        assert_eq!(id.as_str(), "9b6c1f0e-0c5d-4b0e-8a55-3f6f0c2a7d11");
        for text in [
            "common",
            "contoso.onmicrosoft.com",
            "9b6c1f0e0c5d4b0e8a553f6f0c2a7d11",
            "{9b6c1f0e-0c5d-4b0e-8a55-3f6f0c2a7d11}",
            "",
        ] {
            assert!(text.parse::<TenantId>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_public_url_names_the_endpoint() {
        assert!(public_url("https://mcp.example.com/mcp").is_ok());
        for text in [
            "mcp.example.com",
            "https://mcp.example.com/",
            "https://a/mcp?x=1",
            "a\"b",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn certificate_authorities_are_read_at_once() {
        let error = "/no/such/file".parse::<Roots>().unwrap_err();
        assert!(error.contains("cannot be read"), "{error}");
        let error = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")
            .parse::<Roots>()
            .unwrap_err();
        assert!(error.contains("no certificate"), "{error}");
    }
}
