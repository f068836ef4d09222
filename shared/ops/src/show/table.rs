//! Tables that fit the terminal.

use prynai_operations::text::harmless;
use unicode_width::UnicodeWidthStr;

/// Spaces between two columns.
const GAP: usize = 2;

/// A column.
pub struct Column {
    title: &'static str,
    is_number: bool,
    /// To how many characters it may be cut.
    shortest: Option<usize>,
}

/// Rows under titles. The columns that matter most come first: where the line is too short, texts are cut, and then the
/// last columns are left out.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Column {
    /// Names are shown whole: somebody copies them.
    pub fn name(title: &'static str) -> Self {
        Self {
            title,
            is_number: false,
            shortest: None,
        }
    }

    /// A text may be cut, to so many characters at least.
    pub fn text(title: &'static str, shortest: usize) -> Self {
        Self {
            shortest: Some(shortest.max(title.len())),
            ..Self::name(title)
        }
    }

    /// Numbers stand below each other.
    pub fn number(title: &'static str) -> Self {
        Self {
            is_number: true,
            ..Self::name(title)
        }
    }
}

impl Table {
    /// A table without rows.
    pub fn new(columns: Vec<Column>) -> Self {
        let rows = Vec::new();
        Self { columns, rows }
    }

    /// Adds a row, whose text may come from anybody.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| harmless(&cell));
        self.rows.push(cells.collect());
    }

    /// Leaves out the rows of whose cells this is not true.
    pub fn retain(&mut self, mut is_wanted: impl FnMut(&[String]) -> bool) {
        self.rows.retain(|cells| is_wanted(cells));
    }

    /// Its lines, none wider than `width`, if there is one.
    pub fn render(&self, width: Option<usize>) -> String {
        let widths = self.widths(width.unwrap_or(usize::MAX));
        let titles: Vec<_> = self.columns.iter().map(|c| c.title.to_owned()).collect();
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            for ((cell, column), width) in row.iter().zip(&self.columns).zip(&widths) {
                if !line.is_empty() {
                    line.push_str(&" ".repeat(GAP));
                }
                let cell = cut(cell, *width);
                let padding = " ".repeat(width.saturating_sub(cell.width()));
                let (before, after) = match column.is_number {
                    true => (padding.as_str(), ""),
                    false => ("", padding.as_str()),
                };
                line.extend([before, &cell, after]);
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The width of each column that is shown.
    fn widths(&self, most: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = Vec::new();
        for (at, column) in self.columns.iter().enumerate() {
            let cells = self.rows.iter().filter_map(|row| row.get(at));
            let widest = cells.map(|cell| cell.width()).max().unwrap_or(0);
            widths.push(widest.max(column.title.width()));
        }
        loop {
            let gaps = GAP * widths.len().saturating_sub(1);
            let total = gaps + widths.iter().sum::<usize>();
            if total <= most || widths.len() <= 1 {
                return widths;
            }
            let cuttable = self.columns.iter().zip(&mut widths);
            let widest = cuttable
                .filter_map(|(column, width)| Some((column.shortest?, width)))
                .filter(|(shortest, width)| **width > *shortest)
                .max_by_key(|(_, width)| **width);
            match widest {
                Some((shortest, width)) => {
                    *width = shortest.max(width.saturating_sub(total - most));
                }
                None => {
                    widths.pop();
                }
            }
        }
    }
}

/// The text, or as much of it as fits.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if kept.width() >= width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let columns = vec![
            Column::name("NAME"),
            Column::number("AGE"),
            Column::text("WHAT", 10),
            Column::name("LAST"),
        ];
        let mut table = Table::new(columns);
        table.row(["a-1", "12", "漢字漢字漢字漢字漢字漢字", "z"].map(str::to_owned));
        table.row(["bb-22", "3", "\u{1b}[2Jshort", "y"].map(str::to_owned));
        table
    }

    #[test]
    fn a_table_never_exceeds_its_line() {
        for width in 12..60 {
            for line in table().render(Some(width)).lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn names_stay_whole_and_texts_are_cut() {
        let shown = table().render(Some(30));
        assert!(shown.contains("bb-22    3  \\u{1b}[2J"), "{shown}");
        assert!(shown.contains('…'), "{shown}");
        let whole = table().render(None);
        assert!(whole.contains("漢字漢字漢字漢字漢字漢字"), "{whole}");
        assert_eq!(whole.lines().count(), 3);
    }
}
