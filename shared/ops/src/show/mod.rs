//! How things look on a terminal.

use std::io::IsTerminal;

mod points;
mod table;

pub use points::point;
pub(crate) use table::cut;
pub use table::{Column, Table};

/// How wide a line may be: as wide as the terminal, or as `COLUMNS` says. Without a limit where no person reads.
pub fn line_width() -> Option<usize> {
    if let Some((width, _)) = terminal_size::terminal_size() {
        return Some(usize::from(width.0));
    }
    std::env::var("COLUMNS").ok()?.parse().ok()
}

/// Whether a person looks at what is printed.
pub fn is_watched() -> bool {
    std::io::stdout().is_terminal()
}
