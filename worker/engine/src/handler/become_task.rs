//! A tool that says itself when its call becomes a task.

use std::sync::Arc;

use rmcp::ErrorData;
use rmcp::handler::server::common::{AsRequestContext, FromContextPart};
use tokio::sync::{Notify, watch};

/// Makes a task of the call now, without waiting for `--task-after`: for a tool that asks its client something first,
/// or looks first whether there is much to do. Others say it in their description ([`crate::Tasks`]).
///
/// A tool takes it as a parameter; any handler finds it in the extensions of its request, if its client takes tasks.
#[derive(Debug, Clone)]
pub struct BecomeTask(Option<Arc<Shared>>);

#[derive(Debug)]
struct Shared {
    asked: Notify,
    /// Whether it is one, once that is known.
    told: watch::Sender<Option<bool>>,
}

impl BecomeTask {
    /// For a call whose client takes no tasks.
    pub(crate) const NEVER: Self = Self(None);

    /// For a call that can become one.
    pub(crate) fn possible() -> Self {
        Self(Some(Arc::new(Shared {
            asked: Notify::new(),
            told: watch::Sender::new(None),
        })))
    }

    /// Makes a task of the call, and says whether it is one now: a client that takes no tasks waits for the answer.
    pub async fn now(&self) -> bool {
        let Some(shared) = &self.0 else {
            return false;
        };
        let mut told = shared.told.subscribe();
        shared.asked.notify_one();
        let told = told.wait_for(Option::is_some).await;
        told.is_ok_and(|told| told.unwrap_or(false))
    }

    /// Completes when a handler has asked for it.
    pub(crate) async fn asked(&self) {
        match &self.0 {
            Some(shared) => shared.asked.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Tells the handler whether its call is a task.
    pub(crate) fn tell(&self, is_task: bool) {
        if let Some(shared) = &self.0 {
            shared.told.send_replace(Some(is_task));
        }
    }
}

impl<C: AsRequestContext> FromContextPart<C> for BecomeTask {
    fn from_context_part(context: &mut C) -> Result<Self, ErrorData> {
        // Most calls cannot become tasks, and have none.
        let extensions = &context.as_request_context().extensions;
        Ok(extensions.get().cloned().unwrap_or(Self::NEVER))
    }
}
