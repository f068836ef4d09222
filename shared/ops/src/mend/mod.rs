//! What changes something. Each asks before it does so, unless `--yes` is given.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};

use prynai_operations::text::harmless;

use crate::look::Failed;

pub mod cancel;
pub mod dead;
pub mod drain;
pub mod replay;

/// Asks on the terminal whether to go on.
fn confirm(question: &str, yes: bool) -> Result<(), Failed> {
    if yes {
        return Ok(());
    }
    if !stdin().is_terminal() {
        return Err(Failed::Unasked);
    }
    // Nobody can answer a question that cannot be written.
    let asked = write!(stderr(), "{} [y/N] ", harmless(question));
    let mut answer = String::new();
    let read = asked.and_then(|()| stdin().lock().read_line(&mut answer));
    match read {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) => Ok(()),
        _ => Err(Failed::Declined),
    }
}
