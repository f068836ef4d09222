//! What the caller of a list may see of it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// What a list may show its caller; everything else is taken out before the list is written to its log.
///
/// The gateway states it from its policy, in [`crate::patterns`]: of names, or of URIs where entries have one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Visible {
    /// Entries that are shown.
    #[serde(default)]
    pub names: BTreeSet<String>,
    /// Tools that are shown if they say that they only read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub read_only: BTreeSet<String>,
}
