//! What a client in a session and its GET stream share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::record::Recorder;

/// When a broken stream is asked for, if the server does not say: as the official SDKs do.
pub(super) const RETRY: Duration = Duration::from_secs(1);

/// Between two attempts that fail.
pub(super) const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(250);

/// What both may learn of their session.
#[derive(Default)]
pub(super) struct SessionState {
    lost: AtomicBool,
}

impl SessionState {
    /// The server does not know the session any more; counted once.
    pub(super) fn lose(&self, recorder: &Recorder) {
        if !self.lost.swap(true, Ordering::Relaxed) {
            recorder.lost_session();
        }
    }
}
