//! Waiting until tasks are on the disk of the master, on a connection of its own: `WAITAOF` blocks it.
//!
//! One `WAITAOF` at a time speaks for all that wait. Those that come meanwhile wait for the next one.

use std::time::Duration;

use prynai_bus::BusError;
use prynai_process::backoff::Backoff;
use prynai_process::outage::Alarm;
use redis::{FromRedisValue, Value, from_redis_value, pipe};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::connection::budget::DEADLINE;
use crate::connection::command::Command;
use crate::connection::connector::Connector;
use crate::connection::link::Link;
use crate::fault::Fault;
use crate::wire::keys::Keys;

/// Tasks that wait for one `WAITAOF`, and as many more for the next one; whoever comes then is refused.
const AT_ONCE: usize = 1024;

/// How long the disk may take. With `appendfsync everysec` it is written to every second.
const PATIENCE: Duration = Duration::from_secs(5);

const NEEDED: &str =
    "--task-durability synced needs Redis 7.2 or later with an append-only file (appendonly yes)";

const NOT_WRITTEN: &str = "its append-only file was not on disk within 5 s, as --task-durability synced wants it: \
     look at its disk, and whether it has appendfsync everysec or always";

/// Who waits for the disk.
pub(crate) struct Disk {
    waiting: mpsc::Sender<Waiting>,
    _served: AbortOnDropHandle<()>,
}

struct Waiting {
    /// The log of the task.
    log: String,
    told: oneshot::Sender<Result<bool, String>>,
}

/// Asks the master, and connects again when that is needed.
struct Asking {
    connector: Connector,
    /// What is written.
    key: String,
    link: Option<Link>,
    failing: Alarm,
}

impl Disk {
    /// Behind this connector; refuses a Redis that cannot say what is on its disk.
    pub(crate) async fn behind(connector: Connector, keys: &Keys) -> Result<Self, Fault> {
        let mut asking = Asking {
            connector,
            key: keys.health(),
            link: None,
            failing: Alarm::default(),
        };
        asking.ask(&[]).await.map_err(|fault| match fault {
            Fault::Failed(error) if names_waitaof(&error) => {
                Fault::SetUp(format!("{NEEDED}; it says: {error}"))
            }
            fault => fault,
        })?;
        let (waiting, receiver) = mpsc::channel(AT_ONCE);
        Ok(Self {
            waiting,
            _served: AbortOnDropHandle::new(tokio::spawn(asking.serve(receiver))),
        })
    }

    /// Whether the log of a task is on disk; `false` if it is gone.
    pub(crate) async fn has_task(&self, log: String) -> Result<bool, BusError> {
        let (told, answer) = oneshot::channel();
        let crowd = |_| BusError::Refused("too many tasks wait for the disk of Redis".to_owned());
        self.waiting
            .try_send(Waiting { log, told })
            .map_err(crowd)?;
        match answer.await {
            Ok(answer) => answer.map_err(BusError::Unavailable),
            Err(_) => Err(BusError::Unavailable("the bus was closed".to_owned())),
        }
    }
}

impl Asking {
    async fn serve(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::with_capacity(AT_ONCE);
        while waiting.recv_many(&mut batch, AT_ONCE).await > 0 {
            batch.retain(|one: &Waiting| !one.told.is_closed());
            if batch.is_empty() {
                continue;
            }
            let logs: Vec<_> = batch.iter().map(|one| one.log.as_str()).collect();
            match self.ask_again(&logs).await {
                Ok(there) => {
                    if self.failing.clear() {
                        tracing::info!(
                            "tasks are on the disk of Redis again before their clients are told"
                        );
                    }
                    for (one, there) in batch.drain(..).zip(there) {
                        // Its client may be gone.
                        let _ = one.told.send(Ok(there));
                    }
                }
                Err(fault) => {
                    let reason = fault.to_string();
                    if self.failing.raise() {
                        tracing::error!(
                            reason,
                            "Redis does not say that tasks are on its disk; new ones are cancelled, and their clients get an error"
                        );
                    }
                    for one in batch.drain(..) {
                        let _ = one.told.send(Err(reason.clone()));
                    }
                }
            }
        }
    }

    /// Asks again when a connection was lost, as long as somebody who waits has patience.
    async fn ask_again(&mut self, logs: &[&str]) -> Result<Vec<bool>, Fault> {
        let mut backoff = Backoff::for_at_most(PATIENCE);
        loop {
            let answer = self.ask(logs).await;
            let is_lost = matches!(&answer, Err(fault) if fault.is_unanswered());
            if !is_lost || !backoff.pause().await {
                return answer;
            }
        }
    }

    /// Whether each of these logs is that of a task, once all that was written so far is on disk.
    async fn ask(&mut self, logs: &[&str]) -> Result<Vec<bool>, Fault> {
        let mut link = self.link().await?;
        let mut steps = pipe();
        // WAITAOF speaks of what its own connection has written, and thereby of all that was written before that.
        steps.cmd("SET").arg(&self.key).arg("1").arg("EX").arg(60);
        let patience = PATIENCE.as_millis().to_string();
        steps.cmd("WAITAOF").arg(1).arg(0).arg(patience);
        for log in logs {
            // A fail-over may have lost it before it came to this master.
            steps.cmd("HEXISTS").arg(log).arg("task");
        }
        let deadline = Instant::now() + PATIENCE + DEADLINE;
        let answers = link
            .run(&Command::<Vec<Value>>::pipeline(steps), deadline)
            .await;
        if !matches!(&answers, Err(fault) if fault.is_unanswered()) {
            self.link = Some(link);
        }
        let answers = answers?;
        let [_, on_disk, there @ ..] = &answers[..] else {
            return Err(Fault::away("Redis did not answer whole"));
        };
        let (synced, _): (u64, u64) = read(on_disk)?;
        if synced == 0 {
            return Err(Fault::away(NOT_WRITTEN));
        }
        there.iter().map(read).collect()
    }

    /// A connection that is not known to be lost.
    async fn link(&mut self) -> Result<Link, Fault> {
        match self.link.take().filter(|link| !link.lost.is_cancelled()) {
            Some(link) => Ok(link),
            None => timeout(DEADLINE, self.connector.link())
                .await
                .map_err(|_| Fault::away("no connection in time"))?,
        }
    }
}

fn read<T: FromRedisValue>(value: &Value) -> Result<T, Fault> {
    from_redis_value(value.clone()).map_err(|_| Fault::away("Redis did not answer whole"))
}

/// Whether Redis does not know the command, or has no append-only file.
fn names_waitaof(error: &redis::RedisError) -> bool {
    error.to_string().contains("WAITAOF") && !error.to_string().contains("NOPERM")
}
