//! How far a master had come when it was one no more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cmd;

use crate::server::info::fact;

/// What a server that is no master any more may take to say how far it had come.
const WITHIN: Duration = Duration::from_millis(200);

/// How far a master had come when it was one no more; what it says proves that its successor has everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWords(Arc<Mutex<Option<Words>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    /// Its replication id.
    pub(crate) replication: String,
    /// The bytes of its replication stream.
    pub(crate) offset: i64,
}

impl LastWords {
    pub(crate) fn heard(&self) -> Option<Words> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Asks a server that is no master any more.
    pub(crate) async fn hear(&self, connection: &mut MultiplexedConnection) {
        let mut question = cmd("INFO");
        question.arg("replication");
        let answer = question.query_async::<String>(connection);
        if let Ok(Ok(facts)) = tokio::time::timeout(WITHIN, answer).await {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = words(&facts);
        }
    }
}

fn words(facts: &str) -> Option<Words> {
    let fact = |name: &str| fact(facts, name);
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
