//! A tool that says itself when its call becomes a task.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use tokio::sync::{Notify, watch};

use crate::handler::extract::extension;

/// Makes a task of the call now, without waiting for `--task-after`: for a tool that asks its client something first,
/// or looks first whether there is much to do. Others say it in their description ([`crate::Tasks`]).
///
/// A tool takes it as a parameter; any handler finds it in the extensions of its request.
#[derive(Debug, Clone)]
pub struct BecomeTask(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    asked: Notify,
    /// Whether it is one, once that is known.
    told: watch::Sender<Option<bool>>,
}

impl Default for BecomeTask {
    fn default() -> Self {
        Self(Arc::new(Shared {
            asked: Notify::new(),
            told: watch::Sender::new(None),
        }))
    }
}

impl BecomeTask {
    /// Makes a task of the call, and says whether it is one now: a client that takes no tasks waits for the answer.
    pub async fn now(&self) -> bool {
        let mut told = self.0.told.subscribe();
        self.0.asked.notify_one();
        let told = told.wait_for(Option::is_some).await;
        told.is_ok_and(|told| told.unwrap_or(false))
    }

    /// Completes when a handler has asked for it.
    pub(crate) async fn asked(&self) {
        self.0.asked.notified().await;
    }

    /// Tells the handler whether its call is a task.
    pub(crate) fn tell(&self, is_task: bool) {
        self.0.told.send_replace(Some(is_task));
    }
}

impl<C: AsRequestContext> FromContextPart<C> for BecomeTask {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        extension(context, "BecomeTask")
    }
}
