//! What must hold, and whether it does.

use serde::Serialize;

use crate::report::Report;
use crate::settings::Limits;

/// A limit, held against a run.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    /// Its flag, without dashes before it.
    pub limit: &'static str,
    /// The most that is allowed.
    pub allowed: f64,
    /// What it was; `null` if nothing was measured, which breaks the limit.
    pub actual: Option<f64>,
    /// Whether it was too much.
    pub is_broken: bool,
}

impl Verdict {
    fn of(limit: &'static str, allowed: f64, actual: Option<f64>) -> Self {
        Self {
            limit,
            allowed,
            actual,
            is_broken: actual.is_none_or(|actual| actual > allowed),
        }
    }

    /// What broke, and by how much.
    pub fn text(&self) -> String {
        let Self { limit, allowed, .. } = self;
        let Some(actual) = self.actual else {
            return format!("--{limit} {allowed} is broken: no call was answered");
        };
        match self.is_broken {
            true => {
                let over = round(actual - allowed);
                format!(
                    "--{limit} {allowed} is broken: it was {}, {over} too much",
                    round(actual)
                )
            }
            false => format!("--{limit} {allowed} holds: it was {}", round(actual)),
        }
    }
}

/// Holds all limits that were set against a run.
pub(super) fn judge(limits: &Limits, report: &Report) -> Vec<Verdict> {
    let Limits {
        p95_ms,
        max_lost,
        max_errors,
    } = limits;
    let count =
        |limit, allowed: u64, actual: u64| Verdict::of(limit, allowed as f64, Some(actual as f64));
    let verdicts = [
        p95_ms.map(|allowed| Verdict::of("p95-ms", allowed, report.latency_ms.p95)),
        max_lost.map(|allowed| count("max-lost", allowed, report.lost)),
        max_errors.map(|allowed| count("max-errors", allowed, report.errors)),
    ];
    verdicts.into_iter().flatten().collect()
}

/// A number as a reader wants it: three digits of a fraction.
fn round(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}
