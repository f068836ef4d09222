//! What strangers sent, as a log or a page may show it: nothing in it acts or hides, and it has a bound.

use std::borrow::Cow;

use crate::wire::message::RawJson;
use crate::wire::principal::Principal;

/// Most bytes that are shown of a method, and of an id.
const MOST_OF_ID: usize = 64;

/// Most bytes that are shown of a name, of a URI, and of a principal.
const MOST_OF_NAME: usize = 256;

/// Digits that are shown of a session. They tell sessions apart, and the rest, 74 random bits, is what a client shows
/// to use it: where nobody needs a token, whoever reads the whole id has the session.
pub const DIGITS_OF_SESSION: usize = 12;

/// Stands for what is left out.
pub const MORE: char = '…';

/// The text with every character that is neither a letter, a digit, a space nor a sign of ASCII written as its number,
/// and cut off after `most` bytes: no terminal and no page acts on it, and nothing in it hides.
pub fn visible(text: &str, most: usize) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    if text.len() <= most && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    for char in text.chars() {
        let before = shown.len();
        if char == ' ' || char.is_ascii_graphic() || char.is_alphanumeric() {
            shown.push(char);
        } else {
            shown.extend(char.escape_unicode());
        }
        if shown.len() > most {
            shown.truncate(before);
            shown.push(MORE);
            break;
        }
    }
    Cow::Owned(shown)
}

/// A JSON-RPC method.
pub fn method(method: &str) -> Cow<'_, str> {
    visible(method, MOST_OF_ID)
}

/// The tool, prompt or resource that a message of this method names. Of a URI what stands before its query, without
/// user and password: there may stand a secret, or an argument.
pub fn name<'a>(method: &str, name: &'a str) -> Cow<'a, str> {
    if !method.starts_with("resources/") && method != "skills/get" {
        return visible(name, MOST_OF_NAME);
    }
    let uri = name.split(['?', '#']).next().unwrap_or_default();
    match without_user(uri) {
        Some(uri) => Cow::Owned(visible(&uri, MOST_OF_NAME).into_owned()),
        None => visible(uri, MOST_OF_NAME),
    }
}

/// A URI without its user and password, if it has them.
fn without_user(uri: &str) -> Option<String> {
    let (scheme, rest) = uri.split_once("://")?;
    let host = rest.split('/').next()?;
    let at = host.rfind('@')?;
    Some(format!("{scheme}://{}", rest.get(at + 1..)?))
}

/// A JSON-RPC id, without the quotes of a string.
pub fn id(id: &RawJson) -> Cow<'_, str> {
    visible(id.as_str().trim_matches('"'), MOST_OF_ID)
}

/// The beginning of a session's id, which nobody can use the session by.
pub fn session(id: &str) -> &str {
    let end = id.char_indices().nth(DIGITS_OF_SESSION);
    end.map_or(id, |(end, _)| &id[..end])
}

/// Whether what is shown of a session is of the one that is asked for, by its whole id or its beginning.
pub fn is_session(shown: &str, wanted: &str) -> bool {
    shown.starts_with(session(wanted))
}

/// Who calls.
pub fn principal(principal: &Principal) -> Cow<'_, str> {
    subject(&principal.subject)
}

/// The name of a caller of which nothing else is known.
pub fn subject(subject: &str) -> Cow<'_, str> {
    visible(subject, MOST_OF_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_uri_only_what_names_it_is_shown() {
        for (of, uri, shown) in [
            ("resources/read", "db://a/b?key=secret", "db://a/b"),
            ("resources/read", "db://a#part", "db://a"),
            (
                "skills/get",
                "db://a/SKILL.md?key=secret",
                "db://a/SKILL.md",
            ),
            ("resources/read", "db://me:secret@a/b", "db://a/b"),
            ("resources/read", "db://me:sec@ret@a?b@c", "db://a"),
            ("resources/read", "db://me@a", "db://a"),
            ("resources/read", "db://a/b@c", "db://a/b@c"),
            ("resources/read", "mail:me@a", "mail:me@a"),
            ("tools/call", "what?", "what?"),
        ] {
            assert_eq!(name(of, uri), shown);
        }
    }

    #[test]
    fn of_a_session_only_the_beginning_is_shown() {
        assert_eq!(session("0123456789abcdef0123456789abcdef"), "0123456789ab");
        assert_eq!(session("0123"), "0123");
        let whole = "0123456789abcdef0123456789abcdef";
        for (wanted, is_it) in [(whole, true), ("0123", true), ("1234", false)] {
            assert_eq!(is_session(session(whole), wanted), is_it, "{wanted}");
        }
        assert_eq!(session(&"ä".repeat(13)), "ä".repeat(12));
    }

    #[test]
    fn plain_text_stays_as_it_is() {
        for text in ["", "echo", "a b/c?d=\"e\"", "größe", "名前"] {
            assert_eq!(visible(text, 64), text);
        }
    }

    #[test]
    fn nothing_hides_and_nothing_acts() {
        for (text, shown) in [
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("a\nb\r\t\0", "a\\u{a}b\\u{d}\\u{9}\\u{0}"),
            ("\u{202e}txt", "\\u{202e}txt"),
            ("a\u{200b}b\u{2028}", "a\\u{200b}b\\u{2028}"),
            ("\u{7f}\u{85}\u{9b}", "\\u{7f}\\u{85}\\u{9b}"),
        ] {
            assert_eq!(visible(text, 64), shown);
        }
    }

    #[test]
    fn long_text_is_cut_off_between_characters() {
        assert_eq!(visible("abcd", 4), "abcd");
        assert_eq!(visible("abcde", 4), "abcd…");
        assert_eq!(visible("ääää", 5), "ää…");
        assert_eq!(visible("abc\u{1b}", 5), "abc…");
        assert_eq!(
            visible(&"\n".repeat(1_000_000), 100).len(),
            100 + '…'.len_utf8()
        );
    }
}
