//! What can be called, and which calls make sense.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;

use super::streams::Streams;
use super::{Call, Number, STREAMS, WORKERS};
use crate::bus::{Step, Token, Worker};
use crate::stream::State;

/// Makes sequences of calls.
pub(super) struct Calls;

impl Calls {
    /// Follow every sequence, to bring to light what cannot be seen otherwise: which logs may go, which entries were
    /// handed back, and how often each was delivered.
    pub(super) fn epilogue() -> [Call; 4] {
        let (step, max) = (Step::Reclaim(0), STREAMS);
        let all = 0..STREAMS;
        [
            Call::Steps(all.map(|stream| (stream, Step::Release)).collect()),
            Call::HandOut { step, max },
            Call::LeasesEnd,
            Call::HandOut { step, max },
        ]
    }
}

impl ReferenceStateMachine for Calls {
    type State = Streams;
    type Transition = Call;

    fn init_state() -> BoxedStrategy<Streams> {
        Just(Streams::default()).boxed()
    }

    fn transitions(streams: &Streams) -> BoxedStrategy<Call> {
        let any_stream = || (0..STREAMS).prop_map(|stream| vec![stream]);
        let mut calls = vec![
            (4, hand_out(Step::Claim)),
            (3, hand_out(Step::Reclaim)),
            (3, steps(any_stream(), cancel())),
            (1, steps(any_stream(), abandon())),
            (10, steps(any_stream(), Just(Step::Answer))),
            (1, steps(any_stream(), Just(Step::OpenLog))),
            (
                1,
                steps(some_of((0..STREAMS).collect()), Just(Step::Release)),
            ),
            (1, Just(Call::LogsExpire).boxed()),
            (2, Just(Call::LeasesEnd).boxed()),
        ];
        if streams.queue().len() < STREAMS {
            calls.push((20, steps(any_stream(), Just(Step::Enqueue))));
        }
        if !streams.queue().is_empty() {
            let entries = || some_of(streams.queue().to_vec());
            let worker = || worker_of(streams);
            calls.push((3, steps(entries(), worker().prop_map(Step::Renew))));
            calls.push((3, steps(entries(), hand_back(worker()))));
        }
        if !streams.claims().is_empty() {
            calls.push((8, append(streams)));
            calls.push((4, of_a_claim(streams, Step::TakeOver)));
            calls.push((10, promote(streams)));
            calls.push((10, of_a_claim(streams, Step::Park)));
            calls.push((5, finish(streams)));
            calls.push((2, of_a_claim(streams, Step::DeadLetter)));
        }
        Union::new_weighted(calls).boxed()
    }

    fn preconditions(streams: &Streams, call: &Call) -> bool {
        match call {
            Call::Steps(steps) => steps.iter().all(|step| makes_sense(streams, *step)),
            _ => true,
        }
    }

    fn apply(mut streams: Streams, call: &Call) -> Streams {
        streams.apply(call);
        streams
    }
}

fn makes_sense(streams: &Streams, (stream, step): (Number, Step)) -> bool {
    let was_asked_for = streams.queue().contains(&stream);
    let was_claimed = |by| streams.claims().contains(&(stream, by));
    match step {
        Step::Enqueue => !was_asked_for,
        Step::Renew(_) | Step::HandBack { .. } => was_asked_for,
        Step::Cancel { knows_entry } | Step::Abandon { knows_entry } => {
            was_asked_for || !knows_entry
        }
        Step::Append { by, .. } | Step::TakeOver(by) | Step::DeadLetter(by) | Step::Park(by) => {
            was_claimed(by)
        }
        Step::Promote { by, offset } => {
            let is_counted = match streams.log(stream) {
                Some((State::Open, newest)) => offset > newest,
                _ => true,
            };
            was_claimed(by) && is_counted
        }
        // The owner of an open log counts its offsets: none is used again for the response.
        Step::Finish { by, last, .. } => {
            let is_counted = match streams.log(stream) {
                Some((State::Open, newest)) => last.is_none_or(|last| last > newest),
                _ => true,
            };
            was_claimed(by) && is_counted
        }
        _ => true,
    }
}

fn worker() -> impl Strategy<Value = Worker> {
    0..WORKERS as Worker
}

/// Rather one that has something than any.
fn worker_of(streams: &Streams) -> BoxedStrategy<Worker> {
    match streams.held() {
        held if held.is_empty() => worker().boxed(),
        held => prop_oneof![3 => select(held).prop_map(|(_, by)| by.worker), 1 => worker()].boxed(),
    }
}

/// Rather one that is in force than any.
fn claim(streams: &Streams) -> BoxedStrategy<(Number, Token)> {
    let any = select(streams.claims().to_vec());
    match streams.held() {
        held if held.is_empty() => any.boxed(),
        held => prop_oneof![select(held), any].boxed(),
    }
}

fn some_of(streams: Vec<Number>) -> impl Strategy<Value = Vec<Number>> {
    let all = streams.len();
    subsequence(streams, 1..=all)
}

fn hand_out(step: fn(Worker) -> Step) -> BoxedStrategy<Call> {
    (worker().prop_map(step), 1..=STREAMS)
        .prop_map(|(step, max)| Call::HandOut { step, max })
        .boxed()
}

fn steps(
    streams: impl Strategy<Value = Vec<Number>> + 'static,
    step: impl Strategy<Value = Step> + 'static,
) -> BoxedStrategy<Call> {
    (streams, step)
        .prop_map(|(streams, step)| Call::Steps(streams.into_iter().map(|s| (s, step)).collect()))
        .boxed()
}

fn of_a_claim(streams: &Streams, step: fn(Token) -> Step) -> BoxedStrategy<Call> {
    claim(streams)
        .prop_map(move |(stream, by)| Call::Steps(vec![(stream, step(by))]))
        .boxed()
}

fn cancel() -> impl Strategy<Value = Step> {
    any::<bool>().prop_map(|knows_entry| Step::Cancel { knows_entry })
}

fn abandon() -> impl Strategy<Value = Step> {
    any::<bool>().prop_map(|knows_entry| Step::Abandon { knows_entry })
}

/// With the next offset.
fn promote(streams: &Streams) -> BoxedStrategy<Call> {
    let newest = streams.newest();
    let promote = claim(streams).prop_map(move |(stream, by)| {
        let offset = newest[stream] + 1;
        Call::Steps(vec![(stream, Step::Promote { by, offset })])
    });
    promote.boxed()
}

fn hand_back(worker: BoxedStrategy<Worker>) -> impl Strategy<Value = Step> {
    (worker, any::<bool>()).prop_map(|(worker, begun)| Step::HandBack { worker, begun })
}

/// One or more events for each of different streams. They begin between the newest offset, which is repeated then, and
/// the next but one, which leaves a hole.
fn append(streams: &Streams) -> BoxedStrategy<Call> {
    let newest = streams.newest();
    let append = (claim(streams), 0..=2u8, 0..=2u8);
    let append = append.prop_map(move |((stream, by), ahead, more)| {
        let first = (newest[stream] + ahead).max(1);
        let last = first + more;
        (stream, Step::Append { by, first, last })
    });
    one_for_each(append)
}

/// Ends of different streams, of which a worker has one call each.
fn finish(streams: &Streams) -> BoxedStrategy<Call> {
    let newest = streams.newest();
    let ahead = prop::option::weighted(0.7, 0..=3u8);
    let finish = (claim(streams), ahead, 0..=2u8);
    let finish = finish.prop_map(move |((stream, by), ahead, earlier)| {
        let last = ahead.map(|ahead| (newest[stream] + ahead).max(1));
        // Their offsets begin with 1.
        let earlier = earlier.min(last.unwrap_or(1) - 1);
        (stream, Step::Finish { by, earlier, last })
    });
    one_for_each(finish)
}

/// Steps with different streams.
fn one_for_each(step: impl Strategy<Value = (Number, Step)> + 'static) -> BoxedStrategy<Call> {
    prop::collection::vec(step, 1..=STREAMS)
        .prop_map(|mut steps| {
            steps.sort_by_key(|(stream, _)| *stream);
            steps.dedup_by_key(|(stream, _)| *stream);
            Call::Steps(steps)
        })
        .boxed()
}
