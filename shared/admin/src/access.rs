//! Who may read.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use prynai_process::secret::Secret;
use sha2::{Digest, Sha256};

/// How a browser says where a request comes from (Fetch Metadata); no page can write it.
const SITE: &str = "sec-fetch-site";

/// What a reader must show.
pub(crate) enum Access {
    /// That it is no web page: one that was told that its name is an address of this machine could read what is served
    /// here.
    Local,
    /// A token, known by its digest, so that comparing it takes the same time whatever is sent.
    Token(Vec<u8>),
}

/// Why somebody may not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No token, or another one.
    Token,
    /// A web page asks, or under a name that is not this machine's own.
    Page,
}

impl Access {
    pub(crate) fn new(token: Option<&Secret>) -> Self {
        token.map_or(Self::Local, |token| Self::Token(digest(token.expose())))
    }

    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match self {
            Self::Token(expected) => {
                let sent = headers
                    .get(AUTHORIZATION)
                    .and_then(|sent| sent.to_str().ok());
                let token = sent.and_then(token);
                let is_it = token.is_some_and(|token| digest(&token) == *expected);
                is_it.then_some(()).ok_or(Refusal::Token)
            }
            Self::Local => {
                let host = headers.get(HOST).and_then(|host| host.to_str().ok());
                let is_page = headers.contains_key(ORIGIN) || !host.is_some_and(is_own_name);
                (!is_page).then_some(()).ok_or(Refusal::Page)
            }
        }
    }
}

impl Access {
    /// The name that somebody typed into a browser beside the token. Nothing proves it. A token in its place is none.
    pub(crate) fn name(&self, headers: &HeaderMap) -> Option<String> {
        let sent = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (name, _) = basic(sent)?;
        let is_token = matches!(self, Self::Token(expected) if digest(&name) == *expected);
        (!name.is_empty() && !is_token).then_some(name)
    }
}

/// Whether a form comes from a page that was served here: no other page may have a browser do something, even where the
/// browser sends what shows who its user is.
pub(crate) fn is_own_form(headers: &HeaderMap) -> bool {
    let text = |value: &hyper::header::HeaderValue| value.to_str().ok().map(str::to_owned);
    if let Some(site) = headers.get(SITE) {
        return site.as_bytes() == b"same-origin";
    }
    // A browser that does not say it: not over plain HTTP, unless it is this machine's own.
    let (origin, host) = (headers.get(ORIGIN), headers.get(HOST));
    let (origin, host) = (origin.and_then(text), host.and_then(text));
    let origin = origin.as_deref().and_then(|origin| {
        let stripped = origin.strip_prefix("http://");
        stripped.or_else(|| origin.strip_prefix("https://"))
    });
    origin.is_some() && origin == host.as_deref()
}

/// The token of a program (RFC 6750), or the password that somebody typed into a browser (RFC 7617).
fn token(sent: &str) -> Option<String> {
    let (scheme, rest) = sent.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Some(rest.trim().to_owned());
    }
    basic(sent).map(|(_any_name, password)| password)
}

/// A name and a password.
fn basic(sent: &str) -> Option<(String, String)> {
    let (scheme, rest) = sent.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = String::from_utf8(BASE64_STANDARD.decode(rest.trim()).ok()?).ok()?;
    let (name, password) = pair.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

fn digest(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}

/// An address, or the one name that no name server can give away (RFC 6761, section 6.3).
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(sent: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                name.parse().expect("a name"),
                value.parse().expect("a value"),
            )
        };
        sent.iter().map(pair).collect()
    }

    #[test]
    fn the_token_is_asked_for_and_nothing_like_it_will_do() {
        let token = "the token of this test, long enough";
        let access = Access::new(Some(&Secret::from(token.to_owned())));
        let sent = |value: &'static str| access.check(&headers(&[("authorization", value)]));
        for good in [
            "Bearer the token of this test, long enough",
            "bearer  the token of this test, long enough",
        ] {
            assert_eq!(sent(good), Ok(()), "{good}");
        }
        for bad in [
            "Bearer the token of this test, long enoug",
            "Bearer the token of this test, long enough and more",
            "Basic the token of this test, long enough",
            "the token of this test, long enough",
            "Bearer",
            "Bearer ",
        ] {
            assert_eq!(sent(bad), Err(Refusal::Token), "{bad}");
        }
        assert_eq!(access.check(&headers(&[])), Err(Refusal::Token));
    }

    #[test]
    fn a_browser_shows_the_token_as_a_password_under_any_name() {
        let token = "the token of this test: long enough";
        let access = Access::new(Some(&Secret::from(token.to_owned())));
        let sent = |scheme: &str, pair: &str| {
            let value = format!("{scheme} {}", BASE64_STANDARD.encode(pair));
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().expect("a value"));
            access.check(&headers)
        };
        for name in ["", "me", "operator"] {
            assert_eq!(sent("basic", &format!("{name}:{token}")), Ok(()), "{name}");
        }
        for bad in [
            token,
            "me:",
            "me",
            ":",
            &format!("{token}:me"),
            &format!("me:{token} "),
        ] {
            assert_eq!(sent("Basic", bad), Err(Refusal::Token), "{bad}");
        }
        assert_eq!(sent("Bearer", &format!("me:{token}")), Err(Refusal::Token));
    }

    #[test]
    fn the_name_beside_the_token_is_told_and_the_token_never() {
        let token = "the token of this test, long enough";
        let access = Access::new(Some(&Secret::from(token.to_owned())));
        let name = |value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().expect("a value"));
            access.name(&headers)
        };
        let basic = |name: &str| {
            format!(
                "Basic {}",
                BASE64_STANDARD.encode(format!("{name}:{token}"))
            )
        };
        assert_eq!(name(basic("Zoë")).as_deref(), Some("Zoë"));
        for nobody in [basic(""), basic(token), format!("Bearer {token}")] {
            assert_eq!(name(nobody.clone()), None, "{nobody}");
        }
    }

    #[test]
    fn only_forms_that_were_served_here_count() {
        let host = ("host", "127.0.0.1:9464");
        for good in [
            &[host, ("sec-fetch-site", "same-origin")][..],
            &[host, ("origin", "http://127.0.0.1:9464")],
            &[host, ("origin", "https://127.0.0.1:9464")],
        ] {
            assert!(is_own_form(&headers(good)), "{good:?}");
        }
        for bad in [
            &[host][..],
            &[("origin", "http://127.0.0.1:9464")],
            &[host, ("origin", "null")],
            &[host, ("origin", "http://127.0.0.1:9465")],
            &[host, ("origin", "http://evil.example")],
            &[
                host,
                ("origin", "http://127.0.0.1:9464"),
                ("sec-fetch-site", "same-site"),
            ],
            &[
                host,
                ("origin", "http://127.0.0.1:9464"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[
                host,
                ("origin", "http://127.0.0.1:9464"),
                ("sec-fetch-site", "none"),
            ],
        ] {
            assert!(!is_own_form(&headers(bad)), "{bad:?}");
        }
    }

    #[test]
    fn without_a_token_no_web_page_reads() {
        let access = Access::new(None);
        for host in [
            "127.0.0.1:9464",
            "localhost:9464",
            "LOCALHOST",
            "[::1]:9464",
            "10.1.2.3",
        ] {
            assert_eq!(access.check(&headers(&[("host", host)])), Ok(()), "{host}");
            let of_a_page = headers(&[("host", host), ("origin", "null")]);
            assert_eq!(access.check(&of_a_page), Err(Refusal::Page), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "127.0.0.1.evil.example",
            "",
            "localhost.:1",
        ] {
            let refused = access.check(&headers(&[("host", host)]));
            assert_eq!(refused, Err(Refusal::Page), "{host}");
        }
        assert_eq!(access.check(&headers(&[])), Err(Refusal::Page));
    }
}
