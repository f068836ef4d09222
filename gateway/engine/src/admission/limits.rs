//! Settings that bound what clients may take of a gateway and its fleet.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::Args;
use prynai_bus::BusLimits;
use prynai_process::settings::byte_size;

/// Largest body taken, in bytes.
pub(crate) const BODY_LIMIT: usize = 4 * 1024 * 1024;

const REQUEST_TIMEOUT: RangeInclusive<Duration> = secs(1)..=secs(24 * 3600);
const CONNECTION_IDLE: RangeInclusive<Duration> = secs(1)..=secs(24 * 3600);
const SESSION_IDLE: RangeInclusive<Duration> = secs(1)..=secs(30 * 24 * 3600);
const STREAM_AGE: RangeInclusive<Duration> = secs(1)..=secs(24 * 3600);
const KEEP_ALIVE: RangeInclusive<Duration> = secs(1)..=secs(3600);

/// A few sessions, and a result or two.
const LEAST_KEPT: usize = 1024 * 1024;

/// What clients may take of a gateway and its fleet.
#[derive(Debug, Clone, Args)]
pub struct LimitSettings {
    /// Requests that may wait or run at the same time in the whole fleet; the same for every gateway.
    /// Beyond it clients get 503 and are asked to try again.
    #[arg(
        long,
        env = "PRYNAI_QUEUE_LIMIT",
        default_value = "100000",
        value_name = "COUNT"
    )]
    pub queue_limit: NonZeroUsize,

    /// Calls that one caller may have under way at this gateway; while the queue is filling, no more
    /// than it has room left. Beyond it the caller gets 429. A caller is whoever
    /// the token names; without tokens a session (revisions up to 2025-11-25) or an IP address
    /// (2026-07-28): behind a proxy that hides addresses, everybody.
    #[arg(
        long,
        env = "PRYNAI_CALLER_LIMIT",
        default_value = "1000",
        value_name = "COUNT"
    )]
    pub caller_limit: NonZeroUsize,

    /// Streams that one caller may hold open at this gateway to hear of changes. Beyond it the caller gets 429. Each
    /// session of a client up to 2025-11-25 holds one, as a rule; to resume the answer of a call takes none.
    #[arg(
        long,
        env = "PRYNAI_CALLER_STREAMS",
        default_value = "100",
        value_name = "COUNT"
    )]
    pub caller_streams: NonZeroUsize,

    /// Bytes that the messages of one caller's calls under way at this gateway may have together, such as 32MiB (at
    /// least 4MiB, the largest message). Beyond it the caller gets 429. Without tokens a caller is an IP address
    /// here: behind a proxy that hides addresses, everybody.
    #[arg(
        long,
        env = "PRYNAI_CALLER_BYTES",
        default_value = "32MiB",
        value_name = "SIZE",
        value_parser = byte_size
    )]
    pub caller_bytes: usize,

    /// Sessions that one caller may have in the whole fleet, unused ones included until --session-idle has passed;
    /// the same for every gateway. Beyond it the caller gets 429. A caller is as for --caller-bytes.
    #[arg(
        long,
        env = "PRYNAI_CALLER_SESSIONS",
        default_value = "10000",
        value_name = "COUNT"
    )]
    pub caller_sessions: NonZeroUsize,

    /// Bytes that may be kept for one caller in the whole fleet, in sessions, tasks, results under idempotency
    /// keys and values of tools, such as 64MiB; the same for every gateway and worker. Beyond it the caller gets 429
    /// for what would keep more. A caller is as for --caller-bytes.
    #[arg(
        long,
        env = "PRYNAI_CALLER_KEPT",
        default_value = "64MiB",
        value_name = "SIZE",
        value_parser = byte_size
    )]
    pub caller_kept: usize,

    /// Connections that this gateway holds. For one more, the one that has been idle for the longest is closed; if none
    /// is idle, the new one is.
    #[arg(
        long,
        env = "PRYNAI_MAX_CONNECTIONS",
        default_value = "20000",
        value_name = "COUNT"
    )]
    pub max_connections: NonZeroUsize,

    /// Time after which a connection is closed on which no further request came (1s to 24h). Keep it above that of
    /// what is in front, which would send requests into connections that are being closed: nginx and AWS load
    /// balancers close theirs after 60s, Envoy and Azure Container Apps after 1h.
    #[arg(long, env = "PRYNAI_CONNECTION_IDLE", default_value = "65m", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub connection_idle: Duration,

    /// Time that a request may take: when it is over, one that waits is not begun and one that runs is stopped (1s to
    /// 24h); a client may ask for less in `_meta["ai.prynai/timeoutMs"]`.
    #[arg(long, env = "PRYNAI_REQUEST_TIMEOUT", default_value = "1h", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub request_timeout: Duration,

    /// Time after which an unused session ends (1s to 30d); an open stream is use of it. The same for
    /// every gateway.
    #[arg(long, env = "PRYNAI_SESSION_IDLE", default_value = "1h", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub session_idle: Duration,

    /// Age at which event streams are ended in order, for clients to open them again (1s to 24h); some
    /// up to a fifth earlier, so that not all come back at once. Keep it below the time limit of what
    /// is in front: Azure Container Apps cuts at 240s.
    #[arg(long, env = "PRYNAI_MAX_STREAM_AGE", default_value = "200s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub max_stream_age: Duration,

    /// Silence after which a comment is sent on an event stream, so that nothing in front takes its connection for
    /// idle (1s to 1h). Keep it well below that limit: nginx and AWS load balancers cut after 60s, Azure Container
    /// Apps after 240s.
    #[arg(long, env = "PRYNAI_KEEP_ALIVE", default_value = "15s", value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub keep_alive: Duration,
}

impl LimitSettings {
    /// # Errors
    ///
    /// What cannot work, in words.
    pub fn check(&self) -> Result<(), String> {
        if self.caller_limit > self.queue_limit {
            return Err(
                "--caller-limit must not be above --queue-limit, which all callers share"
                    .to_owned(),
            );
        }
        if self.caller_bytes < BODY_LIMIT {
            return Err("--caller-bytes must be at least 4MiB, the largest message".to_owned());
        }
        if self.caller_kept < LEAST_KEPT {
            return Err("--caller-kept must be at least 1MiB".to_owned());
        }
        within("--request-timeout", self.request_timeout, REQUEST_TIMEOUT)?;
        within("--connection-idle", self.connection_idle, CONNECTION_IDLE)?;
        within("--session-idle", self.session_idle, SESSION_IDLE)?;
        within("--max-stream-age", self.max_stream_age, STREAM_AGE)?;
        within("--keep-alive", self.keep_alive, KEEP_ALIVE)
    }

    /// The bounds of the bus that are the gateways' to set.
    pub fn bus(&self) -> BusLimits {
        let limits = BusLimits::default();
        BusLimits {
            queue: self.queue_limit.get(),
            session_calls: limits.session_calls.max(self.caller_limit.get()),
            session_idle: self.session_idle,
            caller_sessions: self.caller_sessions.get(),
            caller_kept: self.caller_kept,
            ..limits
        }
    }
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn within(flag: &str, given: Duration, range: RangeInclusive<Duration>) -> Result<(), String> {
    if range.contains(&given) {
        return Ok(());
    }
    let [least, most] = [*range.start(), *range.end()].map(humantime::format_duration);
    Err(format!("{flag} must be {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        limits: LimitSettings,
    }

    #[test]
    fn connections_stay_for_longer_than_those_of_the_balancers_in_front() {
        let limits = Command::parse_from(["gateway"]).limits;
        assert!(limits.connection_idle > Duration::from_secs(3600));
    }

    #[test]
    fn streams_say_something_before_a_balancer_in_front_takes_them_for_idle() {
        let limits = Command::parse_from(["gateway"]).limits;
        assert!(limits.keep_alive < Duration::from_secs(60) / 2);
        for (given, works) in [("999ms", false), ("1s", true), ("1h", true), ("61m", false)] {
            let limits = Command::parse_from(["gateway", "--keep-alive", given]).limits;
            assert_eq!(limits.check().is_ok(), works, "{given}");
        }
    }
}
