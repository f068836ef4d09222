//! The table at the end.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use tokio::time::Instant;

use super::ledger::Deed;
use super::record::{Answer, Record};
use super::scenario::{Outcome, Scenario};

/// Violations that are shown; the rest is counted.
const SHOWN: usize = 20;

/// Sorted durations.
pub struct Spread(Vec<Duration>);

impl Outcome {
    /// Runs of calls beyond their first.
    pub fn runs_again(&self) -> usize {
        let runs = self.deeds.values().map(|entries| {
            let begun = entries.iter().filter(|entry| entry.deed == Deed::Begun);
            begun.count().saturating_sub(1)
        });
        runs.sum()
    }

    /// How much longer than their tools calls with a result took, before or after the first fault.
    pub fn delays(&self, before_faults: bool) -> Spread {
        let first = self.injected.first().map(|injected| injected.at);
        let chosen = |record: &&Record| {
            let before = first.is_none_or(|first: Instant| record.answered < first);
            before == before_faults && matches!(record.answer, Answer::Result(_))
        };
        let delays = self.records.iter().filter(chosen).map(|record| {
            let whole = record.answered - record.sent;
            whole.saturating_sub(record.call.takes)
        });
        Spread::of(delays.collect())
    }

    /// The table.
    pub fn table(&self, scenario: &Scenario) -> String {
        let mut table = String::new();
        self.write_table(scenario, &mut table)
            .expect("a string takes everything");
        table
    }

    fn write_table(&self, scenario: &Scenario, out: &mut String) -> fmt::Result {
        writeln!(out, "\n=== {}, seed {}", scenario.name, scenario.seed)?;
        writeln!(out, "faults injected")?;
        for (fault, times) in counted(self.injected.iter().map(|i| i.fault.to_string())) {
            writeln!(out, "  {times:>7}  {fault}")?;
        }
        let (calls, in_flight) = (self.records.len(), self.in_flight);
        writeln!(out, "calls: {calls}, at most {in_flight} seen in flight")?;
        let kinds = self.records.iter().map(|record| {
            let Record { era, call, .. } = record;
            format!("{era} {}: {}", call.tool, record.answer.kind())
        });
        for (kind, times) in counted(kinds) {
            writeln!(out, "  {times:>7}  {kind}")?;
        }
        let resumed: u32 = self.records.iter().map(|record| record.resumed).sum();
        writeln!(
            out,
            "runs again: {}; streams resumed: {resumed}",
            self.runs_again()
        )?;
        let recovery = &self.recovery;
        let spreads = [
            ("until it ran again", Spread(recovery.ran_again.clone())),
            ("until its client was told", Spread(recovery.told.clone())),
            ("delay before faults", self.delays(true)),
            ("delay with faults", self.delays(false)),
        ];
        writeln!(
            out,
            "lost a second worker meanwhile: {}",
            recovery.lost_twice
        )?;
        for (name, spread) in spreads {
            writeln!(out, "{name}: {spread}")?;
        }
        for reached in self.reached(scenario) {
            writeln!(out, "{reached}")?;
        }
        self.write_violations(out)
    }

    fn write_violations(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "violations: {}", self.violations.len())?;
        let broken = self.violations.iter().map(|v| v.broken.to_string());
        for (invariant, times) in counted(broken) {
            writeln!(out, "  {times:>7}  {invariant}")?;
        }
        for violation in self.violations.iter().take(SHOWN) {
            writeln!(out, "  {}: {}", violation.broken, violation.seen)?;
        }
        Ok(())
    }
}

fn counted(kinds: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for kind in kinds {
        *counted.entry(kind).or_default() += 1;
    }
    counted
}

// === impl Spread ===

impl Spread {
    /// Sorts them.
    pub fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    /// The duration that this many per thousand do not exceed.
    pub fn per_mille(&self, part: usize) -> Duration {
        let rank = (self.0.len() * part).div_ceil(1000).saturating_sub(1);
        self.0.get(rank).copied().unwrap_or_default()
    }

    /// The longest.
    pub fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99) = (self.per_mille(500), self.per_mille(990));
        let longest = self.longest();
        write!(
            f,
            "{} times, median {median:.1?}, p99 {p99:.1?}, longest {longest:.1?}",
            self.0.len()
        )
    }
}
