//! Text of clients and tools, made harmless: it must neither steer the terminal nor pass for something else.

use std::fmt::Write;

/// The text with every character that a terminal does not simply print in a visible form: `\u{1b}`.
pub fn harmless(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A JSON document that says the same, with such characters escaped as JSON does it. They stand only in strings; the
/// line feeds between its lines stay.
pub fn harmless_json(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || !steers(c) {
            shown.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

/// Whether a character steers the terminal (C0, C1, DEL), or is not seen although it changes what is seen: direction,
/// joining, line ends, tags.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_text() {
        let hostile = "a\u{1b}[2J\u{9b}31m\r\n\u{7f}\u{202e}\u{200b}\u{e0041}é漢";
        let shown = harmless(hostile);
        assert!(!shown.chars().any(steers), "{shown:?}");
        assert!(shown.starts_with("a\\u{1b}[2J"), "{shown}");
        assert!(shown.ends_with("é漢"), "{shown}");
    }

    #[test]
    fn json_says_the_same() {
        let hostile = serde_json::json!({ "a": "\u{1b}\u{9b}\u{7f}\u{202e}\u{e0041}\n é" });
        let shown = harmless_json(&serde_json::to_string_pretty(&hostile).unwrap());
        assert!(!shown.chars().any(|c| c != '\n' && steers(c)), "{shown:?}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, hostile);
    }
}
