//! The protocol of ownership as a small state machine, looked through completely.
//!
//! 1. `bus`, `stream`: what each atomic step of the bus does to one stream and its entry, script by script
//! 2. `worker`, `seen`, `fleet`: workers, a client and the faults around it; what each may do next, and what must hold
//! 3. `explorer`: every state that can be reached
//! 4. `agreement`: the real buses do what the model says
//!
//! Left out are bounds, mailboxes, and a Redis that forgets; the contract suite and the chaos harness have those.

mod agreement;
mod bus;
mod explorer;
mod fleet;
mod seen;
mod stream;
mod worker;

use bus::{Flaw, Slip};
use explorer::{Explored, explore};
use fleet::Plan;

/// Three deliveries, of which two may run, and every fault in any order.
const PLAN: Plan = Plan {
    attempts: 2,
    crashes: 1,
    lapses: 2,
    hand_backs: 1,
    cancels: 2,
    repeats: 1,
    tasks: false,
    rounds: 0,
    flaw: None,
    slip: None,
};

/// Calls that become tasks, and wait for their clients.
const TASKS: Plan = Plan {
    lapses: 1,
    hand_backs: 0,
    tasks: true,
    rounds: 1,
    ..PLAN
};

/// Enough for each of the mistakes.
const MILD: Plan = Plan {
    crashes: 0,
    lapses: 1,
    cancels: 1,
    ..PLAN
};

#[test]
fn the_promises_hold_in_every_state() {
    match explore(&PLAN) {
        // Far fewer would mean that something is never tried.
        Explored::Sound(states) => assert!(states > 100_000, "{states} states"),
        found => panic!("{found:?}"),
    }
}

#[test]
fn the_promises_hold_for_tasks() {
    match explore(&TASKS) {
        Explored::Sound(states) => assert!(states > 100_000, "{states} states"),
        found => panic!("{found:?}"),
    }
}

/// The other flaws of the model break nothing, since something else stands in: an entry is gone before anybody could
/// write to a finished log, and one that is left is claimed once more. `agreement` tells them all.
#[test]
fn planted_mistakes_are_found() {
    for (flaw, promise) in [
        (Flaw::AppendLetsAnybodyIn, "a former owner publishes"),
        (Flaw::FinishLetsAnybodyIn, "a former owner publishes"),
        (Flaw::TakeOverWithoutLease, "something follows the response"),
        (Flaw::LogsAreMadeTwice, "something follows the response"),
        (Flaw::AppendOverlooksMarks, "something follows the cancel"),
        (Flaw::FinishOverlooksMarks, "something follows the cancel"),
        (
            Flaw::SilentCallsAreForgotten,
            "something follows the cancel",
        ),
        (Flaw::ReleaseForgetsMarks, "something follows the cancel"),
        (Flaw::RepeatedEventsAreToldAgain, "an event is told twice"),
        (Flaw::LostFinishRemoves, "a request goes unanswered"),
        (
            Flaw::SilentFinishLeaves,
            "a delivery counts that no fault explains",
        ),
    ] {
        let found = explore(&MILD.with(flaw));
        let is_it = matches!(found, Explored::Broken(broken, _) if broken == promise);
        assert!(is_it, "{flaw:?}: {found:?}");
    }
    for (flaw, promise) in [
        (Flaw::PromoteLetsAnybodyIn, "a former owner publishes"),
        (Flaw::PromoteOverlooksMarks, "something follows the cancel"),
        (Flaw::TasksAreAbandoned, "a task ends with its connection"),
        (
            Flaw::TasksExpireWhileTheyRun,
            "something follows the name of the task",
        ),
    ] {
        let found = explore(&TASKS.with(flaw));
        let is_it = matches!(found, Explored::Broken(broken, _) if broken == promise);
        assert!(is_it, "{flaw:?}: {found:?}");
    }
    for (slip, promise) in [
        (
            Slip::LostClaimsAreForgotten,
            "a delivery counts that no fault explains",
        ),
        (Slip::LostRequestsAreForgotten, "what was refused is begun"),
    ] {
        let found = explore(&MILD.slipping(slip));
        let is_it = matches!(found, Explored::Broken(broken, _) if broken == promise);
        assert!(is_it, "{slip:?}: {found:?}");
    }
    let found = explore(&MILD.with(Flaw::HandedBackIsNotReclaimed));
    assert!(matches!(found, Explored::Stuck(_)), "{found:?}");
}
