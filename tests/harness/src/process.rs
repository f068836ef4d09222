//! One of our own processes, and what it logs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command as AsyncCommand};
use tokio::sync::OnceCell;

use prynai_test_redis::eventually;

/// Names the folder that every process's log is written to, whether a test fails or not.
const LOGS: &str = "PRYNAI_TEST_LOGS";

static BUILT: OnceCell<()> = OnceCell::const_new();

/// A running process of ours. It is killed when this is dropped; if the test failed its log is
/// printed.
pub struct Process {
    name: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

/// What a process said and how it ended.
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Standard output and standard error.
    pub output: String,
    /// Standard output alone.
    pub stdout: String,
}

impl Process {
    /// Starts one of the workspace's binaries, building it first if need be.
    pub async fn start(binary: &str, args: &[&str]) -> Self {
        Self::start_with(binary, args, &[]).await
    }

    /// Starts one of the workspace's binaries with these variables in its environment.
    pub async fn start_with(binary: &str, args: &[&str], env: &[(String, String)]) -> Self {
        let mut child = command(binary, args)
            .await
            .envs(env.iter().map(|(name, value)| (name, value)))
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {binary}: {error}"));
        let log = Arc::default();
        read_lines(child.stdout.take().expect("is piped"), &log);
        read_lines(child.stderr.take().expect("is piped"), &log);
        Self {
            name: binary.to_owned(),
            child,
            log,
        }
    }

    /// Starts one of the workspace's binaries with these for its standard output and standard error. What it
    /// says is for whoever reads them; nothing of it is kept here.
    pub async fn start_writing_to(
        binary: &str,
        args: &[&str],
        env: &[(&str, &str)],
        [output, error]: [Stdio; 2],
    ) -> Self {
        let mut command = command(binary, args).await;
        command
            .envs(env.iter().copied())
            .stdout(output)
            .stderr(error);
        let child = command.spawn();
        Self {
            name: binary.to_owned(),
            child: child.unwrap_or_else(|error| panic!("cannot run {binary}: {error}")),
            log: Arc::default(),
        }
    }

    /// Runs a binary to its end.
    pub async fn run(binary: &str, args: &[&str]) -> Ended {
        Self::run_with(binary, args, &[]).await
    }

    /// Runs a binary with these environment variables to its end.
    pub async fn run_with(binary: &str, args: &[&str], env: &[(String, String)]) -> Ended {
        let mut command = command(binary, args).await;
        let output = command.envs(env.iter().cloned()).output().await;
        let output = output.unwrap_or_else(|error| panic!("cannot run {binary}: {error}"));
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = [output.stdout, output.stderr].concat();
        Ended {
            stdout,
            status: output.status,
            output: String::from_utf8_lossy(&text).into_owned(),
        }
    }

    /// Waits for a JSON log line with this message.
    pub async fn logged(&mut self, message: &str) -> Value {
        eventually!(
            {
                if let Ok(Some(status)) = self.child.try_wait() {
                    panic!(
                        "{} ended with {status}:\n{}",
                        self.name,
                        self.log().join("\n")
                    );
                }
                self.all_logged(message).into_iter().next()
            },
            "{} never logged {message:?}:\n{}",
            self.name,
            self.log().join("\n")
        )
    }

    /// All JSON log lines with this message until now.
    pub fn all_logged(&self, message: &str) -> Vec<Value> {
        self.log()
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|line| line["message"] == message)
            .collect()
    }

    /// Waits for the address that a gateway listens on.
    pub async fn address(&mut self) -> SocketAddr {
        let line = self.logged("listening").await;
        let address = line["address"].as_str().expect("is a string");
        address.parse().expect("is an address")
    }

    /// Waits for the address of its metrics.
    pub async fn metrics_url(&mut self) -> String {
        let line = self.logged("listening for administration").await;
        let address = line["address"].as_str().expect("is a string");
        format!("http://{address}/metrics")
    }

    /// All lines logged until now.
    pub fn log(&self) -> Vec<String> {
        self.log.lock().expect("is never poisoned").clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("runs")
    }

    /// Sends a signal, such as `-TERM` or `-STOP`.
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill").args([signal, &pid]).status();
        assert!(status.expect("kill runs").success(), "kill {signal} {pid}");
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let ended = tokio::time::timeout(prynai_test_redis::PATIENCE, self.child.wait()).await;
        let log = || self.log().join("\n");
        ended
            .unwrap_or_else(|_| panic!("{} does not end:\n{}", self.name, log()))
            .expect("can be waited for")
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        let status = self.child.try_wait().expect("can be asked");
        status.is_some()
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("is killed");
    }

    fn write_log(&self, folder: &Path) {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let file = folder.join(format!("{number:03}-{}.log", self.name));
        if let Err(error) = std::fs::write(&file, self.log().join("\n")) {
            eprintln!("{}: {error}", file.display());
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, self.log().join("\n"));
        }
        if let Some(folder) = std::env::var_os(LOGS) {
            self.write_log(&PathBuf::from(folder));
        }
    }
}

/// Memory of a process that no other shares, in bytes.
pub fn memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("runs");
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kib.expect("a number") * 1024
}

async fn command(binary: &str, args: &[&str]) -> AsyncCommand {
    let mut command = AsyncCommand::new(path_of(binary).await);
    command
        .args(args)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Where one of the workspace's binaries is, which is built first if need be.
pub(crate) async fn path_of(binary: &str) -> PathBuf {
    BUILT.get_or_init(build).await;
    folder().join(binary)
}

/// Tests use the binaries as they are in the tree, never stale ones. A binary that uses this harness was built with the
/// others, by its script.
async fn build() {
    if !is_test() {
        return;
    }
    let mut cargo = AsyncCommand::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--locked", "--workspace", "--bins"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    // Build scripts would take what cargo tells a test about its package for a change: `ring` would be compiled anew
    // here, and again by the next build.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let built = cargo.status().await.expect("cargo runs");
    assert!(built.success(), "the binaries do not build");
}

/// Where cargo puts the binaries: next to the folder of this test.
fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("a process has a path");
    let up = if is_test() { 2 } else { 1 };
    let folder = own.ancestors().nth(up).expect("lies in a folder");
    folder.to_owned()
}

/// Cargo puts tests into `deps/`.
fn is_test() -> bool {
    let own = std::env::current_exe().expect("a process has a path");
    own.parent().is_some_and(|folder| folder.ends_with("deps"))
}

fn read_lines(output: impl AsyncRead + Unpin + Send + 'static, log: &Arc<Mutex<Vec<String>>>) {
    let log = log.clone();
    tokio::spawn(async move {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            log.lock().expect("is never poisoned").push(line);
        }
    });
}
