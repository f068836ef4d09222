//! Prepares the queue on a new connection, before anything is put into it or taken out: the consumer group must be
//! there, and this Redis must have all that another one had.
//!
//! A replica that became the master may lack the last writes of the old one: requests wait in its queue that were run
//! and answered. The same is true of a server that was restarted from a file without the last writes. Such a server
//! writes under another replication id than the one noted in the data. Then all that waits counts as running.

use std::collections::HashMap;

use redis::cmd;
use tokio::time::Instant;

use crate::connection::budget::DEADLINE;
use crate::connection::command::Command;
use crate::connection::link::Link;
use crate::fault::Fault;
use crate::scripts::{self, GroupMade};
use crate::server::demoted_master::DemotedMaster;
use crate::wire::keys::Keys;

/// How the consumer group is made ready.
pub(crate) struct QueueGroup {
    keys: Keys,
    demoted_master: DemotedMaster,
}

impl QueueGroup {
    pub(crate) fn new(keys: Keys) -> Self {
        Self {
            keys,
            demoted_master: DemotedMaster::default(),
        }
    }

    pub(crate) fn demoted_master(&self) -> DemotedMaster {
        self.demoted_master.clone()
    }

    /// Makes the group ready on a new connection.
    pub(crate) async fn prepare(&self, link: &mut Link) -> Result<(), Fault> {
        let deadline = Instant::now() + DEADLINE;
        let keeps_all = keeps_every_write(link, deadline).await;
        let made = link.run(&self.command(keeps_all), deadline).await?;
        self.tell(&made);
        Ok(())
    }

    /// Makes the group again that was found to be gone.
    pub(crate) fn make_again(&self) -> Command<GroupMade> {
        self.command(false)
    }

    /// Says what is not as it should be.
    pub(crate) fn tell(&self, made: &GroupMade) {
        let requests = made.running;
        if made.was_gone {
            tracing::error!(
                requests,
                "the consumer group was gone, since Redis lost its data or somebody deleted it; it is made again, but \
                 its pending requests cannot be attributed to a worker"
            );
        } else if made.is_successor {
            tracing::warn!(
                requests,
                "Redis is a promoted replica or was restarted, and may lack the last writes; the requests that \
                 were queued count as running"
            );
        }
        if !made.is_known {
            tracing::warn!(
                "the Redis user may not run INFO, so a fail-over that loses writes goes unnoticed; allow it \
                 (docs/security.md)"
            );
        }
    }

    fn command(&self, keeps_all: bool) -> Command<GroupMade> {
        scripts::make_group(&self.keys, keeps_all, self.demoted_master.known().as_ref())
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
