//! Keeps the policy as its file is now.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::file::{PolicyFile, parse, text_of};
use super::rules::Rules;

/// Time between two looks at the file. Its content is compared: a mounted one is exchanged through links, which no
/// watch on the file sees.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Reads the file again and again. A change counts once it was seen twice, since a file may be half written; what
/// cannot be used is told once, and the last policy stays in force.
pub(super) async fn follow(file: PolicyFile, in_force: watch::Sender<Option<Arc<Rules>>>) {
    let PolicyFile { path, text, rules } = file;
    tracing::info!(path = %path.display(), rules = rules.allow.len(), limits = rules.limits.len(), "a policy is in force");
    let mut last = Ok(text);
    let mut settled = true;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = look(path.clone()).await;
        if now != last {
            (last, settled) = (now, false);
        } else if !settled {
            settled = true;
            apply(&last, &in_force);
        }
    }
}

fn apply(text: &Result<String, String>, in_force: &watch::Sender<Option<Arc<Rules>>>) {
    match text.as_deref().map_err(Clone::clone).and_then(parse) {
        Ok(rules) => {
            tracing::info!(
                rules = rules.allow.len(),
                limits = rules.limits.len(),
                "the policy has changed"
            );
            in_force.send_replace(Some(Arc::new(rules)));
        }
        Err(reason) => {
            tracing::error!(%reason, "the policy file cannot be used; the last policy stays in force");
        }
    }
}

async fn look(path: PathBuf) -> Result<String, String> {
    let read = tokio::task::spawn_blocking(move || text_of(&path)).await;
    read.unwrap_or_else(|error| Err(error.to_string()))
}
