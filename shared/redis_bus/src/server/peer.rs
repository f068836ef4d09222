//! The server at the other end of a connection: the first thing that is asked on it.

use std::collections::{HashMap, HashSet};

use redis::aio::MultiplexedConnection;
use redis::{FromRedisValue, Value, cmd, from_redis_value, pipe};

use crate::fault::{CLUSTER, Fault};

/// The oldest Redis with all that the scripts use.
const OLDEST_MAJOR: u32 = 7;

/// What a server says of itself.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// What it calls this connection.
    pub(crate) client_id: Option<i64>,
}

impl Peer {
    /// Asks the server at `place` what it is, and refuses it unless it is the only master.
    pub(crate) async fn greet(
        connection: &mut MultiplexedConnection,
        place: &str,
    ) -> Result<Self, Fault> {
        let mut questions = pipe();
        // A server that loads its data, or a replica without its master, answers HELLO and not PING. The library
        // does not hand on what HELLO answered when it connected.
        questions.cmd("HELLO").cmd("PING");
        let answers = questions.query_async(connection).await;
        let (facts, _): (HashMap<String, Value>, String) =
            answers.map_err(|error| Fault::at(place, &error))?;
        check_version(&fact::<String>(&facts, "version").unwrap_or_default())
            .map_err(|reason| Fault::SetUp(format!("{place}: {reason}")))?;
        let role: Option<String> = fact(&facts, "role");
        let mode: Option<String> = fact(&facts, "mode");
        match (mode.as_deref(), role.as_deref()) {
            (Some("sentinel"), _) => {
                return Err(Fault::SetUp(format!(
                    "{place} is a Sentinel: write redis+sentinel://host:port/master"
                )));
            }
            (_, Some("replica" | "slave")) => {
                return Err(Fault::away(format!(
                    "{place} is a replica, to which nothing can be written; waiting until its name leads to the master"
                )));
            }
            (Some("cluster"), _) if masters(connection).await > 1 => {
                return Err(Fault::SetUp(format!("{place}: {CLUSTER}")));
            }
            _ => {}
        }
        Ok(Self {
            client_id: fact(&facts, "id"),
        })
    }
}

fn fact<T: FromRedisValue>(facts: &HashMap<String, Value>, name: &str) -> Option<T> {
    from_redis_value(facts.get(name)?.clone()).ok()
}

/// How many masters share the keys of a cluster; 0 when it does not say, and then the first key that lies elsewhere
/// tells.
async fn masters(connection: &mut MultiplexedConnection) -> usize {
    let mut slots = cmd("CLUSTER");
    slots.arg("SLOTS");
    let ranges: Vec<Vec<Value>> = slots.query_async(connection).await.unwrap_or_default();
    // First and last slot of a range, its master (address, port, id), its replicas.
    let masters = ranges.iter().filter_map(|range| match range.get(2)? {
        Value::Array(master) => from_redis_value::<String>(master.get(2)?.clone()).ok(),
        _ => None,
    });
    masters.collect::<HashSet<_>>().len()
}

fn check_version(version: &str) -> Result<(), String> {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major < OLDEST_MAJOR => Err(format!(
            "this is Redis {version}; version {OLDEST_MAJOR}.0 or later is needed"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_is_too_old() {
        let refused = check_version("6.2.14").unwrap_err();
        assert!(refused.contains("7.0 or later"), "{refused}");
        assert!(check_version("7.0.15").is_ok());
        assert!(check_version("10.0").is_ok());
    }
}
