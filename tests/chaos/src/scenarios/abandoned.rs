//! Sessions that nobody ends: what they cost comes back when they fall idle.

use futures::stream::{self, StreamExt};

use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::memory;
use prynai_test_redis::assert_eventually;

/// How long an unused session lives.
const IDLE: &str = "20s";

/// Sessions opened at a time.
const AT_ONCE: usize = 32;

/// What is taken at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Keys in Redis.
    pub keys: usize,
    /// Memory of the gateway that no other process shares, in bytes.
    pub memory: usize,
}

/// What is taken before, with and after the sessions.
#[derive(Debug)]
pub struct Abandoned {
    /// After as many sessions were opened and ended in order: an allocator keeps some for itself.
    pub before: Taken,
    /// With all of them.
    pub with: Taken,
    /// When all have fallen idle.
    pub after: Taken,
}

/// Opens sessions and leaves them alone.
pub async fn run(sessions: usize) -> Abandoned {
    let mut fleet = Cluster::new()
        .gateway_args(&["--session-idle", IDLE, "--caller-sessions", "100000"])
        .start()
        .await;
    open(&fleet, sessions, true).await;
    fleet.assert_idle().await;
    let before = taken(&mut fleet).await;
    open(&fleet, sessions, false).await;
    let with = taken(&mut fleet).await;
    let keys = async || keys(&fleet).await <= before.keys;
    assert_eventually!(keys().await, "sessions stay in Redis");
    let after = taken(&mut fleet).await;
    Abandoned {
        before,
        with,
        after,
    }
}

impl Abandoned {
    /// Whether nothing is left of the sessions: not a key, and no more memory than allocators differ by.
    pub fn is_back_at_the_start(&self) -> bool {
        let tolerance = self.before.memory / 10;
        self.after.keys <= self.before.keys && self.after.memory <= self.before.memory + tolerance
    }

    /// For people.
    pub fn table(&self) -> String {
        let line = |name, taken: Taken| {
            let kib = taken.memory / 1024;
            format!(
                "{name:<8}{:>8} keys in Redis{kib:>10} KiB in the gateway",
                taken.keys
            )
        };
        [
            line("before", self.before),
            line("with", self.with),
            line("after", self.after),
        ]
        .join("\n")
    }
}

async fn open(fleet: &Cluster, sessions: usize, end: bool) {
    let url = fleet.gateway(0);
    let opened = stream::iter(0..sessions).map(|_| async {
        let session = fleet.client.open_session(&url).await;
        if end {
            fleet.client.end_session(&url, &session).await;
        }
    });
    opened.buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}

async fn taken(fleet: &mut Cluster) -> Taken {
    Taken {
        keys: keys(fleet).await,
        memory: memory(fleet.gateway_process(0).pid()),
    }
}

/// Those that have not ended: `DBSIZE` counts also what is still to be removed.
async fn keys(fleet: &Cluster) -> usize {
    let keys: Vec<String> = fleet.redis.command(&["KEYS", "*"]).await;
    keys.len()
}
