//! What only a closer look finds.

use serde::Serialize;

/// What only a closer look finds.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Diagnosis {
    /// The time by the clock of the bus, Unix milliseconds.
    pub now_ms: u64,
    /// How far this machine's clock is ahead of it, in milliseconds.
    pub clock_ahead_ms: i64,
    /// How exactly that is known, in milliseconds.
    pub clock_error_ms: u64,
    /// Claims that were not renewed for much longer than their owners' leases last, and that nobody took over. The
    /// first hundred.
    pub orphans: Vec<Orphan>,
    /// Open streams whose gateway is gone, among the hundred that are open for longest.
    pub abandoned_streams: Vec<String>,
    /// Streams that are noted as open and have no log any more, among the same hundred.
    pub lost_logs: u64,
    /// Whether writes survive a restart of the server; absent when its user may not ask.
    pub persistence: Option<Persistence>,
    /// The versions that the living gateways tell, each with how many there are.
    pub gateway_versions: Vec<(String, u64)>,
}

/// A claim that nobody renews.
#[derive(Debug, Clone, Serialize)]
pub struct Orphan {
    /// The entry.
    pub entry: String,
    /// Who has it.
    pub worker: String,
    /// When it was last renewed, in milliseconds.
    pub renewed_ms_ago: u64,
    /// How often it was handed out.
    pub delivery: u64,
}

/// Whether writes survive a restart of the server, as far as it says.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Persistence {
    /// Whether every write goes to a file (`appendonly`); absent when the server does not say.
    pub appends: Option<bool>,
    /// The last write to that file failed.
    pub has_append_failed: bool,
    /// The last snapshot failed.
    pub has_snapshot_failed: bool,
    /// When the last snapshot was taken, in milliseconds; absent when there was none, or the server does not say.
    pub snapshot_ms_ago: Option<u64>,
    /// Replicas that are connected.
    pub replicas: u64,
}
