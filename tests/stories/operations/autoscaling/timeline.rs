//! What was seen and decided, look by look.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

/// One look of the autoscaler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Since the beginning.
    pub(super) at: Duration,
    /// The lag; Redis does not always know it.
    pub(super) waiting: Option<i64>,
    /// The pending entries.
    pub(super) running: i64,
    /// Workers that there are to be.
    pub(super) wanted: usize,
    /// Workers that were told to end, and finish what they run.
    pub(super) leaving: usize,
}

/// All looks, and what began when.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) looks: Vec<Look>,
    begun: Vec<(Duration, &'static str)>,
}

impl Timeline {
    pub(super) fn begins(&mut self, at: Duration, what: &'static str) {
        self.begun.push((at, what));
    }

    /// The most workers that were wanted.
    pub(super) fn most_wanted(&self) -> usize {
        let wanted = self.looks.iter().map(|look| look.wanted);
        wanted.max().unwrap_or_default()
    }

    /// Writes it as JSON, for the picture.
    pub(super) fn write(&self, file: &Path) {
        let looks = self.looks.iter().map(|look| {
            json!({
                "at": look.at.as_secs_f64(),
                "waiting": look.waiting,
                "running": look.running,
                "wanted": look.wanted,
                "leaving": look.leaving,
            })
        });
        let begun = self.begun.iter();
        let begun = begun.map(|(at, what)| json!({ "at": at.as_secs_f64(), "what": what }));
        let all = json!({
            "looks": looks.collect::<Vec<_>>(),
            "begun": begun.collect::<Vec<_>>(),
        });
        std::fs::write(file, all.to_string()).expect("is written");
    }
}

impl fmt::Display for Timeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut begun = self.begun.iter().peekable();
        for look in &self.looks {
            while let Some((_, what)) = begun.next_if(|(at, _)| *at <= look.at) {
                writeln!(f, "  {what}")?;
            }
            let waiting = look.waiting.map_or("?".to_owned(), |lag| lag.to_string());
            writeln!(
                f,
                "{:6.1} s  waiting {waiting:>3}  running {:>3}  workers {}  leaving {}",
                look.at.as_secs_f64(),
                look.running,
                look.wanted,
                look.leaving,
            )?;
        }
        Ok(())
    }
}
