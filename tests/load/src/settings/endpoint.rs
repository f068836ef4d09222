//! The URL of the endpoint.

use std::fmt;
use std::str::FromStr;

use http::uri::{PathAndQuery, Uri};

/// An http or https URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is https.
    pub tls: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// Where it listens.
    pub port: u16,
    /// What the `Host` header says.
    pub authority: String,
    /// What a request asks for.
    pub path: PathAndQuery,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write a URL, such as http://127.0.0.1:8000/mcp".to_owned();
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(wrong()),
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        if authority.as_str().contains('@') {
            return Err("write no name and password into the URL; use --header".to_owned());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            tls,
            host,
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            authority: authority.to_string(),
            path: uri
                .path_and_query()
                .cloned()
                .unwrap_or_else(|| PathAndQuery::from_static("/")),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_to_connect_and_what_to_ask_for() {
        let endpoint: Endpoint = "https://mcp.example.com/a?b=c".parse().unwrap();
        assert_eq!(endpoint.port, 443);
        assert_eq!(endpoint.path, "/a?b=c");
        let endpoint: Endpoint = "http://[::1]:8000".parse().unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", 8000));
        assert_eq!(endpoint.authority, "[::1]:8000");
        assert_eq!(endpoint.to_string(), "http://[::1]:8000/");
        for text in [
            "",
            "mcp.example.com",
            "ftp://a/mcp",
            "http://",
            "http://a:b@c/",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
