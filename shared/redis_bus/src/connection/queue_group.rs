//! What must be known of the queue before anything is put into it or taken out: whether its consumer group is there, and
//! whether this Redis has all that another one had.
//!
//! A replica that became the master may lack the last that the old one did: requests wait in its queue that were run and
//! answered. The same goes for a server that was restarted from a file without the last writes. Such a server writes under
//! another replication id than the one that stands in the data, and then all that waits counts as running.

use std::collections::HashMap;

use redis::cmd;
use tokio::time::Instant;

use crate::connection::budget::DEADLINE;
use crate::connection::command::Command;
use crate::connection::link::Link;
use crate::fault::Fault;
use crate::scripts::{self, GroupMade};
use crate::server::demoted::LastWords;
use crate::wire::keys::Keys;

/// How the consumer group is made ready.
pub(crate) struct QueueGroup {
    keys: Keys,
    last_words: LastWords,
}

impl QueueGroup {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            last_words: LastWords::default(),
        }
    }

    pub(crate) fn last_words(&self) -> LastWords {
        self.last_words.clone()
    }

    /// Makes the group ready on a new connection.
    pub(crate) async fn prepare(&self, link: &mut Link) -> Result<(), Fault> {
        let deadline = Instant::now() + DEADLINE;
        let keeps_all = keeps_every_write(link, deadline).await;
        let made = link.run(&self.call(keeps_all), deadline).await?;
        self.tell(&made);
        Ok(())
    }

    /// Makes the group again that was found to be gone.
    pub(crate) fn make_again(&self) -> Command<GroupMade> {
        self.call(false)
    }

    /// Says what is not as it should be.
    pub(crate) fn tell(&self, made: &GroupMade) {
        let requests = made.running;
        if made.was_gone {
            tracing::error!(
                requests,
                "the consumer group was gone: Redis lost its data, or somebody deleted it; it is made again, and who \
                 runs the requests that were queued is unknown"
            );
        } else if made.is_successor {
            tracing::warn!(
                requests,
                "Redis is a promoted replica or was restarted, and may lack the last writes: the requests that were \
                 queued count as running"
            );
        }
        if !made.is_known {
            tracing::warn!(
                "INFO is not allowed: a fail-over that lost writes cannot be noticed (docs/security.md)"
            );
        }
    }

    fn call(&self, keeps_all: bool) -> Command<GroupMade> {
        scripts::make_group(&self.keys, keeps_all, self.last_words.heard().as_ref())
    }
}

/// Whether Redis writes to disk before it answers, so that a restart loses nothing. One that does not say counts as one
/// that does not.
async fn keeps_every_write(link: &mut Link, deadline: Instant) -> bool {
    let mut question = cmd("CONFIG");
    question.arg("GET").arg("appendonly").arg("appendfsync");
    let question = Command::<HashMap<String, String>>::single(question);
    let facts = link.run(&question, deadline).await.unwrap_or_default();
    let is = |name: &str, value: &str| facts.get(name).is_some_and(|fact| fact == value);
    is("appendonly", "yes") && is("appendfsync", "always")
}
