//! Is all well?

use prynai_bus::operations::{GatewaySight, Operations, Overview, Place, WorkerSight};
use serde::Serialize;

use super::{Failed, Shown};
use crate::explain::attention;
use crate::show::{harmless, point, size, span};

/// How the fleet is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Where it is.
    pub place: Place,
    /// How much there is of everything.
    pub overview: Overview,
    /// Its workers.
    pub workers: Vec<WorkerSight>,
    /// Its gateways.
    pub gateways: Vec<GatewaySight>,
    /// What needs attention.
    pub attention: Vec<String>,
}

pub(crate) async fn read(operations: &dyn Operations, place: Place) -> Result<Status, Failed> {
    let overview = operations.overview().await?;
    let workers = operations.workers().await?;
    let gateways = operations.gateways().await?;
    Ok(Status {
        attention: attention(&overview, &workers, &gateways),
        place,
        overview,
        workers,
        gateways,
    })
}

impl Shown for Status {
    fn words(&self, width: Option<usize>) -> String {
        let o = &self.overview;
        let mut lines = vec![
            format!(
                "redis         {}, prefix {}",
                self.place.bus, self.place.prefix
            ),
            format!("server        {}", harmless(&self.server())),
            format!(
                "queue         {} wait{}, {} run{}",
                o.waiting,
                since(" (the oldest for ", o.oldest_waiting_ms),
                o.running,
                since(" (the oldest was queued ", o.oldest_running_ms).replace(')', " ago)"),
            ),
            format!(
                "workers       {}",
                living(self.workers.iter().map(|w| (w.is_alive, w.is_listening)))
            ),
            format!(
                "gateways      {}",
                living(self.gateways.iter().map(|g| (g.is_alive, g.is_listening)))
            ),
            format!(
                "calls         {} in sessions, {} open streams, {} cancelled",
                o.session_calls, o.unfinished_streams, o.cancelled
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
        let found = self.attention.iter().map(|found| point(found, width));
        lines.join(
            "
",
        ) + &found.collect::<String>()
    }
}

impl Status {
    fn server(&self) -> String {
        let Some(server) = &self.overview.server else {
            return "unknown: its user may not run INFO".to_owned();
        };
        let version = server.version.as_deref().unwrap_or("unknown");
        let mut text = format!("version {version}");
        if let Some(uptime) = server.uptime_s {
            text += &format!(", up {}", span(uptime.saturating_mul(1000)));
        }
        if let Some(bytes) = server.memory_bytes {
            text += &format!(", {}", size(bytes));
        }
        if let Some(limit) = server.memory_limit_bytes.filter(|limit| *limit > 0) {
            text += &format!(" of {}", size(limit));
        }
        text
    }
}

fn since(before: &str, ms: Option<u64>) -> String {
    ms.map_or_else(String::new, |ms| format!("{before}{})", span(ms)))
}

/// How many processes live, are deaf, and are gone.
fn living(processes: impl Iterator<Item = (bool, bool)>) -> String {
    let (mut alive, mut deaf, mut gone) = (0, 0, 0);
    for (is_alive, is_listening) in processes {
        alive += u32::from(is_alive);
        deaf += u32::from(is_alive && !is_listening);
        gone += u32::from(!is_alive);
    }
    let mut text = format!("{alive} alive");
    if deaf > 0 {
        text += &format!(", {deaf} of them deaf");
    }
    if gone > 0 {
        text += &format!(", {gone} gone");
    }
    text
}
