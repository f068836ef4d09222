//! Sentences under each other.

use prynai_operations::text::harmless;
use unicode_width::UnicodeWidthStr;

/// What each point begins with; its other lines are indented.
const DASH: &str = "  - ";

/// A sentence as a point of a list, over as many lines as it needs. A word that is wider than a line stands alone.
pub fn point(sentence: &str, width: Option<usize>) -> String {
    let most = width.unwrap_or(usize::MAX);
    let sentence = harmless(sentence);
    let (mut text, mut line) = (String::new(), DASH.to_owned());
    let mut is_begin = true;
    for word in sentence.split(' ') {
        if !is_begin && line.width() + 1 + word.width() > most {
            text += &line;
            text.push('\n');
            line = " ".repeat(DASH.len());
            is_begin = true;
        }
        if !is_begin {
            line.push(' ');
        }
        line += word;
        is_begin = false;
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_broken_between_words() {
        let shown = point("one two three \u{1b}[2J four", Some(14));
        assert_eq!(shown, "  - one two\n    three\n    \\u{1b}[2J\n    four\n");
        assert_eq!(point("one two", None), "  - one two\n");
    }
}
