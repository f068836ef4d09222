//! Where codes may be sent.
//!
//! Sources: RFC 6749, section 3.1.2; RFC 8252, section 7; RFC 9700, section 2.1.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Longest redirect URI, in bytes.
pub(crate) const MOST_BYTES: usize = 512;

/// Pages that hand what they get on to a program on the person's machine, which the client's state names.
const HANDING_ON: [&str; 2] = [
    "https://vscode.dev/redirect",
    "https://insiders.vscode.dev/redirect",
];

/// Clients that many people use, and where these have codes sent.
const PRESETS: [(&str, &[&str]); 4] = [
    (
        "claude",
        &[
            "https://claude.ai/api/mcp/auth_callback",
            "https://claude.com/api/mcp/auth_callback",
        ],
    ),
    ("vscode", &HANDING_ON),
    (
        "cursor",
        &[
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "cursor://anysphere.cursor-retrieval/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
        ],
    ),
    (
        "chatgpt",
        &["https://chatgpt.com/connector_platform_oauth_redirect"],
    ),
];

/// Schemes by which a browser does something itself.
const DANGEROUS: [&str; 9] = [
    "javascript",
    "data",
    "vbscript",
    "file",
    "blob",
    "about",
    "view-source",
    "ws",
    "wss",
];

/// Where a code may be sent: over https, to a program on the person's machine, or to one that has a scheme of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RedirectUri {
    text: String,
    url: Url,
}

/// Which redirect URIs clients may register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectRule {
    /// Any program on the person's own machine.
    Loopback,
    /// One of these, byte for byte.
    Preset(&'static [&'static str]),
    /// Any https URL of this host.
    Host(String),
    /// This one, byte for byte.
    Uri(String),
}

// === impl RedirectUri ===

impl FromStr for RedirectUri {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MOST_BYTES {
            return Err("a redirect URI is too long");
        }
        // What parsers read differently is in none.
        let is_plain =
            |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'`');
        if !text.bytes().all(is_plain) {
            return Err("a redirect URI has characters that do not belong there");
        }
        let url = Url::parse(text).map_err(|_| "a redirect URI is no URL")?;
        if text.contains('#') {
            return Err("a redirect URI has a fragment");
        }
        if !url.username().is_empty() || url.password().is_some() || authority(text).contains('@') {
            return Err("a redirect URI names a user");
        }
        let redirect = Self {
            text: text.to_owned(),
            url,
        };
        let scheme = redirect.url.scheme();
        match scheme {
            "https" if redirect.url.has_host() => Ok(redirect),
            "http" if redirect.is_loopback() => Ok(redirect),
            "http" => Err("a redirect URI with http is for this machine only"),
            _ if DANGEROUS.contains(&scheme) || !redirect.url.has_host() => {
                Err("a redirect URI has a scheme that is not allowed")
            }
            _ => Ok(redirect),
        }
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RedirectUri> for String {
    fn from(redirect: RedirectUri) -> Self {
        redirect.text
    }
}

impl RedirectUri {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether only programs on the person's own machine get what is sent there.
    pub(crate) fn is_loopback(&self) -> bool {
        self.url.scheme() == "http"
            && match self.url.host() {
                Some(Host::Domain(name)) => name == "localhost",
                Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
                Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
                None => false,
            }
    }

    /// Whether what is sent there comes to a program on the person's own machine, which may be another one than was
    /// meant: any can listen at a port, or take a scheme.
    pub(crate) fn is_of_machine(&self) -> bool {
        self.url.scheme() != "https" || HANDING_ON.contains(&self.as_str())
    }

    /// Whether a client that registered this one may ask with `asked`: byte for byte, but for the port of a loopback
    /// address (RFC 8252, section 7.3).
    pub(crate) fn fits(&self, asked: &Self) -> bool {
        if self.text == asked.text {
            return true;
        }
        self.is_loopback() && asked.is_loopback() && self.portless() == asked.portless()
    }

    /// Without its port, as the same client writes it again.
    pub(crate) fn portless(&self) -> String {
        let mut url = self.url.clone();
        // It has a host, so it may have a port.
        let _ = url.set_port(None);
        match self.is_loopback() {
            true => url.into(),
            false => self.text.clone(),
        }
    }

    /// What people are told of it.
    pub(crate) fn place(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        match self.url.scheme() {
            "https" if self.is_of_machine() => format!("an app on this computer, by way of {host}"),
            "https" => host.to_owned(),
            "http" => format!("a program on this computer ({host})"),
            scheme => format!("the app that opens {scheme}: links"),
        }
    }

    /// The same with more parameters in its query.
    pub(crate) fn with(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let begin = match self.text.split_once('?') {
            None => "?",
            Some((_, "")) => "",
            Some(_) => "&",
        };
        format!("{}{begin}{}", self.text, query.finish())
    }
}

/// Between the slashes and the path.
fn authority(text: &str) -> &str {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap_or_default()
}

// === impl RedirectRule ===

impl FromStr for RedirectRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "loopback" {
            return Ok(Self::Loopback);
        }
        if let Some((_, uris)) = PRESETS.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Preset(uris));
        }
        if text.contains(':') {
            let uri: RedirectUri = text.parse().map_err(str::to_owned)?;
            return Ok(Self::Uri(uri.text));
        }
        let is_host = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
        match text.contains('.') && text.bytes().all(is_host) {
            true => Ok(Self::Host(text.to_ascii_lowercase())),
            false => {
                let known: Vec<&str> = PRESETS.iter().map(|(name, _)| *name).collect();
                Err(format!(
                    "write loopback, {}, a host name such as app.example.com, or a whole URI",
                    known.join(", ")
                ))
            }
        }
    }
}

impl RedirectRule {
    /// Those that count when none is set.
    pub(crate) fn defaults() -> Vec<Self> {
        let presets = PRESETS.iter().map(|(_, uris)| Self::Preset(uris));
        [Self::Loopback].into_iter().chain(presets).collect()
    }

    pub(crate) fn allows(&self, uri: &RedirectUri) -> bool {
        match self {
            Self::Loopback => uri.is_loopback(),
            Self::Preset(uris) => uris.contains(&uri.as_str()),
            Self::Host(host) => {
                uri.url.scheme() == "https" && uri.url.host_str() == Some(host.as_str())
            }
            Self::Uri(own) => own == uri.as_str(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> RedirectUri {
        text.parse().unwrap_or_else(|why| panic!("{text}: {why}"))
    }

    #[test]
    fn a_code_goes_only_where_nobody_can_listen() {
        for good in [
            "https://claude.ai/api/mcp/auth_callback",
            "https://app.example.com:8443/cb?x=1",
            "http://127.0.0.1:3334/oauth/callback",
            "http://localhost/cb",
            "http://[::1]:1/cb",
            "cursor://anysphere.cursor-mcp/oauth/callback",
        ] {
            assert_eq!(uri(good).as_str(), good);
        }
        for bad in [
            "http://app.example.com/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.2/cb",
            "http://0.0.0.0/cb",
            "https://claude.ai@evil.example/cb",
            "https://@evil.example/cb",
            "https://claude.ai/cb#x",
            "https://claude.ai\\@evil.example/cb",
            "https://claude.ai/\u{e9}",
            "https://claude.ai/a b",
            "https://",
            "//claude.ai/cb",
            "/cb",
            "javascript:alert(1)",
            "javascript://claude.ai/%0aalert(1)",
            "data:text/html,x",
            "mailto:a@b.example",
            "",
        ] {
            assert!(bad.parse::<RedirectUri>().is_err(), "{bad}");
        }
        let long = format!("https://a.example/{}", "x".repeat(MOST_BYTES - 18));
        assert!(long.parse::<RedirectUri>().is_ok());
        assert!(format!("{long}x").parse::<RedirectUri>().is_err());
    }

    #[test]
    fn some_places_are_on_the_persons_machine() {
        for (text, place) in [
            (
                "http://127.0.0.1:1/cb",
                "a program on this computer (127.0.0.1)",
            ),
            (
                "cursor://anysphere.cursor-mcp/oauth/callback",
                "the app that opens cursor: links",
            ),
            (
                "https://vscode.dev/redirect",
                "an app on this computer, by way of vscode.dev",
            ),
        ] {
            assert!(uri(text).is_of_machine(), "{text}");
            assert_eq!(uri(text).place(), place);
        }
        let remote = uri("https://claude.ai/api/mcp/auth_callback");
        assert!(!remote.is_of_machine() && remote.place() == "claude.ai");
    }

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        for (own, asked) in [
            ("https://a.example/cb", "https://a.example/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
            ("http://localhost:1/cb?x=1", "http://localhost:2/cb?x=1"),
        ] {
            assert!(uri(own).fits(&uri(asked)), "{own} {asked}");
        }
        for (own, asked) in [
            ("https://a.example/cb", "https://a.example/cb/"),
            ("https://a.example/cb", "https://a.example/cb?x"),
            ("https://a.example/cb", "https://a.example:8443/cb"),
            ("https://a.example/cb", "https://A.example/cb"),
            ("https://a.example/cb", "https://a.example/x/../cb"),
            ("http://127.0.0.1/cb", "http://localhost/cb"),
            ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
            ("http://127.0.0.1/cb", "https://127.0.0.1/cb"),
        ] {
            assert!(!uri(own).fits(&uri(asked)), "{own} {asked}");
        }
    }

    #[test]
    fn rules_say_who_may_register() {
        let allowed = |uri_text: &str| {
            let uri = uri(uri_text);
            RedirectRule::defaults()
                .iter()
                .any(|rule| rule.allows(&uri))
        };
        assert!(allowed("https://claude.ai/api/mcp/auth_callback"));
        assert!(allowed("http://localhost:1/any"));
        assert!(!allowed("https://claude.ai/another"));
        assert!(!allowed("https://app.example.com/cb"));
        let host: RedirectRule = "App.example.com".parse().expect("a rule");
        assert!(host.allows(&uri("https://app.example.com/cb")));
        assert!(!host.allows(&uri("https://x.app.example.com/cb")));
        let own: RedirectRule = "myapp://oauth/cb".parse().expect("a rule");
        assert!(own.allows(&uri("myapp://oauth/cb")));
        assert!(!own.allows(&uri("myapp://oauth/other")));
        for bad in ["everything", "*", "http://app.example.com/cb", ""] {
            assert!(bad.parse::<RedirectRule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn parameters_are_added_to_what_is_there() {
        let parameters = [("code", "a b"), ("state", "&x")];
        for (text, with) in [
            (
                "https://a.example/cb",
                "https://a.example/cb?code=a+b&state=%26x",
            ),
            (
                "https://a.example/cb?",
                "https://a.example/cb?code=a+b&state=%26x",
            ),
            (
                "https://a.example/cb?x=1",
                "https://a.example/cb?x=1&code=a+b&state=%26x",
            ),
        ] {
            assert_eq!(uri(text).with(&parameters), with);
        }
    }
}
