//! The model of several streams with one queue.

use super::{Call, Number, Published, STREAMS, Sight, Subject};
use crate::bus::{Answer, Flaw, Step, Token};
use crate::stream::{State, Stream};

/// Streams, which are independent of each other, and the queue, which is in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Streams {
    streams: [Stream; STREAMS],
    /// In the order in which they were asked for.
    queue: Vec<Number>,
    /// All that were ever made.
    claims: Vec<(Number, Token)>,
    published: Published,
    flaw: Option<Flaw>,
}

impl Streams {
    pub(super) fn with(flaw: Flaw) -> Self {
        Self {
            flaw: Some(flaw),
            ..Self::default()
        }
    }

    /// Those that were asked for, also when they are over.
    pub(super) fn queue(&self) -> &[Number] {
        &self.queue
    }

    pub(super) fn claims(&self) -> &[(Number, Token)] {
        &self.claims
    }

    /// The claims that are in force: nobody else has reclaimed the entry, and it was not handed back unbegun.
    pub(super) fn held(&self) -> Vec<(Number, Token)> {
        let claims = self.claims.iter().copied();
        let is_held = |(stream, by): &(Number, Token)| {
            let lease = self.streams[*stream].lease();
            lease.is_some_and(|lease| lease.of == *by)
        };
        claims.filter(is_held).collect()
    }

    pub(super) fn log(&self, stream: Number) -> Option<(State, u8)> {
        let log = self.streams[stream].log()?;
        Some((log.state, log.newest))
    }

    pub(super) fn newest(&self) -> [u8; STREAMS] {
        std::array::from_fn(|stream| self.log(stream).map_or(0, |(_, newest)| newest))
    }

    pub(super) fn apply(&mut self, call: &Call) -> Vec<(Number, Answer)> {
        match call {
            Call::HandOut { step, max } => self.hand_out(*step, *max),
            Call::Steps(steps) => {
                let steps = steps.iter();
                let answers = steps.map(|(stream, step)| (*stream, self.take(*stream, *step)));
                answers.collect()
            }
            Call::LogsExpire => self.let_pass(&[Step::LogExpires]),
            Call::LeasesEnd => self.let_pass(&[Step::LogExpires, Step::LeaseEnds]),
        }
    }

    fn hand_out(&mut self, step: Step, max: usize) -> Vec<(Number, Answer)> {
        let mut answers = Vec::new();
        for stream in self.queue.clone() {
            if answers.len() == max {
                break;
            }
            let answer = self.take(stream, step);
            if answer != Answer::NothingToClaim {
                answers.push((stream, answer));
            }
        }
        answers
    }

    fn let_pass(&mut self, steps: &[Step]) -> Vec<(Number, Answer)> {
        for stream in 0..STREAMS {
            for step in steps {
                self.take(stream, *step);
            }
        }
        Vec::new()
    }

    fn take(&mut self, stream: Number, step: Step) -> Answer {
        let before = self.streams[stream].round();
        let outcome = self.streams[stream].take(step, self.flaw);
        if self.streams[stream].round() > before {
            // Its new entry is the last one.
            self.queue.retain(|queued| *queued != stream);
            self.queue.push(stream);
        }
        match (step, outcome.answer) {
            (Step::Enqueue, _) => self.queue.push(stream),
            (Step::Claim(worker) | Step::Reclaim(worker), Answer::Claimed { delivery, .. }) => {
                let round = self.streams[stream].round();
                let by = Token {
                    worker,
                    delivery,
                    round,
                };
                self.claims.push((stream, by));
            }
            _ => {}
        }
        let published = &mut self.published;
        let events = outcome.events().map(|news| (stream, news));
        published.events.extend(events);
        let woken = outcome.woken.map(|woken| (woken, stream));
        published.wake_ups.extend(woken);
        published.dead_letters += usize::from(outcome.dead_letter);
        outcome.answer
    }
}

impl Subject for Streams {
    async fn call(&mut self, call: &Call) -> Vec<(Number, Answer)> {
        self.apply(call)
    }

    async fn look(&self) -> Vec<Sight> {
        let sight = |stream: Number| Sight {
            is_queued: self.streams[stream].is_queued(),
            log: self.log(stream),
        };
        (0..STREAMS).map(sight).collect()
    }

    async fn published(mut self) -> Published {
        // Each worker has a channel of its own, so there is no order among them.
        self.published.wake_ups.sort_by_key(|(worker, _)| *worker);
        self.published
    }
}
