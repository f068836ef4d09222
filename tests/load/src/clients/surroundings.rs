//! What the clients of one thread share.

use std::sync::Arc;
use std::time::Duration;

use crate::clients::token::Tokens;
use crate::clients::wording::Wording;
use crate::record::Recorder;
use crate::wire::connect::Connector;
use crate::wire::line::Line;

/// What the clients of one thread share.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) connector: Arc<Connector>,
    pub(crate) wording: Arc<Wording>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) recorder: Recorder,
    /// How long a client waits for an answer.
    pub(crate) timeout: Duration,
    /// Whether clients hold the GET stream of their session.
    pub(crate) stream: bool,
}

impl Surroundings {
    /// A connection for a client.
    pub(crate) fn line(&self) -> Line {
        Line::new(self.connector.clone())
    }
}
