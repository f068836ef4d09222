//! How far a master had come when it was demoted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cmd;

use crate::server::info::fact;

/// How long a demoted master may take to say how far it had come.
const WITHIN: Duration = Duration::from_millis(200);

/// What the last demoted master said; it can prove that its successor has everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct DemotedMaster(Arc<Mutex<Option<FinalOffset>>>);

/// How far a master had come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FinalOffset {
    /// Its replication id.
    pub(crate) replication: String,
    /// The bytes of its replication stream.
    pub(crate) offset: i64,
}

impl DemotedMaster {
    /// What it said, if one was asked and answered.
    pub(crate) fn known(&self) -> Option<FinalOffset> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks a server that was demoted.
    pub(crate) async fn ask(&self, connection: &mut MultiplexedConnection) {
        let mut question = cmd("INFO");
        question.arg("replication");
        let answer = question.query_async::<String>(connection);
        if let Ok(Ok(facts)) = tokio::time::timeout(WITHIN, answer).await {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = final_offset(&facts);
        }
    }
}

fn final_offset(facts: &str) -> Option<FinalOffset> {
    let fact = |name: &str| fact(facts, name);
    let offset = |name: &str| fact(name)?.parse::<i64>().ok();
    let of = |replication: Option<&str>, offset: Option<i64>| {
        Some(FinalOffset {
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
    fn the_final_offset_is_that_of_the_id_that_was_written_under() {
        let demoted = "role:slave\r\nmaster_replid:aaa\r\nmaster_replid2:000\r\nmaster_repl_offset:70\r\n\
                       second_repl_offset:-1\r\n";
        let goes_on = "role:slave\r\nmaster_replid:bbb\r\nmaster_replid2:aaa\r\nmaster_repl_offset:99\r\n\
                       second_repl_offset:71\r\n";
        let expected = FinalOffset {
            replication: "aaa".to_owned(),
            offset: 70,
        };
        assert_eq!(final_offset(demoted), Some(expected.clone()));
        assert_eq!(final_offset(goes_on), Some(expected));
        assert_eq!(final_offset(""), None);
    }
}
