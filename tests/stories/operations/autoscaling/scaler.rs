//! KEDA's `redis-streams` scaler: what it reads of the request queue, and what it makes of it.
//!
//! KEDA 2.18.1, `pkg/scalers/redis_streams_scaler.go`, with a Redis of version 7 or later and `activationLagCount` 0.

use std::collections::HashMap;

use prynai_test_harness::cluster::QUEUE;
use prynai_test_redis::server::RedisServer;
use redis::{Value, from_redis_value};

/// The consumer group of the rules.
pub(super) const GROUP: &str = "workers";

/// What a rule counts, and for how many of it there is to be one replica more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// `lagCount`.
    Lag(i64),
    /// `pendingEntriesCount`.
    Pending(i64),
}

/// What lies in Redis of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// There is no such key.
    Absent,
    /// So many entries, and no such group.
    WithoutGroup(i64),
    /// Its group.
    Grouped {
        /// As XINFO GROUPS has it; Redis does not always know.
        lag: Option<i64>,
        /// As XPENDING counts.
        pending: i64,
    },
}

/// What a rule measures, and its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Metric {
    pub(super) value: i64,
    pub(super) target: i64,
}

/// The scaler failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScalerError;

impl Rule {
    pub(super) fn metric(self, stream: Stream) -> Result<Metric, ScalerError> {
        match (self, stream) {
            (Self::Lag(target), stream) => Ok(Metric {
                value: match stream {
                    Stream::Absent => 0,
                    Stream::WithoutGroup(length) => length,
                    // What the library of the scaler makes of a null.
                    Stream::Grouped { lag, .. } => lag.unwrap_or(-1),
                },
                target,
            }),
            (Self::Pending(target), Stream::Grouped { pending, .. }) => Ok(Metric {
                value: pending,
                target,
            }),
            (Self::Pending(_), Stream::Absent | Stream::WithoutGroup(_)) => Err(ScalerError),
        }
    }
}

impl Metric {
    /// Whether the trigger is active.
    pub(super) fn is_active(self) -> bool {
        self.value > 0
    }
}

impl Stream {
    /// Looks at a live Redis.
    pub(super) async fn look(redis: &RedisServer) -> Self {
        let exists: bool = redis.command(&["EXISTS", QUEUE]).await;
        if !exists {
            return Self::Absent;
        }
        let groups: Vec<HashMap<String, Value>> = redis.command(&["XINFO", "GROUPS", QUEUE]).await;
        let named = |group: &&HashMap<String, Value>| {
            from_redis_value::<String>(group["name"].clone()).is_ok_and(|name| name == GROUP)
        };
        let Some(group) = groups.iter().find(named) else {
            return Self::WithoutGroup(redis.command(&["XLEN", QUEUE]).await);
        };
        let pending: Vec<Value> = redis.command(&["XPENDING", QUEUE, GROUP]).await;
        Self::Grouped {
            lag: from_redis_value(group["lag"].clone()).expect("a number or null"),
            pending: from_redis_value(pending[0].clone()).expect("a number"),
        }
    }

    /// Requests that wait, as far as Redis knows.
    pub(super) fn waiting(self) -> Option<i64> {
        match self {
            Self::Absent => Some(0),
            Self::WithoutGroup(length) => Some(length),
            Self::Grouped { lag, .. } => lag,
        }
    }

    /// Requests that run.
    pub(super) fn running(self) -> i64 {
        match self {
            Self::Absent | Self::WithoutGroup(_) => 0,
            Self::Grouped { pending, .. } => pending,
        }
    }
}

#[test]
fn each_rule_measures_as_the_scaler_does() {
    let grouped = |lag, pending| Stream::Grouped { lag, pending };
    for (stream, lag, pending) in [
        (Stream::Absent, Some(0), None),
        (Stream::WithoutGroup(7), Some(7), None),
        (grouped(Some(0), 0), Some(0), Some(0)),
        (grouped(Some(3), 4), Some(3), Some(4)),
        (grouped(None, 4), Some(-1), Some(4)),
    ] {
        let value = |rule: Rule| rule.metric(stream).ok().map(|metric| metric.value);
        assert_eq!(value(Rule::Lag(16)), lag, "{stream:?}");
        assert_eq!(value(Rule::Pending(48)), pending, "{stream:?}");
    }
}

#[test]
fn a_trigger_is_active_from_one_on() {
    for (value, active) in [(-1, false), (0, false), (1, true)] {
        let metric = Metric { value, target: 16 };
        assert_eq!(metric.is_active(), active, "{value}");
    }
}

#[tokio::test]
async fn a_live_stream_is_read_as_it_is() {
    let redis = RedisServer::start().await;
    let look = async || Stream::look(&redis).await;
    assert_eq!(look().await, Stream::Absent);
    let add = async || {
        let entry: String = redis.command(&["XADD", QUEUE, "*", "a", "1"]).await;
        entry
    };
    let first = add().await;
    assert_eq!(look().await, Stream::WithoutGroup(1));
    let made = ["XGROUP", "CREATE", QUEUE, GROUP, "0"];
    let _: String = redis.command(&made).await;
    let grouped = |lag, pending| Stream::Grouped { lag, pending };
    assert_eq!(look().await, grouped(Some(1), 0), "never read");
    let read = [
        "XREADGROUP",
        "GROUP",
        GROUP,
        "w",
        "COUNT",
        "1",
        "STREAMS",
        QUEUE,
        ">",
    ];
    let _: Value = redis.command(&read).await;
    add().await;
    assert_eq!(look().await, grouped(Some(1), 1));
    let _: i64 = redis.command(&["XACK", QUEUE, GROUP, &first]).await;
    assert_eq!(look().await, grouped(Some(1), 0));
}
