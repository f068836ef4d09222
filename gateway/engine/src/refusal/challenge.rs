//! What a client is told about its access token: the `WWW-Authenticate` header (RFC 6750, section 3;
//! 2025-11-25 and 2026-07-28, Authorization).

use std::fmt;

use axum::http::HeaderValue;

/// What is wrong with the token of a request, or with the way it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// There is none.
    Absent,
    /// It was sent in a way that it must not be sent.
    Misplaced(&'static str),
    /// It is no token of ours, or none any more.
    Invalid(Flaw),
}

/// What is wrong with a token: a short name for those who count, and words for its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaw(pub(crate) &'static str, pub(crate) &'static str);

/// What a token would need for what was asked: any one of these, the first scope best.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    /// Scopes, by the names that tokens show.
    pub(crate) scopes: Vec<String>,
    /// App roles.
    pub(crate) roles: Vec<String>,
}

/// A challenge without what only the layer in front of the endpoint knows: an extension of the
/// responses that need one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Challenge {
    error: Option<&'static str>,
    description: Option<String>,
    /// The scopes to ask for; `None` for those that every request needs.
    pub(crate) scopes: Option<Vec<String>>,
}

// === impl TokenFault ===

impl fmt::Display for TokenFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "send an access token, as Authorization: Bearer",
            Self::Misplaced(reason) | Self::Invalid(Flaw(_, reason)) => reason,
        })
    }
}

impl TokenFault {
    /// A short name for those who count refusals.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Misplaced(_) => "misplaced",
            Self::Invalid(Flaw(label, _)) => label,
        }
    }
}

// === impl Missing ===

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |kind: &str, names: &[String]| match names {
            [] => None,
            [one] => Some(format!("the {kind} {one}")),
            many => Some(format!("one of the {kind}s {}", many.join(", "))),
        };
        let needed = [named("scope", &self.scopes), named("role", &self.roles)];
        let needed: Vec<String> = needed.into_iter().flatten().collect();
        write!(f, "the access token lacks {}", needed.join(" or "))
    }
}

// === impl Challenge ===

impl From<TokenFault> for Challenge {
    fn from(fault: TokenFault) -> Self {
        let error = match fault {
            // A client that sent no token is told no error (RFC 6750, section 3.1).
            TokenFault::Absent => None,
            TokenFault::Misplaced(_) => Some("invalid_request"),
            TokenFault::Invalid(_) => Some("invalid_token"),
        };
        Self {
            error,
            description: error.map(|_| fault.to_string()),
            scopes: None,
        }
    }
}

impl From<&Missing> for Challenge {
    fn from(missing: &Missing) -> Self {
        Self {
            error: Some("insufficient_scope"),
            description: Some(missing.to_string()),
            // Any one is enough, and nobody shall be asked to consent to more than is needed.
            scopes: Some(missing.scopes.iter().take(1).cloned().collect()),
        }
    }
}

impl Challenge {
    /// The header for a server whose metadata is at `metadata`, with `scopes` to ask for.
    pub(crate) fn header(&self, metadata: &str, scopes: &[String]) -> HeaderValue {
        let description = self.description.as_deref();
        let parameters = [
            ("error", self.error.map(str::to_owned)),
            ("error_description", description.and_then(quotable)),
            ("resource_metadata", quotable(metadata)),
            ("scope", quotable(&scopes.join(" "))),
        ];
        let parameters: Vec<String> = parameters
            .into_iter()
            .filter_map(|(name, value)| Some(format!(r#"{name}="{}""#, value?)))
            .collect();
        HeaderValue::try_from(format!("Bearer {}", parameters.join(", ")))
            .unwrap_or(HeaderValue::from_static("Bearer"))
    }
}

/// The text as far as it may stand between quotes (RFC 6750, section 3: no quote, no backslash, nothing
/// but visible ASCII and spaces).
fn quotable(text: &str) -> Option<String> {
    let allowed = |c: char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    let text: String = text.chars().filter(|c| allowed(*c)).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn header(challenge: &Challenge, scopes: &[&str]) -> String {
        let header = challenge.header(METADATA, &names(scopes));
        header.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_client_without_a_token_is_told_where_to_get_one_and_no_error() {
        assert_eq!(
            header(&TokenFault::Absent.into(), &["api://app/tools.call"]),
            format!(r#"Bearer resource_metadata="{METADATA}", scope="api://app/tools.call""#)
        );
    }

    #[test]
    fn a_refused_token_is_told_why() {
        assert_eq!(
            header(
                &TokenFault::Invalid(Flaw("expired", "the token has expired")).into(),
                &[]
            ),
            format!(
                r#"Bearer error="invalid_token", error_description="the token has expired", resource_metadata="{METADATA}""#
            )
        );
    }

    #[test]
    fn a_misplaced_token_is_a_fault_of_the_request() {
        let challenge = TokenFault::Misplaced("send one token").into();
        let header = header(&challenge, &[]);
        assert!(header.contains(r#"error="invalid_request""#), "{header}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = Missing {
            scopes: names(&["tools.call", "tools.admin"]),
            roles: names(&["Tools.Call.All"]),
        };
        let text = "the access token lacks one of the scopes tools.call, tools.admin or the role Tools.Call.All";
        assert_eq!(missing.to_string(), text);
        let challenge = Challenge::from(&missing);
        assert_eq!(challenge.scopes, Some(names(&["tools.call"])));
        assert_eq!(
            header(&challenge, &["a/tools.call"]),
            format!(
                r#"Bearer error="insufficient_scope", error_description="{text}", resource_metadata="{METADATA}", scope="a/tools.call""#
            )
        );
    }

    #[test]
    fn nothing_breaks_out_of_its_quotes() {
        let missing = Missing {
            scopes: names(&["a\", x=\"\\\r\né"]),
            roles: Vec::new(),
        };
        let header = header(&Challenge::from(&missing), &["a\", x=\"\\\r\né"]);
        assert_eq!(header.matches('"').count(), 8, "{header}");
    }
}
