//! What can go wrong between us and Redis, and what it means for the bus.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, io};

use prynai_bus::BusError;
use redis::{ErrorKind, RedisError};

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

/// Codes with which a server says that it is not, or not yet, the one that serves.
const WRONG_PEER: [&str; 3] = ["READONLY", "MASTERDOWN", "LOADING"];

/// With what a blocked read ends: the stream is gone, or the server became a replica.
const UNBLOCKED: &str = "UNBLOCKED";
const ROLE_CHANGED: &str = "instance state changed";

/// How Redis refuses a command inside a script to a user who may not run it.
const NOT_IN_SCRIPT: &str = "The user executing the script can't";

/// Why a command has no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing came back in time, or there is no connection.
    Away(String),
    /// The server is there, and as both sides are set up it cannot be used: what is wrong, and what to do.
    SetUp(String),
    /// What the library or Redis reported.
    Failed(RedisError),
}

impl Fault {
    pub(crate) fn away(reason: impl Into<String>) -> Self {
        Self::Away(reason.into())
    }

    /// Whether Redis may have done what it was asked, without saying so.
    pub(crate) fn is_unanswered(&self) -> bool {
        match self {
            Self::Away(_) => true,
            Self::SetUp(_) => false,
            Self::Failed(error) => ends_connection(error) || error.kind() == ErrorKind::Io,
        }
    }

    /// What went wrong while the server at `place` was connected to.
    pub(crate) fn at(place: &str, error: &RedisError) -> Self {
        match set_up(error) {
            Some(what) => Self::SetUp(format!("{place}: {what}")),
            None => Self::Away(format!("{place}: {error}")),
        }
    }

    /// Whether the consumer group is gone (Redis lost its data, or somebody deleted it). A read that
    /// was waiting hears of it in another way.
    pub(crate) fn is_group_gone(&self) -> bool {
        let Self::Failed(error) = self else {
            return false;
        };
        let gone = |(code, detail): &(String, String)| {
            code == "NOGROUP" || (code == UNBLOCKED && !detail.contains(ROLE_CHANGED))
        };
        answers(error).iter().any(gone)
    }

    /// Whether there is no key of the name that a command asks about.
    pub(crate) fn is_key_absent(&self) -> bool {
        let Self::Failed(error) = self else {
            return false;
        };
        let absent =
            |(code, detail): &(String, String)| code == "ERR" && detail.contains("no such key");
        answers(error).iter().any(absent)
    }

    /// Whether the user may not run the command.
    pub(crate) fn is_forbidden(&self) -> bool {
        let Self::Failed(error) = self else {
            return false;
        };
        answers(error).iter().any(|(code, _)| code == "NOPERM")
    }

    /// As the error of a first attempt to connect, which says what no waiting can mend.
    pub(crate) fn at_start(self) -> BusError {
        match self {
            Self::SetUp(what) => BusError::Unusable(what),
            Self::Failed(error) => match set_up(&error) {
                Some(what) => BusError::Unusable(what),
                None => Self::Failed(error).into(),
            },
            Self::Away(_) => self.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Away(reason) | Self::SetUp(reason) => f.write_str(reason),
            Self::Failed(error) => match set_up(error) {
                Some(what) => f.write_str(&what),
                None => error.fmt(f),
            },
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
        match &fault {
            // An operator may set it right while we run.
            Fault::Away(_) | Fault::SetUp(_) => Self::Unavailable(fault.to_string()),
            Fault::Failed(error) if is_temporary(error) => Self::Unavailable(fault.to_string()),
            Fault::Failed(error) if says_not_now(error) => Self::Refused(fault.to_string()),
            Fault::Failed(_) => Self::Unexpected(fault.to_string()),
        }
    }
}

/// Whether the connection that reported this cannot be used any more.
pub(crate) fn ends_connection(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_timeout()
}

/// Whether the server does not know the user, or not by this password.
pub(crate) fn is_unknown_user(error: &RedisError) -> bool {
    let unknown = |(code, _): &(String, String)| code == "WRONGPASS" || code == "NOAUTH";
    answers(error).iter().any(unknown)
}

/// Whether the server is not the master, or not yet.
pub(crate) fn is_wrong_peer(error: &RedisError) -> bool {
    let wrong = |(code, detail): &(String, String)| {
        WRONG_PEER.contains(&code.as_str()) || (code == UNBLOCKED && detail.contains(ROLE_CHANGED))
    };
    answers(error).iter().any(wrong)
}

fn is_temporary(error: &RedisError) -> bool {
    let kind = error.kind();
    matches!(
        kind,
        ErrorKind::Io | ErrorKind::AuthenticationFailed | ErrorKind::ClusterConnectionNotFound
    ) || is_wrong_peer(error)
        || set_up(error).is_some()
}

/// Whether Redis answered that it does not do this now. A script is stopped so before its first write only.
fn says_not_now(error: &RedisError) -> bool {
    let is_not_now = |(code, _): &(String, String)| NOT_NOW.contains(&code.as_str());
    answers(error).iter().any(is_not_now)
}

/// Codes and words of Redis in an error; several when it comes from a pipeline.
fn answers(error: &RedisError) -> Vec<(String, String)> {
    match error.clone().into_server_errors() {
        Some(errors) => errors
            .iter()
            .map(|(_, error)| {
                let detail = error.details().unwrap_or_default();
                (error.code().to_owned(), detail.to_owned())
            })
            .collect(),
        None => Vec::new(),
    }
}

/// What a cluster is told.
pub(crate) const CLUSTER: &str = "this is a Redis Cluster of several masters, which is not supported: \
     use one master, with replicas and Sentinels if it must survive a loss (docs/redis.md)";

/// What is set up wrongly and what to do, if that is what the error says.
fn set_up(error: &RedisError) -> Option<String> {
    if error.kind() == ErrorKind::RESP3NotSupported {
        return Some("this Redis is too old: version 7.0 or later is needed".to_owned());
    }
    if let Some(what) = tls_fault(error) {
        return Some(what);
    }
    answers(error).iter().find_map(|(code, detail)| {
        let what = match code.as_str() {
            "NOAUTH" => {
                "Redis asks who this is (NOAUTH): write user and password into the URL, as in \
                 redis://user:password@host:port"
            }
            "WRONGPASS" => {
                "Redis refuses user or password of the URL (WRONGPASS); in a URL : / @ # are written \
                 %3A %2F %40 %23"
            }
            "DENIED" => "Redis is in protected mode and takes no connection from another machine",
            "MOVED" | "ASK" | "CROSSSLOT" => CLUSTER,
            _ if code == "NOPERM" || detail.contains(NOT_IN_SCRIPT) => {
                return Some(format!(
                    "the user of this process may not run what is needed ({code} {detail}); \
                     docs/security.md has the list"
                ));
            }
            _ => return None,
        };
        Some(what.to_owned())
    })
}

fn tls_fault(error: &RedisError) -> Option<String> {
    use rustls::{CertificateError, Error as Tls};
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    let fault = loop {
        let error = source?;
        if let Some(fault) = error.downcast_ref::<Tls>() {
            break fault;
        }
        // Neither an error that is shared nor one that is wrapped in one of input and output is its source.
        source = if let Some(shared) = error.downcast_ref::<Arc<dyn Error + Send + Sync>>() {
            Some(shared.as_ref())
        } else if let Some(wrapper) = error.downcast_ref::<io::Error>() {
            Some(wrapper.get_ref()?)
        } else {
            error.source()
        };
    };
    let what = match fault {
        Tls::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the certificate of Redis is from an authority that is not known here (UnknownIssuer): name \
             the authority with --redis-ca"
        }
        Tls::InvalidMessage(_) => "Redis does not speak TLS there: write redis:// for rediss://",
        Tls::InvalidCertificate(_) | Tls::AlertReceived(_) => {
            return Some(format!(
                "no TLS connection to Redis: {fault}; look at its certificate, --redis-ca, --redis-cert \
                 and --redis-key"
            ));
        }
        _ => return None,
    };
    Some(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: &str, detail: &str) -> RedisError {
        redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
    }

    #[test]
    fn a_full_redis_refuses_for_now_and_a_wrong_type_does_not() {
        assert!(matches!(
            Fault::from(error("OOM", "")).into(),
            BusError::Refused(_)
        ));
        assert!(matches!(
            Fault::from(error("WRONGTYPE", "")).into(),
            BusError::Unexpected(_)
        ));
    }

    #[test]
    fn a_server_that_became_a_replica_has_lost_no_group() {
        let role = error(
            "UNBLOCKED",
            "force unblock from blocking operation, instance state changed (master -> replica?)",
        );
        assert!(is_wrong_peer(&role));
        assert!(!Fault::from(role).is_group_gone());
        let gone = error("UNBLOCKED", "the stream key no longer exists");
        assert!(!is_wrong_peer(&gone));
        assert!(Fault::from(gone).is_group_gone());
        assert!(Fault::from(error("NOGROUP", "")).is_group_gone());
        for code in WRONG_PEER {
            assert!(is_wrong_peer(&error(code, "")), "{code}");
        }
    }

    #[test]
    fn what_no_waiting_can_mend_is_told_at_the_start() {
        let refused = "The user executing the script can't run this command or subcommand";
        for (code, detail) in [
            ("NOAUTH", "Authentication required."),
            (
                "WRONGPASS",
                "invalid username-password pair or user is disabled.",
            ),
            ("MOVED", "3999 127.0.0.1:6381"),
            ("NOPERM", "this user has no permissions"),
            ("ERR", refused),
        ] {
            let fault = || Fault::from(error(code, detail));
            assert!(
                matches!(fault().at_start(), BusError::Unusable(_)),
                "{code}"
            );
            // Later on it is waited for, and told.
            let later = BusError::from(fault());
            assert!(matches!(later, BusError::Unavailable(_)), "{later}");
        }
        for code in ["LOADING", "READONLY", "OOM"] {
            let fault = Fault::from(error(code, ""));
            assert!(fault.at_start().is_passing());
        }
    }
}
