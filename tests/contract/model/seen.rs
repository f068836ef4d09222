//! What the client was told or did, and whose doing it was: what a promise is judged by.

use crate::bus::{Answer, Kind, Outcome, Step, Token};

/// What the client was told or did, and whose doing it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    pub(crate) has_end: bool,
    /// It knows its call as a task.
    pub(crate) has_task: bool,
    pub(crate) has_cancelled: bool,
    /// The client was told to try again: the call is never begun.
    pub(crate) is_refused: bool,
    /// All that ever wrote to the stream or took it over; the last one may go on.
    pub(crate) owners: Vec<Token>,
    /// Offset of the newest event before the final one.
    pub(crate) newest: u8,
}

impl Seen {
    pub(crate) fn note(&mut self, step: Step, outcome: &Outcome) -> Result<(), &'static str> {
        let kind = outcome.news.map(|news| news.kind);
        // What a task writes is not published.
        let ends_task = self.has_task
            && outcome.answer == Answer::Done
            && matches!(step, Step::Finish { last: Some(_), .. });
        let is_published = matches!(kind, Some(Kind::Message | Kind::Final | Kind::Task));
        let writes = is_published || (ends_task && !self.has_end);
        let takes_over = matches!(outcome.answer, Answer::Taken { .. });
        if self.has_end && (kind.is_some() || takes_over) {
            return Err("something follows the response");
        }
        if self.has_task && kind.is_some() {
            return Err("something follows the name of the task");
        }
        if self.has_cancelled && writes {
            return Err("something follows the cancel");
        }
        if let Step::Append { by, .. }
        | Step::Finish { by, .. }
        | Step::TakeOver(by)
        | Step::Promote { by, .. } = step
            && (writes || takes_over)
            && self.owners.last() != Some(&by)
        {
            if self.owners.contains(&by) {
                return Err("a former owner publishes");
            }
            self.owners.push(by);
        }
        for event in outcome.events().filter(|event| event.kind == Kind::Message) {
            if event.offset <= self.newest {
                return Err("an event is told twice");
            }
            self.newest = event.offset;
        }
        self.has_end |= kind == Some(Kind::Final) || ends_task;
        // Its connection is gone; one that knows the task needs none.
        self.has_cancelled |= matches!(step, Step::Abandon { .. }) && !self.has_task;
        self.has_task |= kind == Some(Kind::Task);
        // From the client's point of view: whether the bus has placed a mark is its own affair.
        self.has_cancelled |= matches!(step, Step::Cancel { .. });
        Ok(())
    }
}
