//! The table at the end.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use crate::clients::record::Record;
use crate::judging::outcome::Outcome;
use crate::judging::spread::Spread;
use crate::scenarios::scenario::Scenario;

/// Violations that are shown; the rest is counted.
const SHOWN: usize = 20;

impl Outcome {
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
        let promised = self.records.iter().filter(|record| record.is_task).count();
        if promised > 0 {
            let fetched = self.tasks_fetched();
            writeln!(out, "tasks: {promised}, of which {fetched} were fetched")?;
        }
        let resumed: u32 = self.records.iter().map(|record| record.resumed).sum();
        writeln!(
            out,
            "runs again: {}; streams resumed: {resumed}",
            self.runs_again()
        )?;
        let recovery = &self.recovery;
        let spreads = [
            ("until it ran again", Spread::of(recovery.ran_again.clone())),
            (
                "until its client was told",
                Spread::of(recovery.told.clone()),
            ),
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
