//! What a worker is told: by a gateway of a request that it runs, and by an operator of itself.

use serde::{Deserialize, Serialize};

use super::{FORMAT, WireError, check_format};
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
    /// The worker is to claim nothing more and to end when its calls have ended; then the rest tells nothing. A release
    /// that does not know it takes the signal for mail of a call that it does not run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drain: bool,
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
            drain: false,
        }
    }

    /// Tells a worker to end in order.
    pub fn drain() -> Self {
        Self {
            drain: true,
            ..Self::new(StreamId::generate(), SignalKind::Mail)
        }
    }

    /// The single line of JSON that is published.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_line(&self) -> Result<String, WireError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a line that [`Signal::to_line`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When it is not a signal, or of a newer format.
    pub fn from_line(line: &str) -> Result<Self, WireError> {
        let signal: Self = serde_json::from_str(line)?;
        check_format(signal.v)?;
        Ok(signal)
    }
}
