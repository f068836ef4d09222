//! What must be known of the queue before anything is put into it or taken out: whether its consumer group is there, and
//! whether this Redis has all that another one had.
//!
//! A replica that became the master may lack the last that the old one did: requests wait in its queue that were run and
//! answered. The same goes for a server that was restarted from a file without the last writes. Such a server writes under
//! another replication id than the one that stands in the data, and then all that waits counts as running.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cmd;
use tokio::time::Instant;

use super::connection::{DEADLINE, HotConnection, Link};
use super::error::Fault;
use super::keys::Keys;
use super::scripts::{self, Call, GroupMade};

/// What a server that is no master any more may take to say how far it had come.
const WITHIN: Duration = Duration::from_millis(200);

/// How the consumer group is made ready.
pub(super) struct QueueGroup {
    keys: Keys,
    last_words: LastWords,
}

/// How far a master had come when it was one no more; what it says proves that its successor has everything.
#[derive(Clone, Debug, Default)]
pub(super) struct LastWords(Arc<Mutex<Option<Words>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// Its replication id.
    pub(super) replication: String,
    /// The bytes of its replication stream.
    pub(super) offset: i64,
}

impl QueueGroup {
    pub(super) fn new(keys: Keys) -> Self {
        Self {
            keys,
            last_words: LastWords::default(),
        }
    }

    pub(super) fn last_words(&self) -> LastWords {
        self.last_words.clone()
    }

    /// Makes the group ready on a new connection.
    pub(super) async fn prepare(&self, link: &mut Link) -> Result<(), Fault> {
        let deadline = Instant::now() + DEADLINE;
        let keeps_all = keeps_every_write(link, deadline).await;
        let made = link.run(&self.call(keeps_all), deadline).await?;
        tell(&made);
        Ok(())
    }

    /// Makes the group again that was found to be gone.
    pub(super) async fn repair(&self, hot: &HotConnection) -> Result<(), Fault> {
        tell(&hot.run(&self.call(false)).await?);
        Ok(())
    }

    fn call(&self, keeps_all: bool) -> Call<GroupMade> {
        scripts::make_group(&self.keys, keeps_all, self.last_words.heard().as_ref())
    }
}

fn tell(made: &GroupMade) {
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

/// Whether Redis writes to disk before it answers, so that a restart loses nothing. One that does not say counts as one
/// that does not.
async fn keeps_every_write(link: &mut Link, deadline: Instant) -> bool {
    let mut question = cmd("CONFIG");
    question.arg("GET").arg("appendonly").arg("appendfsync");
    let question = Call::<HashMap<String, String>>::command(question);
    let facts = link.run(&question, deadline).await.unwrap_or_default();
    let is = |name: &str, value: &str| facts.get(name).is_some_and(|fact| fact == value);
    is("appendonly", "yes") && is("appendfsync", "always")
}

// === impl LastWords ===

impl LastWords {
    fn heard(&self) -> Option<Words> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks a server that is no master any more.
    pub(super) async fn hear(&self, connection: &mut MultiplexedConnection) {
        let mut question = cmd("INFO");
        question.arg("replication");
        let answer = question.query_async::<String>(connection);
        if let Ok(Ok(facts)) = tokio::time::timeout(WITHIN, answer).await {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words(&facts);
        }
    }
}

fn words(facts: &str) -> Option<Words> {
    let fact = |name: &str| super::server::fact(facts, name);
    let offset = |name: &str| fact(name)?.parse::<i64>().ok();
    let of = |replication: Option<&str>, offset: Option<i64>| {
        Some(Words {
            replication: replication?.to_owned(),
            offset: offset?,
        })
    };
    // Once it goes on where its successor began, the old id is the second one, up to there.
    match offset("second_repl_offset") {
        Some(begun) if begun > 0 => of(fact("master_replid2"), Some(begun - 1)),
        _ => of(fact("master_replid"), offset("master_repl_offset")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_those_of_the_id_that_was_written_under() {
        let demoted = "role:slave\r\nmaster_replid:aaa\r\nmaster_replid2:000\r\nmaster_repl_offset:70\r\n\
                       second_repl_offset:-1\r\n";
        let goes_on = "role:slave\r\nmaster_replid:bbb\r\nmaster_replid2:aaa\r\nmaster_repl_offset:99\r\n\
                       second_repl_offset:71\r\n";
        let expected = Words {
            replication: "aaa".to_owned(),
            offset: 70,
        };
        assert_eq!(words(demoted), Some(expected.clone()));
        assert_eq!(words(goes_on), Some(expected));
        assert_eq!(words(""), None);
    }
}
