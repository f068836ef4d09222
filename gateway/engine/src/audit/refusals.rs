//! Refusals that wait to become records.

use std::collections::HashMap;
use std::net::IpAddr;

use prynai_bus::ids::GatewayId;
use prynai_bus::wire::audit::{AuditLine, AuditRecord};
use prynai_bus::wire::principal::Principal;

/// Kinds that are told apart; of any more only the reason is told.
const MOST_KINDS: usize = 512;

/// Kinds of one caller, or of one address; of any more only the reason and the caller are told, so that no caller fills
/// the audit by making up names.
const MOST_OF_ONE: usize = 16;

/// One refusal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal<'a> {
    /// Nobody knows who was not let in.
    pub(super) caller: Option<&'a Principal>,
    pub(super) method: Option<&'a str>,
    pub(super) name: Option<&'a str>,
    pub(super) reason: &'static str,
    pub(super) rule: Option<&'a str>,
    pub(super) code: Option<i32>,
    pub(super) address: Option<IpAddr>,
}

/// Refusals that wait, each kind with its number.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    kinds: HashMap<Kind, (Option<Principal>, u64)>,
    /// How many kinds each caller has.
    of_one: HashMap<(Option<Box<str>>, Option<IpAddr>), usize>,
    /// Those of which there are too many kinds, by reason: the code has a few dozen.
    others: HashMap<&'static str, u64>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    subject: Option<Box<str>>,
    method: Option<Box<str>>,
    name: Option<Box<str>>,
    reason: &'static str,
    rule: Option<Box<str>>,
    code: Option<i32>,
    address: Option<IpAddr>,
}

impl Refusals {
    /// Adds one.
    pub(super) fn add(&mut self, refusal: Refusal<'_>) {
        let mut kind = Kind {
            subject: refusal.caller.map(|caller| caller.subject.as_str().into()),
            method: refusal.method.map(Into::into),
            name: refusal.name.map(Into::into),
            reason: refusal.reason,
            rule: refusal.rule.map(Into::into),
            code: refusal.code,
            address: refusal
                .address
                .or(refusal.caller.and_then(|caller| caller.address)),
        };
        let one = (kind.subject.clone(), kind.address);
        if self
            .of_one
            .get(&one)
            .is_some_and(|kinds| *kinds >= MOST_OF_ONE)
            && !self.kinds.contains_key(&kind)
        {
            kind.method = None;
            kind.name = None;
        }
        let is_full = self.kinds.len() >= MOST_KINDS;
        if let Some((_, count)) = self.kinds.get_mut(&kind) {
            *count += 1;
        } else if is_full {
            *self.others.entry(refusal.reason).or_default() += 1;
        } else {
            *self.of_one.entry(one).or_default() += 1;
            self.kinds.insert(kind, (refusal.caller.cloned(), 1));
        }
    }

    /// What waits; nothing does any more.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// The records.
    pub(super) fn lines(self, gateway: &GatewayId) -> impl Iterator<Item = AuditLine> {
        let record = move |reason: &'static str, count: u64| AuditRecord {
            reason: Some(reason.into()),
            gateway: Some(gateway.as_str().into()),
            count: (count > 1).then_some(count),
            ..AuditRecord::new("refused")
        };
        let kinds = self.kinds.into_iter().map(move |(kind, (caller, count))| {
            let record = AuditRecord {
                method: kind.method.as_deref().map(Into::into),
                name: kind.name.as_deref().map(Into::into),
                rule: kind.rule.as_deref().map(Into::into),
                code: kind.code.map(Into::into),
                address: kind.address.map(|address| address.to_string().into()),
                ..record(kind.reason, count)
            };
            match &caller {
                // Which says where it called from, too.
                Some(caller) => record.by(caller).line(),
                None => record.line(),
            }
        });
        let others = self.others.into_iter();
        let others = others.map(move |(reason, count)| record(reason, count).line());
        // Nothing in them can fail to be written.
        kinds.chain(others).filter_map(Result::ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<'a>(caller: &'a Principal, name: &'a str) -> Refusal<'a> {
        Refusal {
            caller: Some(caller),
            method: Some("tools/call"),
            name: Some(name),
            reason: "policy",
            rule: None,
            code: Some(-32600),
            address: None,
        }
    }

    fn records(refusals: Refusals) -> Vec<AuditRecord<'static>> {
        let gateway = GatewayId::generate();
        let lines: Vec<AuditLine> = refusals.lines(&gateway).collect();
        let read = |line: &AuditLine| AuditRecord::read(line.as_str()).expect("reads");
        lines.iter().map(read).collect()
    }

    #[test]
    fn kinds_are_told_apart_up_to_a_bound_and_none_is_forgotten() {
        let mut refusals = Refusals::default();
        for number in 0..MOST_KINDS + 100 {
            let caller = Principal::named(&format!("caller-{number}"));
            refusals.add(refusal(&caller, "echo"));
            refusals.add(refusal(&caller, "echo"));
        }
        let records = records(refusals);
        assert_eq!(records.len(), MOST_KINDS + 1);
        let all: u64 = records.iter().map(AuditRecord::count).sum();
        assert_eq!(all, 2 * (MOST_KINDS as u64 + 100));
        let others = records.iter().find(|record| record.principal.is_none());
        assert_eq!(others.expect("one").count(), 200);
    }

    #[test]
    fn a_caller_who_makes_up_names_adds_few_records() {
        let mut refusals = Refusals::default();
        let caller = Principal::named("alice");
        for number in 0..10_000 {
            refusals.add(refusal(&caller, &format!("tool-{number}")));
        }
        let records = records(refusals);
        assert_eq!(records.len(), MOST_OF_ONE + 1);
        let rest = records
            .iter()
            .find(|record| record.name.is_none())
            .expect("one");
        assert_eq!(rest.count(), 10_000 - MOST_OF_ONE as u64);
        assert_eq!(rest.principal.as_deref(), Some("alice"));
    }

    #[test]
    fn whoever_is_not_let_in_has_no_name_but_an_address() {
        let mut refusals = Refusals::default();
        refusals.add(Refusal {
            caller: None,
            method: None,
            name: None,
            reason: "expired",
            rule: None,
            code: None,
            address: Some([192, 0, 2, 7].into()),
        });
        let [record] = &records(refusals)[..] else {
            panic!("one");
        };
        assert_eq!(record.principal, None);
        assert_eq!(record.address.as_deref(), Some("192.0.2.7"));
        assert_eq!((record.outcome.as_ref(), record.count), ("refused", None));
    }
}
