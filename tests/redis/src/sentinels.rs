//! Three Sentinels that watch a master, as processes of their own.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use redis::{FromRedisValue, Value};
use uuid::Uuid;

use crate::assert_eventually;
use crate::server::{RedisServer, free_port};

/// What they call the master.
pub const MASTER: &str = "main";

const COUNT: usize = 3;

/// They end, and their files go, when this is dropped.
pub struct Sentinels {
    ports: Vec<u16>,
    /// Where they speak TLS, if they do.
    tls_ports: Vec<u16>,
    processes: Vec<Child>,
    folder: PathBuf,
}

impl Sentinels {
    /// Watches a master and its replicas; returns when the Sentinels know each other and one replica.
    pub async fn watch(master: &RedisServer) -> Self {
        Self::watch_at(master.port(), None).await
    }

    /// The same over TLS: to the master and its replicas at their TLS ports, and between the Sentinels. The files are a
    /// certificate, its key and its authority.
    pub async fn watch_over_tls(master: u16, files: [&str; 3]) -> Self {
        Self::watch_at(master, Some(files)).await
    }

    async fn watch_at(master: u16, files: Option<[&str; 3]>) -> Self {
        let unique = Uuid::new_v4().simple();
        let folder = std::env::temp_dir().join(format!("prynai-sentinels-{unique}"));
        std::fs::create_dir(&folder).expect("a folder for Sentinels");
        let mut sentinels = Self {
            ports: Vec::new(),
            tls_ports: Vec::new(),
            processes: Vec::new(),
            folder,
        };
        for _ in 0..COUNT {
            sentinels.start(master, files);
        }
        for index in 0..COUNT {
            let knows = async || {
                let facts = sentinels.try_ask(index, &["SENTINEL", "MASTER", MASTER]);
                let facts: Vec<String> = facts.await.unwrap_or_default();
                let is = |name: &str, value: &str| {
                    facts
                        .chunks(2)
                        .any(|fact| fact[0] == name && fact[1] == value)
                };
                is("num-other-sentinels", "2") && is("num-slaves", "1") && is("flags", "master")
            };
            assert_eventually!(knows().await, "Sentinel {index} does not know all");
        }
        sentinels
    }

    /// The URL for whoever follows the master.
    pub fn url(&self) -> String {
        let (scheme, ports) = match self.tls_ports.is_empty() {
            true => ("redis+sentinel", &self.ports),
            false => ("rediss+sentinel", &self.tls_ports),
        };
        let places = ports.iter().map(|port| format!("127.0.0.1:{port}"));
        let places: Vec<_> = places.collect();
        format!("{scheme}://{}/{MASTER}", places.join(","))
    }

    /// The port of the master, as the first Sentinel that answers knows.
    pub async fn master(&self) -> u16 {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER];
        for index in 0..self.processes.len() {
            if let Ok((_, port)) = self.try_ask::<(String, u16)>(index, &question).await {
                return port;
            }
        }
        panic!("no Sentinel answers");
    }

    /// Orders a fail-over, as an operator does.
    pub async fn fail_over(&self) {
        let order = ["SENTINEL", "FAILOVER", MASTER];
        assert_eventually!(self.try_ask::<Value>(1, &order).await.is_ok());
    }

    /// Kills the Sentinel that the URL names first.
    pub fn kill_first(&mut self) {
        end(&mut self.processes[0]);
    }

    fn start(&mut self, master: u16, files: Option<[&str; 3]>) {
        let port = free_port();
        let tls = files.map_or_else(String::new, |[certificate, key, authority]| {
            let port = free_port();
            self.tls_ports.push(port);
            format!(
                "tls-port {port}\ntls-cert-file {certificate}\ntls-key-file {key}\n\
                 tls-ca-cert-file {authority}\ntls-auth-clients no\ntls-replication yes\n"
            )
        });
        let file = self.folder.join(format!("{port}.conf"));
        let settings = format!(
            "{tls}port {port}\nbind 127.0.0.1\nlogfile {folder}/{port}.log\ndir {folder}\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1000\n\
             sentinel failover-timeout {MASTER} 5000\n",
            folder = self.folder.display()
        );
        std::fs::write(&file, settings).expect("is written");
        let program = std::env::var("PRYNAI_REDIS_SERVER").unwrap_or("redis-server".to_owned());
        let process = Command::new(program)
            .arg(&file)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        self.processes.push(process.expect("redis-server runs"));
        self.ports.push(port);
    }

    async fn try_ask<T: FromRedisValue>(
        &self,
        index: usize,
        parts: &[&str],
    ) -> redis::RedisResult<T> {
        let client = redis::Client::open(format!("redis://127.0.0.1:{}", self.ports[index]))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let mut command = redis::Cmd::new();
        for part in parts {
            command.arg(part);
        }
        command.query_async(&mut connection).await
    }
}

impl Drop for Sentinels {
    fn drop(&mut self) {
        self.processes.iter_mut().for_each(end);
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn end(process: &mut Child) {
    // It may be gone already.
    let _ = process.kill();
    let _ = process.wait();
}
