//! [`Operations`] and [`Repairs`] on Redis: what operators see and change, over a
//! connection of its own. It makes nothing that is not there: neither the consumer group nor a note of which Redis this
//! is. A user who may only read can see everything (`docs/security.md`); only `repairs` writes.
//!
//! It imports nothing of the ports: what gateways and workers do is not done here.

use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use prynai_bus::BusError;
use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{
    AuditFrom, AuditSight, CallName, CallSight, Diagnosis, EntryPage, EventSight, GatewaySight,
    Operations, Overview, Place, Repairs, SessionPage, Shelf, TaskPage, TaskPlace, WorkerSight,
};
use redis::FromRedisValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::connection::budget::allowance;
use crate::connection::command::Command;
use crate::connection::connector::Connector;
use crate::connection::link::Link;
use crate::connection::queue_group::QueueGroup;
use crate::fault::Fault;
use crate::server::entra::SignIn;
use crate::server::tls::Tls;
use crate::settings::RedisSettings;
use crate::wire::keys::Keys;
use crate::wire::sealing::TaskKeys;
use crate::wire::signature::EnvelopeKeys;

mod audit;
mod call;
mod diagnosis;
mod entries;
mod overview;
mod processes;
mod repairs;
mod sessions;
mod tasks;

/// A connection of operators that is about to be there.
pub type Connecting = BoxFuture<'static, Result<Arc<dyn Repairs>, BusError>>;

/// What operators see of the fleet on a Redis.
pub struct RedisOperations {
    keys: Keys,
    prefix: String,
    /// Where Redis is, without passwords.
    place: String,
    /// With which a replayed request is signed.
    envelope_keys: EnvelopeKeys,
    /// With which it is sealed.
    task_keys: TaskKeys,
    connector: Connector,
    /// The connection, once there is one.
    link: Mutex<Option<Link>>,
}

impl RedisOperations {
    /// Connects as it is set.
    ///
    /// # Errors
    ///
    /// [`BusError::Unavailable`] within a second or two when Redis cannot be reached, five more when no token for it
    /// can be had, and [`BusError::Unusable`] when no waiting can mend what is wrong.
    pub async fn connect(settings: &RedisSettings) -> Result<Self, BusError> {
        let prefix = settings.keys.key_prefix.clone();
        let keys = Keys::new(&prefix);
        let group = Arc::new(QueueGroup::new(keys.clone()));
        let address = settings.redis_url.address().clone();
        let sign_in = SignIn::start(&settings.sign_in).map_err(BusError::Unusable)?;
        let connector = Connector::new(address, Tls::new(&settings.tls), sign_in, group);
        let link = connector.link().await.map_err(Fault::at_start)?;
        let envelope_keys = settings.envelope.keys().map_err(BusError::Unusable)?;
        let task_keys = settings.envelope.task_keys().map_err(BusError::Unusable)?;
        Ok(Self {
            envelope_keys,
            task_keys,
            keys,
            prefix,
            place: settings.redis_url.to_string(),
            connector,
            link: Mutex::new(Some(link)),
        })
    }

    /// What connects as it is set, whenever it is called.
    pub fn connecting(settings: RedisSettings) -> Box<dyn Fn() -> Connecting + Send + Sync> {
        let settings = Arc::new(settings);
        Box::new(move || {
            let settings = Arc::clone(&settings);
            Box::pin(async move {
                let operations = Self::connect(&settings).await?;
                Ok(Arc::new(operations) as Arc<dyn Repairs>)
            })
        })
    }

    /// Sends a command and waits for its answer; connects again if the connection is lost.
    async fn run<T: FromRedisValue>(&self, command: &Command<T>) -> Result<T, Fault> {
        let mut link = self.link().await?;
        let deadline = Instant::now() + allowance(command.bytes());
        link.run(command, deadline).await
    }

    /// As [`RedisOperations::run`], but what is not there, or may not be asked, is `None`.
    async fn run_if_there<T: FromRedisValue>(
        &self,
        command: &Command<T>,
    ) -> Result<Option<T>, Fault> {
        match self.run(command).await {
            Ok(answer) => Ok(Some(answer)),
            Err(fault) if fault.is_group_gone() || fault.is_key_absent() => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn link(&self) -> Result<Link, Fault> {
        let mut kept = self.link.lock().await;
        if let Some(link) = &*kept
            && !link.lost.is_cancelled()
        {
            return Ok(link.clone());
        }
        let link = self.connector.link().await?;
        *kept = Some(link.clone());
        Ok(link)
    }
}

#[async_trait]
impl Operations for RedisOperations {
    async fn place(&self) -> Result<Place, BusError> {
        self.read_place().await.map_err(Fault::at_start)
    }

    async fn overview(&self) -> Result<Overview, BusError> {
        self.read_overview().await.map_err(Fault::at_start)
    }

    async fn diagnosis(&self) -> Result<Diagnosis, BusError> {
        self.read_diagnosis().await.map_err(Fault::at_start)
    }

    async fn workers(&self) -> Result<Vec<WorkerSight>, BusError> {
        self.read_workers().await.map_err(Fault::at_start)
    }

    async fn gateways(&self) -> Result<Vec<GatewaySight>, BusError> {
        self.read_gateways().await.map_err(Fault::at_start)
    }

    async fn entries(
        &self,
        shelf: Shelf,
        after: Option<&EntryId>,
        of: Option<&CallName>,
    ) -> Result<EntryPage, BusError> {
        self.read_entries(shelf, after, of)
            .await
            .map_err(Fault::at_start)
    }

    async fn sessions(&self, after: u64) -> Result<SessionPage, BusError> {
        self.read_sessions(after).await.map_err(Fault::at_start)
    }

    async fn tasks(&self, after: Option<&TaskPlace>) -> Result<TaskPage, BusError> {
        self.read_tasks(after).await.map_err(Fault::at_start)
    }

    async fn task_message(&self, task: &StreamId) -> Result<Option<String>, BusError> {
        self.read_task_message(task).await.map_err(Fault::at_start)
    }

    async fn audit(&self, from: AuditFrom<'_>) -> Result<Vec<AuditSight>, BusError> {
        self.read_audit(from).await.map_err(Fault::at_start)
    }

    async fn call(&self, name: &CallName) -> Result<Option<CallSight>, BusError> {
        self.read_call(name).await.map_err(Fault::at_start)
    }

    async fn events(
        &self,
        stream: &StreamId,
        after: u64,
        messages: bool,
    ) -> Result<Vec<EventSight>, BusError> {
        self.read_events(stream, after, messages)
            .await
            .map_err(Fault::at_start)
    }
}

/// Text of Redis, which may hold anything.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
