//! What readers wait for.

use std::collections::BTreeSet;
use std::sync::Arc;

use prynai_bus::ids::SessionId;
use prynai_bus::wire::change::Change;

/// What one change is about, and what a reader may wait for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Topic {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources.
    Resources,
    /// One resource, by URI.
    Resource(Arc<str>),
    /// One session: its subscriptions, its streams, its end.
    Session(SessionId),
    /// What the workers serve.
    Catalog,
}

/// All that one reader waits for.
pub(crate) type Interest = BTreeSet<Topic>;

impl Topic {
    /// What a change is about.
    pub(crate) fn of(change: &Change) -> Self {
        match change {
            Change::ToolsListChanged => Self::Tools,
            Change::PromptsListChanged => Self::Prompts,
            Change::ResourcesListChanged => Self::Resources,
            Change::ResourceUpdated { uri } => Self::Resource(uri.as_str().into()),
            Change::CatalogChanged => Self::Catalog,
            Change::SessionChanged { session }
            | Change::SessionListening { session, .. }
            | Change::SessionEnded { session } => Self::Session(session.clone()),
        }
    }
}
