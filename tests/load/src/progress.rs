//! What is seen while a run goes on.

use std::io::{IsTerminal, Write, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::Progress;

/// How often a line appears where there is no terminal.
const LINES: Duration = Duration::from_secs(5);

/// A bar on a terminal, or a line now and then.
pub enum Display {
    /// A terminal.
    Bar(ProgressBar),
    /// Something else; when its next line appears.
    Lines(Duration),
}

impl Display {
    /// For standard error.
    #[expect(clippy::new_without_default, reason = "it looks at standard error")]
    pub fn new() -> Self {
        if !stderr().is_terminal() {
            return Self::Lines(Duration::ZERO);
        }
        let style = ProgressStyle::with_template("{bar:30} {msg}");
        let bar =
            ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    /// Shows how far it is.
    pub fn show(&mut self, progress: Progress) {
        match self {
            Self::Bar(bar) => {
                let total = u64::try_from(progress.total.as_millis()).unwrap_or(u64::MAX);
                let done = u64::try_from(progress.elapsed.as_millis()).unwrap_or(u64::MAX);
                bar.set_length(total);
                bar.set_position(done.min(total));
                bar.set_message(line(progress));
            }
            Self::Lines(next) => {
                if progress.elapsed >= *next {
                    *next = progress.elapsed + LINES;
                    // A run goes on when nobody reads what it says.
                    let _ = writeln!(stderr(), "{}", line(progress));
                }
            }
        }
    }

    /// Makes room for what comes next.
    pub fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn line(progress: Progress) -> String {
    let seconds = progress.elapsed.as_secs_f64().max(0.001);
    let p95 = match progress.p95_ms {
        Some(p95) => format!("p95 {p95:.1} ms"),
        None => "no answer yet".to_owned(),
    };
    format!(
        "{:.0} of {} s, {:.0} calls/s, {p95}, {} errors, {} lost",
        seconds,
        progress.total.as_secs(),
        progress.answered as f64 / seconds,
        progress.errors,
        progress.lost
    )
}
