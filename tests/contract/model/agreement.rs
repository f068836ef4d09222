//! The real buses do what the model says.
//!
//! Random sequences of calls are made on the model and on a bus, and compared call by call: what is answered, and what
//! can be seen of entries and logs. At the end also what was published to others: events, wake-ups and dead letters, in
//! their order. The sequences are the same every time: only a change can make them fail.
//!
//! 1. `calls`: what can be called, and which calls make sense
//! 2. `streams`: the model of several streams with one queue
//! 3. `real_bus`, `translation`, `store`: both real buses in the words of the model, and time

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestCaseResult, TestRunner};
use proptest_state_machine::ReferenceStateMachine;
use prynai_test_redis::server::RedisServer;
use tokio::runtime::{Builder, Runtime};

use crate::bus::{Answer, Event, Flaw, Step, Worker};
use crate::stream::State;

mod calls;
mod real_bus;
mod store;
mod streams;
mod translation;

use calls::Calls;
use real_bus::RealBus;
use store::Store;
use streams::Streams;

const STREAMS: usize = 2;
const WORKERS: usize = 2;

/// Calls of one sequence, at most.
const LENGTH: usize = 40;

/// Sequences that the Redis bus is put through.
const REDIS_CASES: u32 = 150;

/// A stream, by number.
type Number = usize;

/// A call of the bus, or time that passes.
#[derive(Debug, Clone)]
enum Call {
    /// A claim or a reclaim of so many entries at most, in their order.
    HandOut { step: Step, max: usize },
    /// Steps of one kind, each on another stream: one call where the bus takes many.
    Steps(Vec<(Number, Step)>),
    /// The logs to which nothing is added are gone.
    LogsExpire,
    /// The same, and every lease ends.
    LeasesEnd,
}

/// Something that takes calls like a bus.
trait Subject {
    /// Makes a call, and gives what is answered about each stream that it is about.
    async fn call(&mut self, call: &Call) -> Vec<(Number, Answer)>;

    /// What can be seen of each stream.
    async fn look(&self) -> Vec<Sight>;

    /// What others than the callers hear of the calls.
    async fn published(self) -> Published;
}

/// What can be seen of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sight {
    is_queued: bool,
    log: Option<(State, u8)>,
}

/// What others than the callers hear of the calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Published {
    /// To the gateway that holds all the streams.
    events: Vec<(Number, Event)>,
    wake_ups: Vec<(Worker, Number)>,
    dead_letters: usize,
}

#[test]
fn the_memory_bus_does_what_the_model_says() {
    // The clock stands still but for what a sequence lets pass.
    let runtime = runtime(true);
    let outcome = compare(600, &runtime, async || {
        RealBus::open(Store::in_memory()).await
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn the_redis_bus_does_what_the_model_says() {
    let runtime = runtime(false);
    let server = Arc::new(runtime.block_on(RedisServer::start()));
    let on_redis = async || RealBus::open(Store::on(&server).await).await;
    let outcome = compare(REDIS_CASES, &runtime, on_redis);
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// With any of the mistakes, the Redis bus would be told from the model.
#[test]
fn planted_mistakes_are_told_from_the_model() {
    for flaw in Flaw::ALL {
        let outcome = compare(REDIS_CASES, &runtime(false), async || Streams::with(flaw));
        assert!(outcome.is_err(), "{flaw:?} goes unnoticed");
    }
}

fn runtime(is_paused: bool) -> Runtime {
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(is_paused).build();
    runtime.expect("a runtime")
}

fn compare<S: Subject>(
    cases: u32,
    runtime: &Runtime,
    subject: impl AsyncFn() -> S,
) -> Result<(), String> {
    let config = Config {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        max_shrink_iters: 500,
        ..Config::default()
    };
    let sequences = Calls::sequential_strategy(1..LENGTH);
    let outcome = TestRunner::new(config).run(&sequences, |(model, calls, made)| {
        runtime.block_on(async { follow(subject().await, model, calls, made).await })
    });
    outcome.map_err(|failure| failure.to_string())
}

/// `made` counts the calls, so that those after a difference are not tried again.
async fn follow(
    mut subject: impl Subject,
    mut model: Streams,
    calls: Vec<Call>,
    made: Option<Arc<AtomicUsize>>,
) -> TestCaseResult {
    for call in calls.into_iter().chain(Calls::epilogue()) {
        if let Some(made) = &made {
            made.fetch_add(1, Ordering::Relaxed);
        }
        let (expected, answers) = (model.call(&call).await, subject.call(&call).await);
        prop_assert_eq!(answers, expected, "answers to {:?}", call);
        let (expected, sights) = (model.look().await, subject.look().await);
        prop_assert_eq!(sights, expected, "sights after {:?}", call);
    }
    let (expected, published) = (model.published().await, subject.published().await);
    prop_assert_eq!(published, expected);
    Ok(())
}
