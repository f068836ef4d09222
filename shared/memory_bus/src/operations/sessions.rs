//! Sessions of legacy clients.

use std::time::Duration;

use prynai_bus::operations::{SessionPage, SessionSight};
use prynai_bus::shown;
use prynai_bus::wire::FORMAT;
use serde::Deserialize;

use super::cut;
use crate::bus::{MemoryBus, lock};
use crate::stored::session::StoredSession;

/// Sessions of one page. Those that are due at the same moment come together.
const PAGE: usize = 100;

/// What a client says of itself, in bytes, up to which it is read.
const READ: usize = 16 * 1024;

impl MemoryBus {
    /// `after` is a moment, in nanoseconds since the bus began: sessions are passed in the order in which they are due.
    pub(super) fn read_sessions(&self, after: u64) -> SessionPage {
        let sessions = lock(&self.sessions);
        let partition = lock(&self.partition);
        let Some(begin) = self.started.checked_add(Duration::from_nanos(after)) else {
            return SessionPage {
                sessions: Vec::new(),
                next: None,
            };
        };
        let (mut page, mut last, mut next) = (Vec::new(), begin, None);
        for (due, id, stored) in sessions.looked_at_from(begin) {
            if page.len() >= PAGE && due != last {
                let passed = due.duration_since(self.started).as_nanos();
                next = u64::try_from(passed).ok();
                break;
            }
            last = due;
            let mut sight = sight(stored);
            sight.calls = partition.count_calls(id) as u64;
            let life = sessions.life_of(id).map(|life| life.as_millis());
            sight.ends_in_ms = life.and_then(|ms| u64::try_from(ms).ok());
            page.push(sight);
        }
        SessionPage {
            sessions: page,
            next,
        }
    }
}

/// What a client calls itself.
#[derive(Deserialize)]
struct ClientInfo {
    name: Option<String>,
    version: Option<String>,
}

fn sight(stored: &StoredSession) -> SessionSight {
    let session = &stored.session;
    SessionSight {
        session: shown::session(session.id.as_str()).to_owned(),
        principal: Some(cut(&session.principal.subject)),
        protocol_version: Some(cut(&session.protocol_version)),
        client: client(session.client_info.as_str()),
        ends_in_ms: None,
        calls: 0,
        subscriptions: stored.subscriptions.len() as u64,
        format: Some(FORMAT),
    }
}

fn client(info: &str) -> Option<String> {
    if info.len() > READ {
        return None;
    }
    let info: ClientInfo = serde_json::from_str(info).ok()?;
    let told = [info.name, info.version].into_iter().flatten();
    let told: Vec<_> = told
        .map(|text| cut(&text))
        .filter(|text| !text.is_empty())
        .collect();
    (!told.is_empty()).then(|| told.join(" "))
}
