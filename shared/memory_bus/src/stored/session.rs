//! A session as it is kept.

use std::collections::{BTreeSet, HashMap};

use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::session::Session;
use tokio::time::Instant;

use super::expiry::ExpiringMap;

/// A session with all that ends with it.
pub(crate) struct StoredSession {
    pub(crate) session: Session,
    pub(crate) subscriptions: BTreeSet<String>,
    /// When it was last counted to its share.
    pub(crate) counted: Instant,
    pub(crate) calls: HashMap<StreamId, StoredCall>,
    /// The tool author's, by key.
    pub(crate) state: ExpiringMap<String, String>,
}

/// A call that runs in a session.
#[derive(Clone)]
pub(crate) struct StoredCall {
    /// As text, so that `1` and `"1"` differ.
    pub(crate) request_id: RawJson,
    pub(crate) entry: Option<EntryId>,
    /// Before it was placed.
    pub(crate) cancelled: bool,
}
