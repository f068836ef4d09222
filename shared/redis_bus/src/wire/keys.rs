//! Every key and channel name.
//!
//! The braces are the hash tag of a clustered Redis: keys with one tag lie on one node, and one
//! script uses keys of one tag only.

use prynai_bus::ids::{EntryId, GatewayId, OperationId, SessionId, StreamId, WorkerId};
use prynai_bus::operations::Shelf;
use prynai_bus::wire::principal::Share;
use prynai_bus::{Bucket, StateScope};

/// The consumer group of the workers.
pub(crate) const GROUP: &str = "workers";

/// The consumer that has what a lost group had handed out.
pub(crate) const NOBODY: &str = "nobody";

/// Spells keys and channels under one prefix.
#[derive(Clone)]
pub(crate) struct Keys {
    /// The one partition there is today: the queue with the logs of its requests, and the sessions that make them.
    partition: String,
    feed: String,
    prefix: String,
}

/// Where a value of the tool author lies.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StatePlace<'a> {
    /// Under a key of its own (string).
    Alone(String),
    /// Among the others of its session, [`Keys::session_state`].
    OfSession(&'a SessionId),
}

/// What follows the prefix in the keys of the partition.
const PARTITION: &str = "{main.0}:";

/// What follows that in the key of [`Keys::group_made`].
const GROUP_MADE: &str = "group";

/// What the key of a log has before its stream.
const LOG: &str = "log:";

impl Keys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            partition: format!("{prefix}{PARTITION}"),
            feed: format!("{prefix}{{feed}}:"),
            prefix: prefix.to_owned(),
        }
    }

    // Partition

    /// Requests on their way (stream).
    pub(crate) fn queue(&self) -> String {
        format!("{}requests", self.partition)
    }

    /// Exists once there was a consumer group (string).
    pub(crate) fn group_made(&self) -> String {
        format!("{}{GROUP_MADE}", self.partition)
    }

    /// The keys [`Keys::group_made`] of the fleets under all prefixes, as a pattern of `SCAN`.
    pub(crate) fn all_fleets() -> String {
        format!("*{PARTITION}{GROUP_MADE}")
    }

    /// The prefix of a fleet that [`Keys::all_fleets`] found.
    pub(crate) fn prefix_of(key: &str) -> Option<&str> {
        key.strip_suffix(GROUP_MADE)?.strip_suffix(PARTITION)
    }

    /// How long the leases of each worker last, in milliseconds (hash).
    pub(crate) fn leases(&self) -> String {
        format!("{}leases", self.partition)
    }

    /// Says that this worker drains (string).
    pub(crate) fn draining(&self, worker: &WorkerId) -> String {
        format!("{}draining:{worker}", self.partition)
    }

    /// When a worker last looked for lost requests, in Unix milliseconds (string).
    pub(crate) fn looked(&self) -> String {
        format!("{}looked", self.partition)
    }

    /// When no worker was answered, from and to, in Unix milliseconds (list, newest first).
    pub(crate) fn silences(&self) -> String {
        format!("{}silences", self.partition)
    }

    /// The replication id of the Redis that this was written to last (string).
    pub(crate) fn history(&self) -> String {
        format!("{}history", self.partition)
    }

    /// Written to find out whether Redis takes writes (string).
    pub(crate) fn health(&self) -> String {
        format!("{}health", self.partition)
    }

    /// Entries that could not be served (stream).
    pub(crate) fn dead_letters(&self) -> String {
        format!("{}dead", self.partition)
    }

    /// What callers did, and what was refused to them (stream).
    pub(crate) fn audit(&self) -> String {
        format!("{}audit", self.partition)
    }

    /// When a bucket of tokens is full again, Unix microseconds (string).
    pub(crate) fn bucket(&self, bucket: &Bucket) -> String {
        format!("{}limit:{}", self.partition, bucket.name)
    }

    /// What is written once (string).
    pub(crate) fn once(&self, name: &str) -> String {
        format!("{}once:{name}", self.partition)
    }

    /// A sealed token for another API (string).
    pub(crate) fn downstream(&self, name: &str) -> String {
        format!("{}downstream:{name}", self.partition)
    }

    /// Where entries lie that operators look at (stream).
    pub(crate) fn shelf(&self, shelf: Shelf) -> String {
        match shelf {
            Shelf::Queue => self.queue(),
            Shelf::DeadLetters => self.dead_letters(),
        }
    }

    /// Exists when an entry was noted as dead (string).
    pub(crate) fn noted(&self, entry: &EntryId) -> String {
        format!("{}noted:{entry}", self.partition)
    }

    /// The entries that the last reclaim of a worker gave it (list).
    pub(crate) fn reclaimed(&self, worker: &WorkerId) -> String {
        format!("{}reclaimed:{worker}", self.partition)
    }

    /// How often an entry of a newer release came to a worker that cannot read it (string).
    pub(crate) fn deliveries_unread(&self, entry: &EntryId) -> String {
        format!("{}unread:{entry}", self.partition)
    }

    /// Streams of requests that were cancelled before they ended, or before they came (sorted set, by
    /// time).
    pub(crate) fn cancelled(&self) -> String {
        format!("{}cancelled", self.partition)
    }

    /// Streams with a log that has no final event yet (sorted set, by time of the log's making).
    pub(crate) fn unfinished(&self) -> String {
        format!("{}unfinished", self.partition)
    }

    /// The tasks that can be asked for, by when they make room for others (sorted set).
    pub(crate) fn tasks(&self) -> String {
        format!("{}tasks", self.partition)
    }

    /// Those of one share.
    pub(crate) fn tasks_of(&self, share: &Share) -> String {
        format!("{}tasks:{}", self.partition, escaped(share.as_str()))
    }

    /// The tasks that wait for their clients, by when they have waited for as long as they may (sorted set).
    pub(crate) fn asking(&self) -> String {
        format!("{}asking", self.partition)
    }

    /// The log of a stream (hash).
    pub(crate) fn log(&self, stream: &StreamId) -> String {
        self.of_stream(LOG, stream)
    }

    /// The stream of a log's name. The channel of a task has the name of its log.
    pub(crate) fn stream_of_log(&self, name: &str) -> Option<StreamId> {
        let rest = name.strip_prefix(&self.partition)?;
        rest.strip_prefix(LOG)?.parse().ok()
    }

    /// Messages of the client for a call (list).
    pub(crate) fn mailbox(&self, stream: &StreamId) -> String {
        self.of_stream("mail:", stream)
    }

    fn of_stream(&self, what: &str, stream: &StreamId) -> String {
        const DIGITS: usize = 32;
        let mut key = String::with_capacity(self.partition.len() + what.len() + DIGITS);
        key.push_str(&self.partition);
        key.push_str(what);
        key.push_str(stream.digits(&mut [0; DIGITS]));
        key
    }

    /// A session (hash).
    pub(crate) fn session(&self, id: &SessionId) -> String {
        self.session_named(id.as_str())
    }

    /// A session that ended and whose calls may still run (hash).
    pub(crate) fn ended_session(&self, id: &SessionId) -> String {
        format!("{}ended:{id}", self.partition)
    }

    /// The tool author's values that end with a session (hash).
    pub(crate) fn session_state(&self, id: &SessionId) -> String {
        format!("{}state:{id}", self.partition)
    }

    /// The sessions, by when they end if they are not touched (sorted set).
    pub(crate) fn sessions(&self) -> String {
        format!("{}sessions", self.partition)
    }

    /// The calls of all sessions that wait or run, as [`lines::call`](super::lines::call) writes them (sorted set, all
    /// of one score, so by session).
    pub(crate) fn calls(&self) -> String {
        format!("{}calls", self.partition)
    }

    /// The keys of all sessions, as a pattern of `SCAN`.
    pub(crate) fn all_sessions(&self) -> String {
        format!("{}*", self.session_named(""))
    }

    /// The session of a key that [`Keys::all_sessions`] found.
    pub(crate) fn session_of<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.session_named(""))
    }

    /// The session of this name (hash).
    pub(crate) fn session_named(&self, id: &str) -> String {
        format!("{}session:{id}", self.partition)
    }

    /// Exists for as long as a gateway lives, and tells its version (string).
    pub(crate) fn gateway_life(&self, gateway: &GatewayId) -> String {
        format!("{}alive:{gateway}", self.partition)
    }

    /// When each gateway last said that it lives, in Unix milliseconds (sorted set). For operators: whether one lives,
    /// [`Keys::gateway_life`] says.
    pub(crate) fn gateways(&self) -> String {
        format!("{}gateways", self.partition)
    }

    /// What the channel of every gateway begins with; its id follows.
    pub(crate) fn gateway_channels(&self) -> String {
        format!("{}gateway:", self.partition)
    }

    /// The channel of a gateway.
    pub(crate) fn gateway_channel(&self, gateway: &str) -> String {
        format!("{}{gateway}", self.gateway_channels())
    }

    /// The channel of a worker.
    pub(crate) fn worker_channel(&self, worker: &str) -> String {
        format!("{}{worker}", self.worker_channels())
    }

    /// What the channel of every worker begins with; its id follows.
    pub(crate) fn worker_channels(&self) -> String {
        format!("{}worker:", self.partition)
    }

    // Change feed, and the catalog, whose changes it carries

    /// The changes (stream).
    pub(crate) fn feed(&self) -> String {
        format!("{}changes", self.feed)
    }

    /// The name of this life of the feed (string).
    pub(crate) fn feed_epoch(&self) -> String {
        format!("{}epoch", self.feed)
    }

    /// The channel of all changes.
    pub(crate) fn feed_channel(&self) -> String {
        format!("{}news", self.feed)
    }

    /// What the workers serve (string).
    pub(crate) fn catalog(&self) -> String {
        format!("{}catalog", self.feed)
    }

    // State

    /// Where a value of the tool author lies.
    pub(crate) fn state<'a>(&self, scope: &'a StateScope, key: &str) -> StatePlace<'a> {
        if let StateScope::Session(id) = scope {
            return StatePlace::OfSession(id);
        }
        let place = self.state_place(scope);
        StatePlace::Alone(format!("{place}state:{key}"))
    }

    /// What an operation on the values of a scope answered (string).
    pub(crate) fn answered(&self, scope: &StateScope, operation: &OperationId) -> String {
        format!("{}answered:{operation}", self.state_place(scope))
    }

    /// What the keys of a scope begin with.
    fn state_place(&self, scope: &StateScope) -> String {
        let tag = match scope {
            StateScope::Global => "global".to_owned(),
            StateScope::Principal(subject) => format!("p.{}", escaped(subject)),
            StateScope::Session(_) => return self.partition.clone(),
        };
        format!("{}{{{tag}}}:", self.prefix)
    }

    /// What is known of the calls under one idempotency key (hash).
    pub(crate) fn outcome(&self, record: &str) -> String {
        format!("{}{{i.{record}}}:outcome", self.prefix)
    }

    // What is kept for each caller

    /// When what is kept for a share ends (sorted set).
    pub(crate) fn kept_ends(&self, share: &Share) -> String {
        format!("{}{{k.{}}}:kept-ends", self.prefix, escaped(share.as_str()))
    }

    /// How large it is (hash).
    pub(crate) fn kept_bytes(&self, share: &Share) -> String {
        format!(
            "{}{{k.{}}}:kept-bytes",
            self.prefix,
            escaped(share.as_str())
        )
    }

    // Subscriptions

    /// The channel through which one subscription finds out that it hears.
    pub(crate) fn probe_channel(&self, subscription: &str) -> String {
        format!("{}probe:{subscription}", self.prefix)
    }
}

/// A subject is any text; a brace in it would end the hash tag, and scopes could meet.
fn escaped(subject: &str) -> String {
    subject.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'@' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_tag_is_visible() {
        let keys = Keys::new("prynai:");
        assert_eq!(keys.queue(), "prynai:{main.0}:requests");
        let stream = StreamId::generate();
        assert_eq!(keys.log(&stream), format!("prynai:{{main.0}}:log:{stream}"));
        assert_eq!(keys.stream_of_log(&keys.log(&stream)), Some(stream));
        assert_eq!(keys.stream_of_log(&keys.mailbox(&stream)), None);
    }

    #[test]
    fn scopes_never_meet() {
        let keys = Keys::new("");
        let hostile = StateScope::Principal("a}:state:x".to_owned());
        let other = StateScope::Principal("a".to_owned());
        let key = "{p.a%7D%3Astate%3Ax}:state:k".to_owned();
        assert_eq!(keys.state(&hostile, "k"), StatePlace::Alone(key));
        assert_ne!(keys.state(&hostile, "k"), keys.state(&other, "x}:state:k"));
        assert_ne!(
            keys.state(&StateScope::Principal("global".to_owned()), "k"),
            keys.state(&StateScope::Global, "k"),
        );
    }
}
