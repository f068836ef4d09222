//! What rules and limits have in common, as they are written.

use std::ops::Range;
use std::sync::Arc;

use prynai_bus::patterns;
use toml::Spanned;

use super::callers::{AppliesTo, Callers, Names, Targets};

/// Characters of the name of a rule.
const MOST_OF_NAME: usize = 64;

pub(super) type Texts = Vec<Spanned<String>>;

/// What is wrong, and where in the text it stands.
pub(super) struct Wrong {
    pub(super) at: Range<usize>,
    pub(super) reason: String,
}

pub(super) fn callers(
    to: AppliesTo,
    any_scope: Option<Texts>,
    any_role: Option<Texts>,
) -> Result<Callers, Wrong> {
    Ok(Callers {
        to,
        any_scope: Names::of_scopes(names(any_scope.unwrap_or_default())?),
        any_role: Names::of_roles(names(any_role.unwrap_or_default())?),
    })
}

/// What the audit calls a rule.
pub(super) fn name_of(written: Spanned<String>) -> Result<Arc<str>, Wrong> {
    let name = written.get_ref();
    let is_plain = name.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if name.trim().is_empty() || name.len() > MOST_OF_NAME || !is_plain {
        let reason =
            format!("the name of a rule has 1 to {MOST_OF_NAME} visible characters of ASCII");
        let at = written.span();
        return Err(Wrong { at, reason });
    }
    Ok(written.into_inner().into())
}

pub(super) fn targets(texts: Texts) -> Result<Targets, Wrong> {
    // One by one, so that the line of a wrong one is known.
    for text in &texts {
        patterns::check(text.get_ref()).map_err(|error| Wrong {
            at: text.span(),
            reason: error.to_string(),
        })?;
    }
    let at = texts.first().map_or(0..0, Spanned::span);
    let texts = texts.into_iter().map(Spanned::into_inner).collect();
    Targets::new(texts).map_err(|error| Wrong {
        at,
        reason: error.to_string(),
    })
}

/// Scopes and roles are words of a challenge (RFC 6749, section 3.3: visible ASCII without quotes and backslashes),
/// with their case.
fn names(texts: Texts) -> Result<Vec<String>, Wrong> {
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    for text in &texts {
        let name = text.get_ref();
        if name.is_empty() || !name.bytes().all(allowed) || name.ends_with('/') {
            return Err(Wrong {
                at: text.span(),
                reason: format!(
                    "{name:?} is not the name of a scope or role; write one name in each pair of quotes, such as \"mcp.call\""
                ),
            });
        }
    }
    Ok(texts.into_iter().map(Spanned::into_inner).collect())
}
