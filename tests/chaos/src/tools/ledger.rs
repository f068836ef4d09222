//! The ledger: what the handlers did, line by line, over a Unix socket to the harness.
//!
//! What a worker has written is read even if it is killed the moment after: the socket keeps it.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use prynai_test_redis::assert_eventually;

/// The environment variable that tells a worker where the ledger is.
pub const LEDGER: &str = "PRYNAI_CHAOS_LEDGER";

/// One run of a call: the process that ran it, and which of its runs it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Run {
    /// The worker's process id.
    pub pid: u32,
    number: u32,
}

/// What a handler did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It began.
    Begun,
    /// Its side effect took place.
    Effect,
    /// It returned its result.
    Done,
    /// It was cancelled.
    Cancelled,
}

/// One line of the ledger.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Which run.
    pub run: Run,
    /// What it did.
    pub deed: Deed,
    /// When the ledger heard of it.
    pub at: Instant,
}

/// All that happened to the calls, by their numbers.
pub type Deeds = HashMap<u64, Vec<Entry>>;

/// The ledger, kept by the harness.
pub struct Ledger {
    path: PathBuf,
    deeds: Arc<Mutex<Deeds>>,
    writers: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

/// What a worker writes into the ledger with.
#[derive(Debug)]
pub struct Pen {
    socket: Mutex<BlockingStream>,
    runs: AtomicU32,
}

// === impl Ledger ===

impl Ledger {
    /// Opens an empty one.
    pub fn open() -> Self {
        let name = format!("prynai-ledger-{}", Uuid::new_v4().simple());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).expect("a socket for the ledger");
        let (deeds, writers) = (Arc::default(), Arc::default());
        let accepting = tokio::spawn(accept(listener, Arc::clone(&deeds), Arc::clone(&writers)));
        Self {
            path,
            deeds,
            writers,
            accepting,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many runs were begun until now.
    pub fn begun(&self) -> usize {
        let deeds = self.deeds.lock().expect("is never poisoned");
        let entries = deeds.values().flatten();
        entries.filter(|entry| entry.deed == Deed::Begun).count()
    }

    /// Everything in it, once all workers have ended.
    pub async fn close(self) -> Deeds {
        assert_eventually!(
            self.writers.load(Ordering::Acquire) == 0,
            "a worker still writes into the ledger"
        );
        std::mem::take(&mut *self.deeds.lock().expect("is never poisoned"))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.accepting.abort();
        // What cannot be removed is left to the system's own cleaning of temporary files.
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn accept(listener: UnixListener, deeds: Arc<Mutex<Deeds>>, writers: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        writers.fetch_add(1, Ordering::AcqRel);
        let (deeds, writers) = (Arc::clone(&deeds), Arc::clone(&writers));
        tokio::spawn(async move {
            read(stream, &deeds).await;
            writers.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

async fn read(stream: UnixStream, deeds: &Mutex<Deeds>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let (call, entry) = parse(&line).unwrap_or_else(|| panic!("in the ledger: {line:?}"));
        let mut deeds = deeds.lock().expect("is never poisoned");
        deeds.entry(call).or_default().push(entry);
    }
}

fn parse(line: &str) -> Option<(u64, Entry)> {
    let mut words = line.split(' ');
    let call = words.next()?.parse().ok()?;
    let run = words.next()?.parse().ok()?;
    let deed = match words.next()? {
        "begun" => Deed::Begun,
        "effect" => Deed::Effect,
        "done" => Deed::Done,
        "cancelled" => Deed::Cancelled,
        _ => return None,
    };
    let at = Instant::now();
    Some((call, Entry { run, deed, at }))
}

// === impl Pen ===

impl Pen {
    /// The pen of this process, from its environment.
    ///
    /// # Errors
    ///
    /// When no ledger is named, or nobody keeps it.
    pub fn from_environment() -> anyhow::Result<Self> {
        let path = std::env::var_os(LEDGER)
            .ok_or_else(|| anyhow::anyhow!("{LEDGER} names no ledger to write into"))?;
        Ok(Self {
            socket: Mutex::new(BlockingStream::connect(path)?),
            runs: AtomicU32::default(),
        })
    }

    /// A name for the next run of this process.
    pub fn next_run(&self) -> Run {
        Run {
            pid: std::process::id(),
            number: self.runs.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// Writes a line. A harness that is gone needs none.
    pub fn write(&self, call: u64, run: Run, deed: Deed) {
        let line = format!("{call} {run} {deed}\n");
        let mut socket = self.socket.lock().expect("is never poisoned");
        let _ = socket.write_all(line.as_bytes());
    }
}

// === impl Run, Deed ===

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.number)
    }
}

impl FromStr for Run {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, number) = text.split_once('-').ok_or(())?;
        Ok(Self {
            pid: pid.parse().map_err(drop)?,
            number: number.parse().map_err(drop)?,
        })
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Begun => "begun",
            Self::Effect => "effect",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
        })
    }
}
