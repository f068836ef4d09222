//! Every state that can be reached, breadth first, so that what is found wrong comes with a shortest path.
//!
//! Of our own, since the crate `stateright` checks "eventually" only where no way leads back to a state, and here a
//! lease ends and is renewed. "Whatever has happened, the entry is acknowledged in the end" takes the ways backwards,
//! from the states in which it is; for that all of them must be known, and then little is left that a library would do.

use std::collections::{HashMap, VecDeque};

use crate::fleet::{Fleet, Move, Plan};

/// Far more than there are: a model whose states have no end shall not run for ever.
const MOST_STATES: usize = 2_000_000;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Explored {
    /// All is well in all of so many states.
    Sound(usize),
    /// A promise does not hold, and a shortest way there.
    Broken(&'static str, Vec<Move>),
    /// An entry is never acknowledged from here on unless a fault or the client helps.
    Stuck(Vec<Move>),
}

/// The states that were met, by number.
struct Met {
    numbers: HashMap<Fleet, usize>,
    waiting: VecDeque<Fleet>,
    came_from: Vec<Option<(usize, Move)>>,
    /// The states from which a certain move leads to each.
    before: Vec<Vec<usize>>,
    /// States without an entry that waits to be acknowledged.
    settled: Vec<usize>,
}

/// Looks at every state that can be reached.
pub(crate) fn explore(plan: &Plan) -> Explored {
    let mut met = Met::new(Fleet::new());
    for number in 0.. {
        let Some(state) = met.waiting.pop_front() else {
            break;
        };
        for step in state.moves(plan) {
            let mut next = state.clone();
            if let Err(promise) = next.take(step, plan) {
                let mut path = met.path_to(number);
                path.push(step);
                return Explored::Broken(promise, path);
            }
            let is_certain = state.is_certain(step);
            let next = met.number_of(next, (number, step));
            if is_certain {
                met.before[next].push(number);
            }
        }
    }
    match met.stuck() {
        Some(number) => Explored::Stuck(met.path_to(number)),
        None => Explored::Sound(met.came_from.len()),
    }
}

impl Met {
    fn new(first: Fleet) -> Self {
        let mut met = Self {
            numbers: HashMap::new(),
            waiting: VecDeque::new(),
            came_from: Vec::new(),
            before: Vec::new(),
            settled: Vec::new(),
        };
        met.add(first, None);
        met
    }

    fn number_of(&mut self, state: Fleet, from: (usize, Move)) -> usize {
        match self.numbers.get(&state) {
            Some(number) => *number,
            None => self.add(state, Some(from)),
        }
    }

    fn add(&mut self, state: Fleet, from: Option<(usize, Move)>) -> usize {
        let number = self.came_from.len();
        assert!(number < MOST_STATES, "the states have no end");
        if !state.owes() {
            self.settled.push(number);
        }
        self.waiting.push_back(state.clone());
        self.numbers.insert(state, number);
        self.came_from.push(from);
        self.before.push(Vec::new());
        number
    }

    fn path_to(&self, mut number: usize) -> Vec<Move> {
        let mut path = Vec::new();
        while let Some((before, step)) = self.came_from[number] {
            path.push(step);
            number = before;
        }
        path.reverse();
        path
    }

    /// A state from which no certain moves lead to one of the settled: those that do are found from their ends.
    fn stuck(&self) -> Option<usize> {
        let mut gets_there = vec![false; self.before.len()];
        let mut waiting = self.settled.clone();
        while let Some(number) = waiting.pop() {
            if !std::mem::replace(&mut gets_there[number], true) {
                waiting.extend(&self.before[number]);
            }
        }
        gets_there.iter().position(|gets_there| !gets_there)
    }
}
