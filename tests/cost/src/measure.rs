//! Counting.

use std::hint::black_box;
use std::os::unix::process::parent_id;

use serde::Serialize;
use stats_alloc::Stats;
use tokio::runtime::Runtime;

use crate::ALLOCATOR;
use crate::cases::Load;

/// What requests took of the allocator, each for itself.
pub(crate) struct Taken(Vec<Stats>);

/// What one request took of the allocator.
#[derive(Debug, Serialize)]
pub(crate) struct Allocations {
    /// How often it asked for memory, or for more in the same place.
    pub(crate) allocations: usize,
    /// How many bytes it was given.
    pub(crate) bytes: usize,
}

/// Sends requests, one after the other, after as many that warm up.
pub(crate) fn count(runtime: &Runtime, load: &mut Load, requests: usize) -> Taken {
    let mut taken = Vec::with_capacity(requests);
    runtime.block_on(async {
        for _ in 0..requests {
            load.request().await;
        }
        let mut before = ALLOCATOR.stats();
        mark();
        for _ in 0..requests {
            load.request().await;
            let now = ALLOCATOR.stats();
            taken.push(now - before);
            before = now;
        }
        mark();
    });
    Taken(taken)
}

/// Where callgrind ends one profile and begins the next: it is told to do so before the function of libc that this
/// calls, and that nothing else does. That one has a name even in a program without symbols.
fn mark() {
    black_box(parent_id());
}

impl Taken {
    /// The least of each figure. What is not of the request itself only adds to it: a map that grows now and then, a
    /// role that looks around once a second, or, on a busy machine, a reply of Redis that comes in two pieces. So it is
    /// the same in every run, which a median is not: on a busy machine most requests are disturbed.
    pub(crate) fn least(&self) -> Allocations {
        Allocations {
            allocations: self.smallest(|stats| stats.allocations + stats.reallocations),
            bytes: self.smallest(|stats| stats.bytes_allocated),
        }
    }

    fn smallest(&self, figure: impl Fn(&Stats) -> usize) -> usize {
        let figures = self.0.iter().map(figure);
        figures.min().expect("requests were counted")
    }
}
