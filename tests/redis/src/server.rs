//! A private Redis.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Weak};

use redis::{AsyncConnectionConfig, FromRedisValue};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{PATIENCE, assert_eventually, eventually};

/// Ports tried when another process takes the chosen one first.
const PORTS_TRIED: usize = 10;

static SHARED: Mutex<Weak<RedisServer>> = Mutex::const_new(Weak::new());

/// A redis-server of our own on 127.0.0.1. It ends, and its files go, when this is dropped.
pub struct RedisServer {
    program: String,
    port: u16,
    folder: PathBuf,
    durable: bool,
    further: Vec<String>,
    process: Option<Child>,
}

impl RedisServer {
    /// A server whose data is gone when it stops.
    pub async fn start() -> Self {
        Self::start_as(false, &[]).await
    }

    /// A server with further arguments, such as those of its TLS port.
    pub async fn start_with(args: &[&str]) -> Self {
        Self::start_as(false, args).await
    }

    /// A server that writes every command to disk before it answers, so that its data survives
    /// [`RedisServer::stop`].
    pub async fn start_durable() -> Self {
        Self::start_as(true, &[]).await
    }

    /// As [`RedisServer::start_durable`], with further arguments, but of a version that has `WAITAOF` (7.2 or later).
    pub async fn start_durable_with_waitaof(args: &[&str]) -> Self {
        Self::start_of(newer_program(), true, args).await
    }

    /// A replica of another server, in step with it when this returns.
    pub async fn start_replica_of(master: &Self) -> Self {
        let replica = Self::start_as(master.durable, &[]).await;
        let port = master.port.to_string();
        let _: String = replica.command(&["REPLICAOF", "127.0.0.1", &port]).await;
        replica.follows().await;
        replica
    }

    /// Waits until this replica is in step with its master.
    pub async fn follows(&self) {
        assert_eventually!(self.is_replicated("master_link_status:up").await);
    }

    /// Hands the role of the master to one of its replicas as `FAILOVER` does it: nothing is lost, and no connection is
    /// cut. Returns when both have their new roles.
    pub async fn hand_over_to(&self, replica: &Self) {
        let port = replica.port.to_string();
        // Later than the replica says that it follows.
        assert_eventually!(self.is_replicated("state=online").await);
        let _: String = self.command(&["FAILOVER", "TO", "127.0.0.1", &port]).await;
        assert_eventually!(replica.is_replicated("role:master").await);
        assert_eventually!(self.is_replicated("role:slave").await);
    }

    /// How many connections wait until something is on its disk.
    pub async fn clients_waiting_for_disk(&self) -> usize {
        let clients: String = self.command(&["CLIENT", "LIST"]).await;
        let waits = |client: &&str| client.contains("cmd=waitaof") && client.contains("flags=b");
        clients.lines().filter(waits).count()
    }

    /// Whether it says this of its replication.
    pub async fn is_replicated(&self, fact: &str) -> bool {
        // Whoever changes its role may cut this connection.
        let facts = self.try_command::<String>(&["INFO", "replication"]).await;
        facts.is_ok_and(|facts| facts.contains(fact))
    }

    /// The one server of this test binary, for tests that keep to a [`unique_prefix`] and leave the
    /// server itself alone. It ends with the last test that uses it.
    pub async fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().await;
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start().await);
        *shared = Arc::downgrade(&server);
        server
    }

    async fn start_as(durable: bool, further: &[&str]) -> Self {
        let program = std::env::var("PRYNAI_REDIS_SERVER").unwrap_or("redis-server".to_owned());
        Self::start_of(program, durable, further).await
    }

    async fn start_of(program: String, durable: bool, further: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("prynai-redis-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder).expect("a folder for redis-server");
        let mut server = Self {
            program,
            port: 0,
            folder,
            durable,
            further: further.iter().map(|arg| (*arg).to_owned()).collect(),
            process: None,
        };
        for _ in 0..PORTS_TRIED {
            server.port = free_port();
            if server.try_restart().await {
                return server;
            }
        }
        panic!("redis-server does not start: {}", server.log());
    }

    /// The server's URL, without a password.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server: its port refuses connections when this returns.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("redis-server is killed");
            process.wait().expect("redis-server has ended");
        }
    }

    /// Starts the server again on the same port, stopping it first if it runs. Returns once it
    /// answers.
    pub async fn restart(&mut self) {
        self.stop();
        let restarted = self.try_restart().await;
        assert!(restarted, "redis-server does not restart: {}", self.log());
    }

    /// Halts the server: connections stay open and nothing answers.
    pub fn freeze(&self) {
        self.send_signal("-STOP");
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.send_signal("-CONT");
    }

    /// Runs one command, given in parts.
    pub async fn command<T: FromRedisValue>(&self, parts: &[&str]) -> T {
        let answer = self.try_command(parts).await;
        answer.unwrap_or_else(|error| panic!("{}: {error}", parts.join(" ")))
    }

    async fn try_command<T: FromRedisValue>(&self, parts: &[&str]) -> redis::RedisResult<T> {
        let client = redis::Client::open(self.url())?;
        // A server that is kept busy by a test may take longer than the library's half a second.
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&patient)
            .await?;
        let mut command = redis::Cmd::new();
        for part in parts {
            command.arg(part);
        }
        command.query_async(&mut connection).await
    }

    /// `false` when the server ended at once, as it does when its port is taken.
    async fn try_restart(&mut self) -> bool {
        self.process = Some(self.spawn());
        let answers = eventually!(
            if self.try_command::<String>(&["PING"]).await.is_ok() {
                Some(true)
            } else if self.has_ended() {
                Some(false)
            } else {
                None
            },
            "redis-server does not answer: {}",
            self.log()
        );
        // Another server may answer on a port that was taken first.
        answers && !self.has_ended()
    }

    fn spawn(&self) -> Child {
        let program = &self.program;
        let durable = if self.durable { "yes" } else { "no" };
        Command::new(program)
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args([
                "--save",
                "",
                "--appendonly",
                durable,
                "--appendfsync",
                "always",
            ])
            .args(["--maxmemory-policy", "noeviction", "--daemonize", "no"])
            .arg("--dir")
            .arg(&self.folder)
            .arg("--logfile")
            .arg(self.log_file())
            .args(&self.further)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "cannot run {program:?}: {error}. Run scripts/test, which installs \
                     redis-server when it is missing and fetches a newer one, or name the first one in \
                     PRYNAI_REDIS_SERVER."
                )
            })
    }

    fn has_ended(&mut self) -> bool {
        let status = self.process.as_mut().map(Child::try_wait);
        !matches!(status, Some(Ok(None)))
    }

    fn send_signal(&self, signal: &str) {
        let process = self.process.as_ref().expect("redis-server runs");
        let status = Command::new("kill")
            .args([signal, &process.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(status.success(), "kill {signal}: {status}");
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("redis.log")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // A panic here would hide the failure of the test; the process may be gone already.
            let _ = process.kill();
            let _ = process.wait();
        }
        remove(&self.folder);
    }
}

/// A Redis that has `WAITAOF`: that of the machine may be older.
fn newer_program() -> String {
    let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| {
        let workspace = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
        format!("{workspace}/target")
    });
    format!("{target}/newer-redis/redis-server")
}

/// A key prefix that no other test has.
pub fn unique_prefix() -> String {
    let unique = Uuid::new_v4().simple().to_string();
    format!("test-{}:", &unique[..12])
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}

fn remove(folder: &Path) {
    // What cannot be removed is left to the system's own cleaning of temporary files.
    let _ = std::fs::remove_dir_all(folder);
}
