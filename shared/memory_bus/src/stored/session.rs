//! A session as it is kept.

use std::collections::BTreeSet;

use prynai_bus::wire::session::Session;
use tokio::time::Instant;

use super::expiry::ExpiringMap;

/// A session with all that ends with it.
pub(crate) struct StoredSession {
    pub(crate) session: Session,
    pub(crate) subscriptions: BTreeSet<String>,
    /// When it was opened.
    pub(crate) opened: Instant,
    /// When it was last counted to its share.
    pub(crate) counted: Instant,
    /// The tool author's, by key.
    pub(crate) state: ExpiringMap<String, String>,
}
