//! Entries of the request queue, and dead letters.

use serde::Serialize;

use crate::ids::EntryId;

/// Where entries lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shelf {
    /// The request queue.
    Queue,
    /// The dead letters.
    DeadLetters,
}

/// Some entries.
#[derive(Debug, Clone, Serialize)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<EntrySight>,
    /// Where the next page begins; absent when there is none.
    pub next: Option<EntryId>,
}

/// An entry, without its message.
#[derive(Debug, Clone, Default, Serialize)]
pub struct EntrySight {
    /// Its name.
    pub entry: String,
    /// Since when it lies there, in milliseconds.
    pub age_ms: u64,
    /// How large it is.
    pub bytes: u64,
    /// The format in which it was written.
    pub format: Option<u32>,
    /// Whether this release can read that format.
    pub is_readable: bool,
    /// The stream of its events.
    pub stream: Option<String>,
    /// The gateway that waits for the answer.
    pub holder: Option<String>,
    /// `legacy` or `modern`.
    pub era: Option<String>,
    /// The revision in force.
    pub protocol_version: Option<String>,
    /// The JSON-RPC method.
    pub method: Option<String>,
    /// The tool, prompt or resource, as logs show it: a URI without its query and without a password.
    pub name: Option<String>,
    /// The client's own request id, as JSON; absent for a notification.
    pub request_id: Option<String>,
    /// The subject of the caller.
    pub principal: Option<String>,
    /// The session, as it is shown.
    pub session: Option<String>,
    /// When a gateway queued it, Unix milliseconds by the clock of the bus.
    pub queued_at_ms: Option<u64>,
    /// After this moment it is not begun any more, and stopped if it runs; in the same measure.
    pub deadline_ms: Option<u64>,
    /// Whether it carries a signature; whether that is right is not checked.
    pub is_signed: bool,
    /// Who has it; absent while it waits.
    pub lease: Option<Lease>,
    /// Why it is a dead letter, if it is one.
    pub dead: Option<DeadSight>,
}

/// A worker's hold on an entry.
#[derive(Debug, Clone, Serialize)]
pub struct Lease {
    /// The worker; `nobody` has what a lost consumer group had handed out.
    pub worker: String,
    /// When it was last renewed, in milliseconds; without a meaning once it was handed back.
    pub renewed_ms_ago: u64,
    /// How often the entry was handed out.
    pub delivery: u64,
    /// The worker gave it back: the next one that looks takes it.
    pub is_handed_back: bool,
}

/// What became of an entry that could not be served.
#[derive(Debug, Clone, Serialize)]
pub struct DeadSight {
    /// Its name when it lay in the queue.
    pub entry: String,
    /// Why it could not be served.
    pub reason: String,
}
