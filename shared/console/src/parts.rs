//! What pages are made of.

use maud::{Escaper, Markup, Render, html};
use prynai_bus::operations::CallName;
use prynai_bus::shown;
use prynai_operations::text::{harmless, moment, span};

use crate::address::path;

/// Characters of a text that are shown.
const LONGEST: usize = 200;

/// Text that may come from anybody: what steers is shown as text, markup is escaped, and it has a bound.
pub(crate) struct Said<'a>(&'a str);

/// See [`Said`].
pub(crate) fn said(text: &str) -> Said<'_> {
    Said(text)
}

impl Render for Said<'_> {
    fn render_to(&self, buffer: &mut String) {
        use std::fmt::Write;
        let mut chars = self.0.char_indices();
        let end = chars.nth(LONGEST).map(|(end, _)| end);
        let shown = harmless(&self.0[..end.unwrap_or(self.0.len())]);
        // Writing to a string cannot fail.
        let _ = Escaper::new(buffer).write_str(&shown);
        if end.is_some() {
            buffer.push('…');
        }
    }
}

/// The same of something that may be unknown.
pub(crate) fn said_or_dash(text: Option<&String>) -> Markup {
    html! { @if let Some(text) = text { (said(text)) } @else { (dash()) } }
}

/// What stands for something that is not known.
pub(crate) fn dash() -> Markup {
    html! { span .dim title="not known, or none" { "–" } }
}

/// A span of time.
pub(crate) fn time(ms: Option<u64>) -> Markup {
    html! { @if let Some(ms) = ms { (span(ms)) } @else { (dash()) } }
}

/// How long ago a moment is; the moment itself for those who point at it.
pub(crate) fn ago(now_ms: u64, then_ms: u64) -> Markup {
    html! { time title=(moment(then_ms)) { (span(now_ms.saturating_sub(then_ms))) " ago" } }
}

/// A session, of which nobody learns enough to use it.
pub(crate) fn session(id: Option<&String>) -> Markup {
    let shown = id.map(|id| shown::session(id));
    html! {
        @if let Some(shown) = shown { span title="the begin of its name" { (said(shown)) "…" } } @else { (dash()) }
    }
}

/// A link to a call, if it is called as calls are.
pub(crate) fn call_link(name: &str, shown: &Markup) -> Markup {
    html! {
        @if name.parse::<CallName>().is_ok() {
            a href=(path("call", &[("id", name)])) { (shown) }
        } @else { (shown) }
    }
}

/// A state in a word, with a colour that says no more than the word.
pub(crate) fn state(word: &str) -> Markup {
    let kind = match word {
        "alive" | "runs" | "ended" | "good" | "ok" | "working" | "completed" => "good",
        "waits" | "handed back" | "draining" | "note" | "open" | "refused" => "note",
        "waits for its client" | "input_required" => "note",
        "gone" | "stopped" | "cancelled" | "unknown" => "dim",
        _ => "bad",
    };
    html! { span class=(format!("state {kind}")) { (word) } }
}

/// Columns of a table: each a title, and whether it holds numbers.
pub(crate) type Columns = &'static [(&'static str, bool)];

/// A table. On a narrow screen each row becomes a block whose cells have their titles before them.
pub(crate) fn table(caption: &str, columns: Columns, rows: Vec<Vec<Markup>>) -> Markup {
    html! {
        table {
            caption { (caption) }
            thead { tr { @for (title, is_number) in columns {
                th scope="col" .number[*is_number] { (title) }
            } } }
            tbody { @for row in rows { tr {
                @for (cell, (title, is_number)) in row.iter().zip(columns) {
                    td .number[*is_number] data-title=(title) { (cell) }
                }
            } } }
        }
    }
}

/// Facts, each with its name.
pub(crate) fn facts(facts: &[(&str, Markup)]) -> Markup {
    html! { dl .facts { @for (name, value) in facts { div { dt { (name) } dd { (value) } } } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_said_acts() {
        let hostile = "<script>alert(1)</script>\"' onload=x\u{1b}[2J\u{202e}&amp;";
        let shown = html! { a title=(said(hostile)) { (said(hostile)) } }.into_string();
        assert!(!shown.contains("<script"), "{shown}");
        assert_eq!(shown.matches('"').count(), 2, "{shown}");
        assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'));
        assert!(shown.contains(r"\u{1b}[2J\u{202e}&amp;amp;"), "{shown}");
        assert_eq!(call_link(hostile, &html! { "x" }).into_string(), "x");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let long = "漢".repeat(1_000_000);
        let shown = html! { (said(&long)) }.into_string();
        assert_eq!(shown.chars().count(), LONGEST + 1);
        assert!(shown.ends_with('…'));
    }

    #[test]
    fn the_name_of_a_session_is_not_told() {
        let id = "0123456789abcdef0123456789abcdef".to_owned();
        let shown = session(Some(&id)).into_string();
        assert!(
            shown.contains("0123456789ab…") && !shown.contains("0123456789abc"),
            "{shown}"
        );
    }
}
