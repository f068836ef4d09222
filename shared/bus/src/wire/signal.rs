//! What a gateway tells the worker that runs a request.

use serde::{Deserialize, Serialize};

use super::FORMAT;
use crate::ids::StreamId;

/// The wake-up on a worker's channel. What it is about lies in the log and the mailbox, so a
/// lost one costs time, not data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signal {
    /// Format version.
    pub v: u32,
    /// The request it is about.
    pub stream: StreamId,
    /// What happened.
    pub kind: SignalKind,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SignalKind {
    /// The client does not want the answer any more.
    Cancel,
    /// The mailbox holds a message of the client.
    Mail,
}

impl Signal {
    /// A wake-up in the format of this build.
    pub fn new(stream: StreamId, kind: SignalKind) -> Self {
        Self {
            v: FORMAT,
            stream,
            kind,
        }
    }
}
