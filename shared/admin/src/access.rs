//! Who may read.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use prynai_process::secret::Secret;
use sha2::{Digest, Sha256};

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
                let token = sent.and_then(|sent| {
                    let (scheme, token) = sent.split_once(' ')?;
                    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
                });
                let is_it = token.is_some_and(|token| digest(token) == *expected);
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
