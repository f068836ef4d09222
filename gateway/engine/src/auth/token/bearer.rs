//! The token of a request: in the `Authorization` header and nowhere else (RFC 6750, section 2.1;
//! 2025-11-25 and 2026-07-28, Authorization, Token Requirements).

use std::ops::Range;

use axum::extract::Request;
use axum::http::{HeaderValue, header};

use crate::refusal::{Flaw, TokenFault};

/// Longest token, in bytes. Entra ID leaves groups out before a token gets that long.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

const MALFORMED: Flaw = Flaw("malformed", "the token is malformed");
const TOO_LONG: Flaw = Flaw("too_long", "the token is too long");

/// The token of a request, where it lies in its header: tokens are long, and copies of them cost more than looking them
/// up.
pub(crate) struct Bearer {
    header: HeaderValue,
    token: Range<usize>,
}

/// Takes the token out of a request, so that nothing behind can repeat it.
///
/// # Errors
///
/// When there is none, or more than one, or one elsewhere.
pub(crate) fn take(request: &mut Request) -> Result<Bearer, TokenFault> {
    let mut values = request.headers().get_all(header::AUTHORIZATION).iter();
    let is_one = values.next().is_none() || values.next().is_none();
    let value = request.headers_mut().remove(header::AUTHORIZATION);
    // A URL is written to logs and histories on its way; a token that was in one is known to others.
    if request.uri().query().is_some_and(names_a_token) {
        return Err(TokenFault::Misplaced(
            "a token must not be in the URL, where others can read it: get a new one and send it as \
             Authorization: Bearer",
        ));
    }
    let value = value.ok_or(TokenFault::Absent)?;
    if !is_one {
        // Of two, something in front might have read the other.
        return Err(TokenFault::Misplaced("send one Authorization header"));
    }
    Bearer::of(value)
}

impl Bearer {
    fn of(header: HeaderValue) -> Result<Self, TokenFault> {
        let bytes = header.as_bytes();
        let scheme = bytes.iter().position(|byte| *byte == b' ');
        let scheme = scheme.unwrap_or(bytes.len());
        // The name of a scheme has no case (RFC 9110, section 11.1).
        if !bytes[..scheme].eq_ignore_ascii_case(b"Bearer") {
            return Err(TokenFault::Absent);
        }
        let is_token = |byte: &u8| *byte != b' ';
        let start = bytes[scheme..].iter().position(is_token);
        let (Some(start), Some(last)) = (start, bytes.iter().rposition(is_token)) else {
            return Err(TokenFault::Invalid(MALFORMED));
        };
        let token = scheme + start..last + 1;
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenFault::Invalid(TOO_LONG));
        }
        Ok(Self { header, token })
    }

    /// The token as it came.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.header.as_bytes()[self.token.clone()]
    }

    /// The token, if it has the form of one.
    pub(crate) fn text(&self) -> Option<&str> {
        let bytes = self.bytes();
        let well_formed = bytes.iter().copied().all(is_token_character);
        std::str::from_utf8(bytes).ok().filter(|_| well_formed)
    }
}

/// RFC 6750, section 2.1.
fn is_token_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

/// Whether a query has a token as RFC 6750, section 2.3, would have it, however it is spelled.
fn names_a_token(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes())
        .any(|(name, _)| name.eq_ignore_ascii_case("access_token"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn taken(uri: &str, values: &[&str]) -> Result<String, TokenFault> {
        let mut request = Request::builder().uri(uri);
        for value in values {
            request = request.header("Authorization", *value);
        }
        let mut request = request.body(Body::empty()).unwrap();
        let token = take(&mut request);
        assert!(request.headers().is_empty(), "nothing is left");
        let token = token?.text().map(str::to_owned);
        token.ok_or(TokenFault::Invalid(MALFORMED))
    }

    fn misplaced(token: &Result<String, TokenFault>) -> bool {
        matches!(token, Err(TokenFault::Misplaced(_)))
    }

    #[test]
    fn one_header_has_the_token() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c "] {
            assert_eq!(taken("/mcp", &[value]), Ok("a.b.c".to_owned()), "{value}");
        }
        for values in [
            &[][..],
            &["Basic YTpi"],
            &["Bearera.b.c"],
            &["DPoP a.b.c"],
            &[""],
        ] {
            assert_eq!(taken("/mcp", values), Err(TokenFault::Absent), "{values:?}");
        }
        for value in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \u{7f}",
        ] {
            let token = taken("/mcp", &[value.trim_end_matches('\u{7f}')]);
            assert!(
                matches!(token, Err(TokenFault::Invalid(_))),
                "{value:?}: {token:?}"
            );
        }
        assert!(misplaced(&taken("/mcp", &["Bearer a.b.c", "Bearer a.b.c"])));
    }

    #[test]
    fn a_token_has_a_greatest_length() {
        let longest = "x".repeat(MAX_TOKEN_BYTES);
        assert_eq!(
            taken("/mcp", &[&format!("Bearer {longest}")]),
            Ok(longest.clone())
        );
        let longer = taken("/mcp", &[&format!("Bearer {longest}x")]);
        assert_eq!(longer, Err(TokenFault::Invalid(TOO_LONG)));
    }

    #[test]
    fn a_token_in_the_url_is_refused_whatever_the_header_says() {
        for query in [
            "access_token=a.b.c",
            "x=1&access_token=",
            "access_token",
            "Access_Token=a",
            "%61ccess%5Ftoken=a",
        ] {
            let uri = format!("/mcp?{query}");
            assert!(misplaced(&taken(&uri, &[])), "{query}");
            assert!(misplaced(&taken(&uri, &["Bearer a.b.c"])), "{query}");
        }
        for query in ["", "token=a", "my_access_token=a", "x=access_token", "%6"] {
            let token = taken(&format!("/mcp?{query}"), &["Bearer a.b.c"]);
            assert_eq!(token, Ok("a.b.c".to_owned()), "{query}");
        }
    }
}
