//! The metrics as Markdown.

use std::fmt::Write;

use super::Description;

/// Columns of a line of the page.
const WIDTH: usize = 120;

/// One paragraph for each metric, by name.
pub(super) fn of(mut metrics: Vec<Description>) -> String {
    metrics.sort_by_key(|metric| metric.name);
    let mut page = String::new();
    for metric in &metrics {
        // Writing to a string does not fail.
        let _ = write!(page, "\n### `{}`\n\n", metric.name);
        page += &filled(&format!("A {}. {}", metric.kind, metric.help), "", "");
        if !metric.labels.is_empty() {
            page.push('\n');
        }
        for (label, values) in &metric.labels {
            page += &filled(&format!("`{label}`: {values}"), "- ", "  ");
        }
        if !metric.buckets.is_empty() {
            let bounds: Vec<String> = metric.buckets.iter().map(f64::to_string).collect();
            let bounds = format!("Buckets up to {} and above.", bounds.join(", "));
            let _ = write!(page, "\n{}", filled(&bounds, "", ""));
        }
    }
    page
}

/// A text in lines of the page.
fn filled(text: &str, first: &str, rest: &str) -> String {
    let mut lines = String::from(first);
    let mut column = first.len();
    for (number, word) in text.split(' ').enumerate() {
        if number > 0 && column + 1 + word.chars().count() > WIDTH {
            lines.push('\n');
            lines += rest;
            column = rest.len();
        } else if number > 0 {
            lines.push(' ');
            column += 1;
        }
        lines += word;
        column += word.chars().count();
    }
    lines.push('\n');
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_wide_and_nothing_is_lost() {
        let text = "some words of different length ".repeat(20);
        let lines = filled(text.trim(), "- ", "  ");
        assert!(lines.lines().all(|line| line.len() <= WIDTH), "{lines}");
        assert!(
            lines
                .lines()
                .skip(1)
                .all(|line| line.starts_with("  s") || line.len() > 3)
        );
        let words = |text: &str| text.split_whitespace().count();
        assert_eq!(words(&lines), words(&text) + 1);
    }
}
