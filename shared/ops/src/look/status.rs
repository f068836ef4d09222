//! Is all well?

use prynai_bus::operations::Overview;
use prynai_operations::explain::{Concern, More};
use prynai_operations::look::status::{
    Status, living_gateways, living_workers, open_tasks, server,
};
use prynai_operations::text::{counted, harmless, span};

use super::Shown;
use crate::show::point;

impl Shown for Status {
    fn words(&self, width: Option<usize>) -> String {
        let o = &self.overview;
        let mut lines = vec![
            format!(
                "redis         {}, prefix {}",
                self.place.bus, self.place.prefix
            ),
            format!("server        {}", harmless(&server(o))),
            format!(
                "queue         {} wait{}, {} run{}",
                o.waiting,
                since(" (the oldest for ", o.oldest_waiting_ms),
                o.running,
                since(" (the oldest was queued ", o.oldest_running_ms).replace(')', " ago)"),
            ),
            format!("workers       {}", living_workers(&self.workers)),
            format!("gateways      {}", living_gateways(&self.gateways)),
            format!(
                "sessions      {} open, with {} that {}",
                o.sessions,
                counted(o.session_calls, "call", "calls"),
                if o.session_calls == 1 {
                    "waits or runs"
                } else {
                    "wait or run"
                },
            ),
            format!("tasks         {}", tasks(o)),
            format!(
                "answers       {} under way; {} cancelled and not removed yet",
                o.unfinished_streams,
                counted(o.cancelled, "call", "calls"),
            ),
            format!("dead letters  {}", o.dead_letters),
        ];
        if self.attention.is_empty() {
            lines.push(
                "
Nothing needs attention.
"
                .to_owned(),
            );
            return lines.join(
                "
",
            );
        }
        lines.push(
            "
Needs attention:
"
            .to_owned(),
        );
        let found = self
            .attention
            .iter()
            .map(|found| point(&told(found), width));
        lines.join(
            "
",
        ) + &found.collect::<String>()
    }
}

fn tasks(overview: &Overview) -> String {
    let Some(counts) = overview.tasks else {
        return "unknown: its user may not count them".to_owned();
    };
    let open = overview.open_tasks.unwrap_or_default();
    format!(
        "{}; {} kept in all",
        open_tasks(&counts, &open),
        counts.kept
    )
}

fn since(before: &str, ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!("{before}{})", span(ms)))
}

/// A concern, with the command that shows more.
fn told(concern: &Concern) -> String {
    let said = &concern.said;
    match concern.more {
        Some(More::Workers) => format!("{said} (prynai-ops workers)"),
        Some(More::DeadLetters) => format!("{said} (prynai-ops dead list)"),
        None => said.clone(),
    }
}
