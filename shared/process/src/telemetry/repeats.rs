//! Lines that anybody can provoke as often as they like: those of one source become one line, with a count.
//!
//! An event takes part by having the field [`SOURCE`]. The first is written at once; those like it within
//! [`WINDOW`] follow together, as the message, its source and how many they were.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

use super::LogFormat;
use super::line::line;

/// The field that says what provoked a line. Lines of one place in the code with the same source, and the
/// same `error` if they have one, are alike.
const SOURCE: &str = "source";

/// How long lines are gathered.
const WINDOW: Duration = Duration::from_secs(10);

/// Most sources that are told apart within a window; the others are counted as one.
const MAX_SOURCES: usize = 1000;

/// Most characters of a source or an error that are kept.
const MAX_TEXT: usize = 256;

/// Stands for the sources beyond [`MAX_SOURCES`].
const OTHERS: &str = "others";

/// Events that are alike.
#[derive(Debug, Clone)]
pub(super) struct Repeated {
    /// The place in the code, by the name that tracing gives it.
    place: &'static str,
    level: Level,
    target: &'static str,
    message: String,
    source: String,
    error: Option<String>,
    /// Those after the first.
    times: u64,
}

type Key = (&'static str, String, Option<String>);

/// The events of the current window.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    begun: Option<Instant>,
    counted: HashMap<Key, Repeated>,
}

// === impl Repeats ===

impl Repeats {
    /// Whether nothing like this came within the window; else it is counted.
    pub(super) fn is_first(&mut self, mut event: Repeated, now: Instant) -> bool {
        self.begun.get_or_insert(now);
        let mut key = event.key();
        if self.counted.len() >= MAX_SOURCES && !self.counted.contains_key(&key) {
            event.source = OTHERS.to_owned();
            event.error = None;
            key = event.key();
        }
        match self.counted.entry(key) {
            Entry::Occupied(mut alike) => {
                alike.get_mut().times += 1;
                false
            }
            Entry::Vacant(place) => {
                place.insert(event);
                true
            }
        }
    }

    /// How long the window still lasts, if there is one.
    pub(super) fn due_in(&self, now: Instant) -> Option<Duration> {
        let begun = self.begun?;
        Some((begun + WINDOW).saturating_duration_since(now))
    }

    /// Whether nothing was counted.
    pub(super) fn is_empty(&self) -> bool {
        self.counted.values().all(|alike| alike.times == 0)
    }

    /// Ends the window; gives what repeated in it.
    pub(super) fn take(&mut self) -> Vec<Repeated> {
        self.begun = None;
        let counted = std::mem::take(&mut self.counted);
        let repeated = counted.into_values();
        repeated.filter(|alike| alike.times > 0).collect()
    }
}

// === impl Repeated ===

impl Repeated {
    /// The event, if it takes part.
    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        if event.fields().all(|field| field.name() != SOURCE) {
            return None;
        }
        let metadata = event.metadata();
        let mut repeated = Self {
            place: metadata.name(),
            level: *metadata.level(),
            target: metadata.target(),
            message: String::new(),
            source: String::new(),
            error: None,
            times: 0,
        };
        event.record(&mut repeated);
        Some(repeated)
    }

    fn key(&self) -> Key {
        (self.place, self.source.clone(), self.error.clone())
    }

    /// The line that stands for all of them.
    pub(super) fn line(&self, format: LogFormat) -> String {
        let mut fields = vec![("source", self.source.as_str().into())];
        if let Some(error) = &self.error {
            fields.push(("error", error.as_str().into()));
        }
        fields.push(("times", self.times.into()));
        let message = format!("{}: {} times more", self.message, self.times);
        line(format, self.level.as_str(), self.target, &message, &fields)
    }
}

impl Visit for Repeated {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = match field.name() {
            "message" => &mut self.message,
            SOURCE => &mut self.source,
            "error" => self.error.get_or_insert_default(),
            _ => return,
        };
        text.extend(format!("{value:?}").chars().take(MAX_TEXT));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: &str) -> Repeated {
        Repeated {
            place: "here",
            level: Level::WARN,
            target: "prynai",
            message: "refused".to_owned(),
            source: source.to_owned(),
            error: None,
            times: 0,
        }
    }

    #[test]
    fn the_first_is_told_and_those_after_it_are_counted_for_each_source() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        assert_eq!(repeats.due_in(now), None);
        assert!(repeats.is_first(event("a"), now));
        assert!(repeats.is_empty(), "there is nothing more to tell");
        assert!(repeats.is_first(event("b"), now));
        for _ in 0..399 {
            assert!(!repeats.is_first(event("a"), now));
        }
        assert_eq!(repeats.due_in(now), Some(WINDOW));
        assert_eq!(repeats.due_in(now + WINDOW), Some(Duration::ZERO));
        let told = repeats.take();
        assert_eq!(told.len(), 1);
        let line = told[0].line(LogFormat::Json);
        let line: serde_json::Value = serde_json::from_str(&line).expect("is JSON");
        assert_eq!(line["message"], "refused: 399 times more");
        assert_eq!(
            (&line["source"], &line["times"]),
            (&"a".into(), &399.into())
        );
        assert_eq!(line["level"], "WARN");
        assert!(repeats.is_first(event("a"), now), "in the next window");
    }

    #[test]
    fn sources_without_end_are_one() {
        let (mut repeats, now) = (Repeats::default(), Instant::now());
        for source in 0..MAX_SOURCES {
            assert!(repeats.is_first(event(&source.to_string()), now));
        }
        assert!(repeats.is_first(event("one more"), now), "for all others");
        assert!(!repeats.is_first(event("and another"), now));
        assert!(!repeats.is_first(event("1"), now));
        assert_eq!(repeats.counted.len(), MAX_SOURCES + 1);
        let line = event("x").line(LogFormat::Text);
        assert!(
            line.contains(" WARN refused: 0 times more source=\"x\" times=0\n"),
            "{line}"
        );
    }
}
