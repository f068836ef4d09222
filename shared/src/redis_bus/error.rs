//! What can go wrong between us and Redis, and what it means for the bus.

use std::fmt;

use redis::{ErrorKind, RedisError};

use crate::bus::BusError;

/// Codes with which Redis says that it cannot serve now. What the others say is our fault.
const NOT_NOW: [&str; 14] = [
    "OOM",
    "READONLY",
    "LOADING",
    "BUSY",
    "MISCONF",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "NOREPLICAS",
    "NOAUTH",
    "WRONGPASS",
    "NOPERM",
    "MOVED",
    "ASK",
];

/// Why a call to Redis has no result.
#[derive(Debug)]
pub(super) enum Fault {
    /// Nothing came back in time, or there is no connection.
    Away(String),
    /// What the library or Redis reported.
    Failed(RedisError),
}

impl Fault {
    pub(super) fn away(reason: impl Into<String>) -> Self {
        Self::Away(reason.into())
    }

    /// Whether Redis may have done what it was asked, without saying so.
    pub(super) fn is_unanswered(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::Failed(error) => ends_connection(error) || error.kind() == ErrorKind::Io,
        }
    }

    /// Whether the consumer group is gone (Redis lost its data, or somebody deleted it). A read that
    /// was waiting hears of it in another way.
    pub(super) fn is_group_gone(&self) -> bool {
        match self {
            Self::Away(_) => false,
            Self::Failed(error) => {
                let gone = |code: &String| code == "NOGROUP" || code == "UNBLOCKED";
                codes(error).iter().any(gone)
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(reason) => f.write_str(reason),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        Self::Failed(error)
    }
}

impl From<Fault> for BusError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Away(reason) => Self::Unavailable(reason),
            Fault::Failed(error) if says_not_now(&error) => Self::Refused(error.to_string()),
            Fault::Failed(error) if is_temporary(&error) => Self::Unavailable(error.to_string()),
            Fault::Failed(error) => Self::Unexpected(error.to_string()),
        }
    }
}

impl From<RedisError> for BusError {
    fn from(error: RedisError) -> Self {
        Fault::from(error).into()
    }
}

/// Whether the connection that reported this cannot be used any more.
pub(super) fn ends_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_timeout()
}

fn is_temporary(error: &RedisError) -> bool {
    let kind = error.kind();
    matches!(
        kind,
        ErrorKind::Io | ErrorKind::AuthenticationFailed | ErrorKind::ClusterConnectionNotFound
    )
}

/// Whether Redis answered that it does not do this now. A script is stopped so before its first write only.
fn says_not_now(error: &RedisError) -> bool {
    let is_not_now = |code: &String| NOT_NOW.contains(&code.as_str());
    codes(error).iter().any(is_not_now)
}

/// The codes in an error; several when it comes from a pipeline.
fn codes(error: &RedisError) -> Vec<String> {
    match error.clone().into_server_errors() {
        Some(errors) => errors
            .iter()
            .map(|(_, error)| error.code().to_owned())
            .collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_redis_refuses_for_now_and_a_wrong_type_does_not() {
        let error = |code: &str| redis::make_extension_error(code.to_owned(), None);
        assert!(matches!(error("OOM").into(), BusError::Refused(_)));
        assert!(matches!(error("WRONGTYPE").into(), BusError::Unexpected(_)));
        assert!(Fault::from(error("NOGROUP")).is_group_gone());
    }
}
