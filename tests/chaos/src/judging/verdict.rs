//! The invariants: what must be true of every call, whatever was broken.

use std::fmt;

use crate::clients::record::{Answer, Record, Tool};
use crate::faults::fault::{Fault, Injected};
use crate::tools::ledger::{Deed, Deeds, Entry};

/// Something that must not happen did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant.
    pub broken: Invariant,
    /// What was seen.
    pub seen: String,
}

/// What must be true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// Each call has one terminal answer, of a kind that the faults explain.
    OneAnswer,
    /// What is not declared idempotent runs once at most.
    OneEffect,
    /// Nothing runs again whose worker lives.
    OneRun,
    /// A result is that of a run which ended, with its effect.
    TrueResult,
    /// What was refused did not run.
    TrueRefusal,
    /// Every event of a call's current run arrives once, in order, and none of another call's.
    WholeStream,
    /// Nothing is left in the queue or at a gateway.
    NothingLeft,
}

/// Everything that is wrong with these calls.
pub fn judge(records: &[Record], deeds: &Deeds, injected: &[Injected]) -> Vec<Violation> {
    let faults: Vec<Fault> = injected.iter().map(|injected| injected.fault).collect();
    let mut violations = Vec::new();
    for record in records {
        let entries = deeds
            .get(&record.call.number)
            .map_or(&[][..], Vec::as_slice);
        let mut broken = Vec::new();
        broken.extend(
            record
                .wrong
                .iter()
                .map(|wrong| (Invariant::WholeStream, wrong.clone())),
        );
        broken.extend(answer(record, entries, &faults));
        broken.extend(effects(record, entries));
        broken.extend(runs(entries, &faults));
        broken.extend(truth(record, entries));
        violations.extend(broken.into_iter().map(|(broken, seen)| Violation {
            broken,
            seen: format!("{} – {seen}", name(record)),
        }));
    }
    violations
}

fn name(record: &Record) -> String {
    let Record { call, era, .. } = record;
    format!("{era} call {} ({})", call.number, call.tool)
}

type Broken = Option<(Invariant, String)>;

fn answer(record: &Record, entries: &[Entry], faults: &[Fault]) -> Broken {
    let answer = &record.answer;
    let excused =
        matches!(answer, Answer::Result(_)) || faults.iter().any(|fault| fault.excuses(answer));
    if !excused {
        return Some((Invariant::OneAnswer, format!("{answer:?}")));
    }
    // What a client was told of is there until it is fetched, whatever becomes of gateways and Redis.
    let may_be = [Answer::OutcomeUnknown, Answer::GivenUp];
    let has_end = matches!(answer, Answer::Result(_)) || may_be.contains(answer);
    if record.is_task && !has_end {
        return Some((Invariant::OneAnswer, format!("a task, and then {answer:?}")));
    }
    // Only a gateway that was killed may break off what it has begun.
    let begun = count(entries, Deed::Begun) > 0;
    if *answer == Answer::Dropped && begun && !faults.contains(&Fault::KillGateway) {
        return Some((Invariant::OneAnswer, "broken off after it began".to_owned()));
    }
    let repeatable = record.call.tool != Tool::Pay;
    (*answer == Answer::OutcomeUnknown && repeatable).then(|| {
        let seen = "told that the outcome is unknown, but it may run again".to_owned();
        (Invariant::OneAnswer, seen)
    })
}

fn effects(record: &Record, entries: &[Entry]) -> Broken {
    let (runs, effects) = (count(entries, Deed::Begun), count(entries, Deed::Effect));
    let once = runs <= 1 && effects <= 1;
    (record.call.tool == Tool::Pay && !once).then(|| {
        (
            Invariant::OneEffect,
            format!("{runs} runs, {effects} effects"),
        )
    })
}

fn runs(entries: &[Entry], faults: &[Fault]) -> Broken {
    let runs = count(entries, Deed::Begun);
    let is_explained = runs <= 1 || faults.iter().any(|fault| fault.repeats_runs());
    (!is_explained).then(|| (Invariant::OneRun, format!("{runs} runs")))
}

fn truth(record: &Record, entries: &[Entry]) -> Broken {
    match &record.answer {
        Answer::Result(run) => {
            let of_run: Vec<Entry> = of_run(entries, run);
            let took_effect = record.call.tool == Tool::Look || count(&of_run, Deed::Effect) == 1;
            let true_result = count(&of_run, Deed::Done) == 1 && took_effect;
            (!true_result).then(|| {
                let seen = format!("a result of run {run}, of which the ledger has {of_run:?}");
                (Invariant::TrueResult, seen)
            })
        }
        refusal if refusal.is_refusal() && record.call.tool == Tool::Pay => {
            let begun = count(entries, Deed::Begun) > 0;
            begun.then(|| (Invariant::TrueRefusal, format!("{refusal:?}, yet it ran")))
        }
        _ => None,
    }
}

fn of_run(entries: &[Entry], run: &str) -> Vec<Entry> {
    let of_run = entries.iter().filter(|entry| entry.run.to_string() == run);
    of_run.copied().collect()
}

fn count(entries: &[Entry], deed: Deed) -> usize {
    entries.iter().filter(|entry| entry.deed == deed).count()
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneAnswer => "one answer",
            Self::OneEffect => "one effect",
            Self::OneRun => "one run",
            Self::TrueResult => "true result",
            Self::TrueRefusal => "true refusal",
            Self::WholeStream => "whole stream",
            Self::NothingLeft => "nothing left",
        })
    }
}
