//! What is set up wrongly or has gone wrong unnoticed, and what to do about each.

use prynai_bus::operations::{
    Diagnosis, GatewaySight, Operations, Overview, Persistence, Place, WorkerSight,
};
use serde::Serialize;

use crate::Failed;
use crate::explain::attention;
use crate::text::{counted, size, span};

/// How far clocks may be apart, in milliseconds: tokens expire by one, deadlines by the other.
const TOLERATED_MS: u64 = 1000;

/// The part of its memory, in percent, from which a server is nearly full.
const NEARLY_FULL: u64 = 80;

/// Names that are shown of many.
const SHOWN: usize = 5;

/// What was found.
#[derive(Debug, Serialize)]
pub struct Doctor {
    /// Where the fleet is.
    pub place: Place,
    /// One for each thing that was looked at.
    pub findings: Vec<Finding>,
    /// What it was found in.
    pub diagnosis: Diagnosis,
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// The thing.
    pub about: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// In words, with what to do.
    pub said: String,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Somebody should know it, and may want it so.
    Note,
    /// Something is to be done.
    Wrong,
    /// It could not be found out.
    Unknown,
}

/// Looks closer at the fleet of this place.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn examine(operations: &dyn Operations, place: Place) -> Result<Doctor, Failed> {
    let overview = operations.overview().await?;
    let workers = operations.workers().await?;
    let gateways = operations.gateways().await?;
    let diagnosis = operations.diagnosis().await?;
    let mut findings = Vec::new();
    if place.has_server {
        findings.extend([
            redis(&overview),
            eviction(&overview),
            memory(&overview),
            persistence(diagnosis.persistence.as_ref()),
            clock(&diagnosis),
        ]);
    }
    findings.extend([
        catalog(&overview),
        orphans(&diagnosis),
        streams(&diagnosis),
        versions(&diagnosis, &gateways),
    ]);
    findings.extend(fleet(&overview, &workers, &gateways));
    Ok(Doctor {
        place,
        findings,
        diagnosis,
    })
}

impl Doctor {
    /// Whether something is to be done.
    pub fn is_wrong(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.verdict == Verdict::Wrong)
    }
}

fn finding(about: &'static str, verdict: Verdict, said: impl Into<String>) -> Finding {
    Finding {
        about,
        verdict,
        said: said.into(),
    }
}

/// What cannot be found out without `INFO`.
fn unknown(about: &'static str) -> Finding {
    finding(
        about,
        Verdict::Unknown,
        "the user may not run INFO (docs/security.md)",
    )
}

/// What a managed server leaves out of `INFO`.
fn unsaid(about: &'static str, of: &str) -> Finding {
    let said = format!("this server does not say {of}: look where it is managed");
    finding(about, Verdict::Unknown, said)
}

fn redis(overview: &Overview) -> Finding {
    let Some(server) = &overview.server else {
        return unknown("redis");
    };
    let version = server.version.as_deref().unwrap_or("unknown");
    let uptime = span(server.uptime_s.unwrap_or(0).saturating_mul(1000));
    finding(
        "redis",
        Verdict::Good,
        format!("version {version}, up {uptime}"),
    )
}

fn eviction(overview: &Overview) -> Finding {
    let Some(server) = &overview.server else {
        return unknown("eviction");
    };
    match server.eviction.as_deref() {
        Some("noeviction") => finding("eviction", Verdict::Good, "maxmemory-policy noeviction"),
        Some(policy) => finding(
            "eviction",
            Verdict::Wrong,
            format!(
                "maxmemory-policy {policy}: sessions, streams and the queue itself can vanish when memory is full. Set \
                 it to noeviction, in the file as well"
            ),
        ),
        None => unsaid("eviction", "its maxmemory-policy"),
    }
}

fn memory(overview: &Overview) -> Finding {
    let Some(server) = &overview.server else {
        return unknown("memory");
    };
    let (Some(used), Some(limit)) = (server.memory_bytes, server.memory_limit_bytes) else {
        return unsaid("memory", "how much memory it uses, or may use");
    };
    let (said, percent) = match limit {
        0 => (format!("{} of no limit", size(used)), 0),
        _ => (
            format!("{} of {}", size(used), size(limit)),
            used.saturating_mul(100) / limit,
        ),
    };
    match (limit, percent >= NEARLY_FULL) {
        (0, _) => finding(
            "memory",
            Verdict::Note,
            format!(
                "{said}: the system may end Redis when the machine's memory is used up; set maxmemory"
            ),
        ),
        (_, true) => finding(
            "memory",
            Verdict::Wrong,
            format!(
                "{said}: soon every new call is refused. Give it more, or lower --caller-kept and --session-idle"
            ),
        ),
        (_, false) => finding("memory", Verdict::Good, said),
    }
}

fn persistence(persistence: Option<&Persistence>) -> Finding {
    let about = "persistence";
    let Some(found) = persistence else {
        return unknown(about);
    };
    let snapshot = match found.snapshot_ms_ago {
        Some(ago) => format!("the last snapshot is {} old", span(ago)),
        None => "no snapshot is known".to_owned(),
    };
    let replicas = counted(found.replicas, "replica", "replicas");
    match (
        found.has_append_failed,
        found.has_snapshot_failed,
        found.appends,
    ) {
        (true, ..) => finding(
            about,
            Verdict::Wrong,
            "the last write to the append-only file failed: look at the disk and the log of Redis",
        ),
        (_, true, _) => finding(
            about,
            Verdict::Wrong,
            format!(
                "the last snapshot failed, and {snapshot}: look at the disk and the log of Redis"
            ),
        ),
        (.., None) => unsaid(about, "whether it keeps what is written (appendonly)"),
        (.., Some(true)) => finding(about, Verdict::Good, format!("appendonly yes, {replicas}")),
        (.., Some(false)) => finding(
            about,
            Verdict::Note,
            format!(
                "appendonly no, {replicas}, {snapshot}: a restart loses what came since. docs/reliability.md says what \
                 that costs; set appendonly yes if it is too much"
            ),
        ),
    }
}

fn clock(diagnosis: &Diagnosis) -> Finding {
    let ahead = diagnosis.clock_ahead_ms;
    let apart = ahead
        .unsigned_abs()
        .saturating_sub(diagnosis.clock_error_ms);
    let side = if ahead < 0 { "behind" } else { "ahead of" };
    let said = format!(
        "this machine is {} {side} Redis",
        span(ahead.unsigned_abs())
    );
    match apart > TOLERATED_MS {
        true => finding(
            "clock",
            Verdict::Wrong,
            format!(
                "{said}: set both by the same time servers. Gateways and workers warn in their logs if theirs differ"
            ),
        ),
        false => finding("clock", Verdict::Good, said),
    }
}

fn catalog(overview: &Overview) -> Finding {
    match overview.has_catalog {
        true => finding(
            "catalog",
            Verdict::Good,
            "workers announced what they serve",
        ),
        false => finding(
            "catalog",
            Verdict::Wrong,
            "no worker announced what it serves, so gateways refuse sessions and modern requests: start a worker",
        ),
    }
}

fn orphans(diagnosis: &Diagnosis) -> Finding {
    if diagnosis.orphans.is_empty() {
        return finding(
            "leases",
            Verdict::Good,
            "every claim was renewed or taken over",
        );
    }
    let names = diagnosis.orphans.iter().map(|orphan| orphan.entry.as_str());
    finding(
        "leases",
        Verdict::Wrong,
        format!(
            "{} not renewed for several leases, and no worker took over: {}. If workers live, look at their logs; \
             prynai-ops call ENTRY says more",
            counted(diagnosis.orphans.len() as u64, "claim was", "claims were"),
            some(names)
        ),
    )
}

fn streams(diagnosis: &Diagnosis) -> Finding {
    let abandoned = diagnosis.abandoned_streams.len() as u64;
    if abandoned == 0 && diagnosis.lost_logs == 0 {
        return finding(
            "streams",
            Verdict::Good,
            "every open stream has a log and a gateway",
        );
    }
    let mut said = Vec::new();
    if abandoned > 0 {
        let names = diagnosis.abandoned_streams.iter().map(String::as_str);
        said.push(format!(
            "{} for a gateway that is gone ({}): a legacy client resumes it elsewhere, a modern call is cancelled soon",
            counted(abandoned, "stream is open", "streams are open"),
            some(names)
        ));
    }
    if diagnosis.lost_logs > 0 {
        said.push(format!(
            "{} lost its log, or outlived it; a worker removes the note in time",
            counted(diagnosis.lost_logs, "open stream", "open streams")
        ));
    }
    finding("streams", Verdict::Note, said.join("; "))
}

fn versions(diagnosis: &Diagnosis, gateways: &[GatewaySight]) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    let told = diagnosis.gateway_versions.iter();
    let told: Vec<_> = told
        .map(|(version, count)| format!("{version} ({count})"))
        .collect();
    let are_equal = diagnosis
        .gateway_versions
        .iter()
        .all(|(version, _)| version == own);
    let said = format!("gateways {}, prynai-ops {own}", told.join(", "));
    match (gateways.iter().any(|gateway| gateway.is_alive), are_equal) {
        (false, _) => finding("versions", Verdict::Unknown, "no gateway lives"),
        (true, true) => finding("versions", Verdict::Good, said),
        (true, false) => finding(
            "versions",
            Verdict::Note,
            format!(
                "{said}: finish the roll-out; CHANGELOG.md says which releases understand each other"
            ),
        ),
    }
}

/// What `prynai-ops status` names as well; the policy of eviction has a finding of its own.
fn fleet(overview: &Overview, workers: &[WorkerSight], gateways: &[GatewaySight]) -> Vec<Finding> {
    let found = attention(overview, workers, gateways).into_iter();
    let found = found.map(|concern| concern.said);
    let found = found.filter(|said| !said.contains("maxmemory-policy"));
    let found: Vec<_> = found
        .map(|said| finding("fleet", Verdict::Wrong, said))
        .collect();
    match found.is_empty() {
        true => vec![finding("fleet", Verdict::Good, "nothing needs attention")],
        false => found,
    }
}

/// The first of some names.
fn some<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let rest = names.len().saturating_sub(SHOWN);
    let shown: Vec<_> = names.take(SHOWN).collect();
    match rest {
        0 => shown.join(", "),
        _ => format!("{} and {rest} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::operations::ServerFacts;

    use super::*;

    #[test]
    fn what_a_server_leaves_out_is_neither_a_failure_nor_a_missing_right() {
        let silent = Overview {
            server: Some(ServerFacts::default()),
            ..Overview::default()
        };
        let persistence = persistence(Some(&Persistence::default()));
        for found in [eviction(&silent), memory(&silent), persistence] {
            assert_eq!(found.verdict, Verdict::Unknown, "{found:?}");
            assert!(found.said.contains("does not say"), "{found:?}");
        }
        let refused = Overview::default();
        for found in [
            eviction(&refused),
            memory(&refused),
            super::persistence(None),
        ] {
            assert_eq!(found.verdict, Verdict::Unknown, "{found:?}");
            assert!(found.said.contains("may not run INFO"), "{found:?}");
        }
        let failed = Persistence {
            has_append_failed: true,
            ..Persistence::default()
        };
        assert_eq!(super::persistence(Some(&failed)).verdict, Verdict::Wrong);
    }
}
