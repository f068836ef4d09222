//! What needs attention, and why a call is where it is: facts of the bus in the words of an operator.

use prynai_bus::operations::{
    CallSight, EntrySight, EventSight, Lease, Overview, TaskFacts, TaskStatus, WorkerSight,
};
use prynai_bus::wire::request::KNOCK;
use serde::Serialize;

use crate::lost;
use crate::takers::Takers;
use crate::text::{counted, span};

mod attention;

pub use attention::{Concern, More, attention};

/// Where a call is, and why.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// In a word or two.
    pub state: &'static str,
    /// Why, and what happens next.
    pub because: Vec<String>,
}

/// The fleet around a call.
pub struct Around<'a> {
    /// How much there is of everything.
    pub overview: &'a Overview,
    /// The workers.
    pub workers: &'a [WorkerSight],
}

/// Where a call is, and why. `newest` is the newest event in its log.
pub fn explain(call: &CallSight, newest: Option<&EventSight>, around: &Around<'_>) -> Explanation {
    let mut because = Vec::new();
    let state = match (&call.entry, &call.log, &call.dead) {
        (_, Some(log), _) if log.state == "finished" => {
            let has_failed = log
                .task
                .as_ref()
                .is_some_and(|task| task.status == TaskStatus::Failed);
            because.extend(newest.map(|newest| ended_with(newest, has_failed)));
            if let Some(life) = log.kept_for_ms {
                because.push(format!("its log is kept for {} more", span(life)));
            }
            "ended"
        }
        (_, _, Some(dead)) => {
            let reason = dead.dead.as_ref().map_or("", |dead| &dead.reason);
            because.push(format!("it could not be served: {reason}"));
            "dead letter"
        }
        (Some(entry), ..) => match &entry.lease {
            Some(lease) => held(call, lease, newest, around, &mut because),
            None => waiting(call, entry, around, &mut because),
        },
        (None, Some(log), _) if log.state == "cancelled" => "cancelled",
        (None, Some(log), _) if asking(call).is_some() => {
            because.extend(asking(call).map(asked));
            if let Some(life) = log.kept_for_ms {
                because.push(format!("if nobody answers, it is gone in {}", span(life)));
            }
            "waits for its client"
        }
        (None, ..) => {
            because.push(
                "its entry is gone and its log has no end: Redis lost data, or it ends at this moment"
                    .to_owned(),
            );
            "lost"
        }
    };
    if call.is_cancelled && call.entry.is_some() {
        because.push(
            "it was cancelled: nothing is written for it any more, and its entry goes when a worker has seen that"
                .to_owned(),
        );
    }
    if call.entry.is_some() && call.log.as_ref().is_some_and(|log| log.task.is_some()) {
        because.push(
            "it is a task: no client waits for it, and its end stays where any gateway finds it"
                .to_owned(),
        );
    }
    because.extend(holder_trouble(call));
    Explanation { state, because }
}

fn waiting(
    call: &CallSight,
    entry: &EntrySight,
    around: &Around<'_>,
    because: &mut Vec<String>,
) -> &'static str {
    let takers = Takers::among(around.workers);
    if takers.living() == 0 {
        because.push("no worker lives that could claim it: start workers".to_owned());
    } else if takers.able > 0 {
        let able =
            |worker: &&WorkerSight| worker.is_alive && !worker.is_silent && !worker.is_draining;
        let able = around.workers.iter().filter(able);
        let running: u64 = able.map(|worker| worker.running).sum();
        because.push(format!(
            "no worker has claimed it yet: {}, and {} at {}; a worker claims no more than its --concurrency",
            counted(around.overview.waiting, "request waits", "requests wait"),
            counted(running, "runs", "run"),
            counted(takers.able, "worker", "workers"),
        ));
    } else {
        because.push(format!("no worker has claimed it: {}", takers.why()));
    }
    because.extend(takers.who_takes_nothing());
    if !entry.is_readable {
        because.push(newer(entry));
    }
    if entry.method.as_deref() == Some(KNOCK) {
        because.push(
            "no worker has ever announced its tools, so a gateway asks for the first one with it: \
             a worker removes it, and runs nothing"
                .to_owned(),
        );
    } else if let Some(late) = entry.deadline_ms.and_then(|at| call.now_ms.checked_sub(at)) {
        because.push(format!(
            "its deadline passed {} ago (--request-timeout): it is refused, not run",
            span(late)
        ));
    }
    "waits"
}

fn held(
    call: &CallSight,
    lease: &Lease,
    newest: Option<&EventSight>,
    around: &Around<'_>,
    because: &mut Vec<String>,
) -> &'static str {
    if lease.delivery > 1 {
        because.push(format!(
            "this is delivery {}: a worker was lost, or gave it back, before",
            lease.delivery
        ));
    }
    let nobody_lives = !around.workers.iter().any(|worker| worker.is_alive);
    if lease.is_handed_back {
        because.push(match nobody_lives {
            true => format!("worker {} gave it back, and no worker lives", lease.worker),
            false => format!(
                "worker {} gave it back; the next worker with room takes it",
                lease.worker
            ),
        });
        return "handed back";
    }
    let Some(worker) = &call.worker else {
        because.push(
            "nobody has it, since Redis lost data or failed over: a worker that runs it says so within its lease, or it \
             is redelivered"
                .to_owned(),
        );
        return "unattributed";
    };
    if !worker.is_alive {
        let left = lost::time_left(worker, lease.renewed_ms_ago);
        because.push(format!(
            "worker {}, which had it, {}; {}",
            worker.worker,
            lost::heard(worker.has_stopped, worker.heard_ms_ago),
            lost::taken_over(worker.has_stopped, (!nobody_lives).then_some(left)),
        ));
        return "lost its worker";
    }
    because.push(format!(
        "worker {} has it and renewed its lease {} ago",
        worker.worker,
        span(lease.renewed_ms_ago)
    ));
    if !worker.is_listening {
        because.push(
            "that worker is deaf: it hears neither a cancel nor an answer until it looks for itself".to_owned(),
        );
    }
    match newest {
        Some(event) if event.is_question && call.mail == 0 => because.push(format!(
            "it asked its client ({}, event {}) and waits for the answer",
            event.method.as_deref().unwrap_or("a question"),
            event.offset
        )),
        _ if call.mail > 0 => because.push(format!(
            "{} of its client lie in its mailbox, not read yet",
            counted(call.mail, "message", "messages")
        )),
        _ => {}
    }
    "runs"
}

/// The task that waits for its client, if the call is one.
fn asking(call: &CallSight) -> Option<&TaskFacts> {
    let task = call.log.as_ref()?.task.as_ref()?;
    (task.status == TaskStatus::InputRequired).then_some(task)
}

fn asked(task: &TaskFacts) -> String {
    format!(
        "it asked its client something {} ago, and waits for {}: it costs no worker anything, and with the last one it \
         is queued again",
        span(task.changed_ms_ago),
        counted(task.awaited, "answer", "answers")
    )
}

fn ended_with(newest: &EventSight, has_failed: bool) -> String {
    match (newest.error_code, newest.is_tool_error) {
        (Some(code), _) => format!("it ended with the JSON-RPC error {code}"),
        (None, _) if has_failed => "it ended with a JSON-RPC error".to_owned(),
        (None, true) => "it ended with a result in which the tool says that it failed".to_owned(),
        (None, false) => "it ended with a result".to_owned(),
    }
}

fn newer(entry: &EntrySight) -> String {
    match entry.format {
        Some(format) => format!(
            "it is of format {format}, which this release cannot read: only workers of a newer release run it"
        ),
        None => "it does not say its format: nothing of this fleet wrote it".to_owned(),
    }
}

fn holder_trouble(call: &CallSight) -> Option<String> {
    let is_over = call.log.as_ref().is_some_and(|log| log.state != "open");
    let holder = call
        .holder
        .as_ref()
        .filter(|_| !is_over && call.dead.is_none())?;
    let name = &holder.gateway;
    match (holder.is_alive, holder.is_listening) {
        (false, _) => Some(format!(
            "its gateway {name} is gone: a modern call is cancelled soon, a legacy client resumes at another gateway"
        )),
        // Only gateways of earlier releases tell no version either.
        (true, false) if holder.version.is_none() => Some(format!(
            "{name}, which waits for it, hears nothing that workers publish: an operator runs it again, or it is a deaf \
             gateway"
        )),
        (true, false) => Some(format!(
            "its gateway {name} is deaf: it hears nothing that workers publish, and reads logs now and then"
        )),
        (true, true) => None,
    }
}
