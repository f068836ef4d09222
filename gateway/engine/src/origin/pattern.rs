//! The names of this server and the web pages that an operator lets in, in the forms that people write.

use std::net::Ipv6Addr;
use std::str::FromStr;

const HOST_FORMS: &str = "write a host name, with a port or without: mcp.example.com, mcp.example.com:8443, \
    *.example.com for every name below example.com, or * for every name; an IPv6 address stands in brackets";

const ORIGIN_FORMS: &str = "write scheme and host without a path: https://app.example.com, http://localhost:3000, \
    http://localhost:* for every port, or https://*.example.com for every name below example.com";

/// A name that clients may use for this server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    name: Name,
    /// `None` for every port.
    port: Option<u16>,
}

/// A web page's origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: String,
    name: Name,
    port: OriginPort,
}

/// In lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Any,
    One(String),
    /// All that end with this, which begins with a dot.
    Below(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum OriginPort {
    Any,
    /// As browsers write it: none for the one that the scheme implies.
    One(Option<u16>),
}

/// Host and port as a header writes them (RFC 9110, section 7.2); `None` when it is not that. User information
/// has no place there.
pub(super) fn authority(text: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = split(text)?;
    match port {
        None | Some("") => Some((name, None)),
        Some(digits) => Some((name, Some(number(digits)?))),
    }
}

/// Host, and what stands behind the colon after it.
fn split(text: &str) -> Option<(&str, Option<&str>)> {
    let end = if text.starts_with('[') {
        text.find(']')? + 1
    } else {
        text.find(':').unwrap_or(text.len())
    };
    let (name, rest) = text.split_at(end);
    let port = match rest {
        "" => None,
        rest => Some(rest.strip_prefix(':')?),
    };
    is_name(name).then_some((name, port))
}

fn is_name(name: &str) -> bool {
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    if let Some(address) = bracketed {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    !name.is_empty() && name.bytes().all(allowed)
}

fn number(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

// === impl Name ===

impl Name {
    /// Reads a pattern's name, and gives what stands behind the colon after it.
    fn parse(text: &str) -> Option<(Self, Option<&str>)> {
        if let Some(rest) = text.strip_prefix("*.") {
            let (name, port) = split(rest)?;
            let below = !name.starts_with(['[', '.']);
            return below.then(|| (Self::Below(format!(".{}", name.to_ascii_lowercase())), port));
        }
        if text == "*" || text.starts_with("*:") {
            return Some((Self::Any, text.strip_prefix("*:")));
        }
        let (name, port) = split(text)?;
        Some((Self::One(name.to_ascii_lowercase()), port))
    }

    fn allows(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::One(one) => one.eq_ignore_ascii_case(name),
            Self::Below(end) => {
                let name = name.to_ascii_lowercase();
                name.strip_suffix(end.as_str())
                    .is_some_and(|rest| !rest.is_empty())
            }
        }
    }
}

// === impl HostPattern ===

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || HOST_FORMS.to_owned();
        let (name, port) = Name::parse(text.trim()).ok_or_else(wrong)?;
        let port = match port {
            None | Some("*") => None,
            Some(digits) => Some(number(digits).ok_or_else(wrong)?),
        };
        Ok(Self { name, port })
    }
}

impl HostPattern {
    pub(super) fn allows(&self, name: &str, port: Option<u16>) -> bool {
        let here = match self.port {
            None => true,
            // Which of the two a client leaves out depends on what is in front.
            Some(one @ (80 | 443)) => port.is_none_or(|port| port == one),
            Some(one) => port == Some(one),
        };
        here && self.name.allows(name)
    }
}

// === impl OriginPattern ===

impl FromStr for OriginPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || ORIGIN_FORMS.to_owned();
        if text.trim() == "*" {
            return Err(format!(
                "every page in the world could use this server: {ORIGIN_FORMS}"
            ));
        }
        let (scheme, rest) = text.trim().split_once("://").ok_or_else(wrong)?;
        let (name, port) = Name::parse(rest.strip_suffix('/').unwrap_or(rest)).ok_or_else(wrong)?;
        let scheme = scheme.to_ascii_lowercase();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"+-.".contains(&b);
        if name == Name::Any || scheme.is_empty() || !scheme.bytes().all(plain) {
            return Err(wrong());
        }
        let port = match port {
            Some("*") => OriginPort::Any,
            None => OriginPort::One(None),
            Some(digits) => {
                let port = number(digits).ok_or_else(wrong)?;
                OriginPort::One(as_written(&scheme, Some(port)))
            }
        };
        Ok(Self { scheme, name, port })
    }
}

impl OriginPattern {
    pub(super) fn allows(&self, scheme: &str, name: &str, port: Option<u16>) -> bool {
        let port = as_written(&self.scheme, port);
        self.scheme.eq_ignore_ascii_case(scheme)
            && (self.port == OriginPort::Any || self.port == OriginPort::One(port))
            && self.name.allows(name)
    }
}

/// Browsers leave out the port that the scheme implies (Fetch Standard, Origin header).
fn as_written(scheme: &str, port: Option<u16>) -> Option<u16> {
    let implied = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    port.filter(|_| port != implied)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_host_and_port_is_not_taken_for_one() {
        for (text, read) in [
            ("localhost", Some(("localhost", None))),
            ("127.0.0.1:80", Some(("127.0.0.1", Some(80)))),
            ("[::1]:8000", Some(("[::1]", Some(8000)))),
            ("a_b.example.com:", Some(("a_b.example.com", None))),
            ("127.0.0.1:evil.com", None),
            ("127.0.0.1:80:evil.com", None),
            ("127.0.0.1:+80", None),
            ("127.0.0.1:99999", None),
            ("127.0.0.1 ", None),
            ("localhost@evil", None),
            ("localhost/x", None),
            ("[::1]evil", None),
            ("[evil]", None),
            ("::1", None),
            ("", None),
            (":80", None),
        ] {
            assert_eq!(authority(text), read, "{text}");
        }
    }

    #[test]
    fn hosts_are_matched_in_the_forms_that_people_write() {
        for (pattern, allowed, refused) in [
            (
                "mcp.example.com",
                &["mcp.example.com", "MCP.example.com:8443"][..],
                &["example.com", "a.mcp.example.com"][..],
            ),
            (
                "mcp.example.com:*",
                &["mcp.example.com", "mcp.example.com:1"],
                &["example.com"],
            ),
            (
                "mcp.example.com:8443",
                &["mcp.example.com:8443"],
                &["mcp.example.com", "mcp.example.com:1"],
            ),
            (
                "mcp.example.com:443",
                &["mcp.example.com:443", "mcp.example.com"],
                &["mcp.example.com:80"],
            ),
            (
                "*.Example.com",
                &["a.example.com", "a.b.EXAMPLE.com:9"],
                &[
                    "example.com",
                    ".example.com",
                    "aexample.com",
                    "a.example.com.evil",
                ],
            ),
            (
                "*.example.com:8443",
                &["a.example.com:8443"],
                &["a.example.com"],
            ),
            ("*", &["whatever:1", "[::1]"], &[]),
            ("[fd00::1]", &["[fd00::1]:8000"], &["[fd00::2]"]),
        ] {
            let parsed: HostPattern = pattern.parse().unwrap();
            let allows =
                |host: &str| authority(host).is_some_and(|(name, port)| parsed.allows(name, port));
            for host in allowed {
                assert!(allows(host), "{pattern} {host}");
            }
            for host in refused {
                assert!(!allows(host), "{pattern} {host}");
            }
        }
        for wrong in [
            "",
            "a b",
            "https://mcp.example.com",
            "mcp.example.com/",
            "mcp.*.com",
            "*example.com",
            "*.",
            "*.*.com",
            "a@b",
            "fd00::1",
            "mcp.example.com:https",
            "münchen.de",
            "**",
        ] {
            let reason = wrong.parse::<HostPattern>().unwrap_err();
            assert!(reason.contains("*.example.com"), "{wrong}: {reason}");
        }
    }

    #[test]
    fn origins_are_matched_in_the_forms_that_people_write() {
        for (pattern, allowed, refused) in [
            (
                "https://app.example.com",
                &["https://app.example.com"][..],
                &[
                    "http://app.example.com",
                    "https://app.example.com:8443",
                    "https://app.example.com.evil",
                    "https://app.example.com/",
                ][..],
            ),
            (
                "HTTPS://App.example.com/",
                &["https://app.example.com"],
                &[],
            ),
            (
                "https://app.example.com:443",
                &["https://app.example.com"],
                &["https://app.example.com:444"],
            ),
            (
                "http://10.0.0.7:3000",
                &["http://10.0.0.7:3000"],
                &["http://10.0.0.7"],
            ),
            (
                "http://dev.test:*",
                &["http://dev.test", "http://dev.test:5173"],
                &["https://dev.test:5173"],
            ),
            (
                "https://*.example.com",
                &["https://a.example.com", "https://a.b.example.com"],
                &[
                    "https://example.com",
                    "https://a.example.com:1",
                    "https://aexample.com",
                ],
            ),
            (
                "vscode-webview://abc",
                &["vscode-webview://abc"],
                &["vscode-webview://abd"],
            ),
        ] {
            let parsed: OriginPattern = pattern.parse().unwrap();
            let allows = |origin: &str| {
                let (scheme, rest) = origin.split_once("://").unwrap();
                authority(rest).is_some_and(|(name, port)| parsed.allows(scheme, name, port))
            };
            for origin in allowed {
                assert!(allows(origin), "{pattern} {origin}");
            }
            for origin in refused {
                assert!(!allows(origin), "{pattern} {origin}");
            }
        }
        for wrong in [
            "",
            "*",
            "null",
            "app.example.com",
            "https://",
            "https://*",
            "https://*:443",
            "://a",
            "https://a/path",
            "https://a b",
            "https://*a.com",
            "https://a:b",
            "h*://a",
        ] {
            let reason = wrong.parse::<OriginPattern>().unwrap_err();
            assert!(
                reason.contains("https://*.example.com"),
                "{wrong}: {reason}"
            );
        }
    }
}
