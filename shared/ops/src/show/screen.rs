//! A screen that is drawn again and again.

/// Goes to the upper left corner.
const HOME: &str = "\u{1b}[H";

/// Clears what is left of a line.
const REST_OF_LINE: &str = "\u{1b}[K";

/// Clears what is below.
const BELOW: &str = "\u{1b}[J";

/// What draws `text` over the screen before: as many lines as there are, the last one left free. It does not clear
/// first, which would flicker.
pub fn redrawn(text: &str, height: usize) -> String {
    let mut drawn = HOME.to_owned();
    for line in text.lines().take(height.saturating_sub(1).max(1)) {
        drawn += line;
        drawn += REST_OF_LINE;
        drawn.push('\n');
    }
    drawn + BELOW
}

/// How many lines the terminal has; `None` where no person looks.
pub fn height() -> Option<usize> {
    terminal_size::terminal_size().map(|(_, height)| usize::from(height.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_lines_are_drawn_than_there_are() {
        let drawn = redrawn("a\nb\nc\n", 3);
        assert_eq!(drawn, "\u{1b}[Ha\u{1b}[K\nb\u{1b}[K\n\u{1b}[J");
        assert_eq!(redrawn("a\nb\n", 0).matches('\n').count(), 1);
    }
}
