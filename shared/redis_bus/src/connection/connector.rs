//! Makes connections, to the master only.
//!
//! A server that stops being the master keeps its connections open. So the first connection that notices this ends all
//! connections of the process, and each of them then asks again where the master is.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use bb8_redis::bb8::ManageConnection;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use prynai_process::outage::Alarm;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ConnectionInfo, PushInfo, PushKind, cmd};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::connection::budget::DEADLINE;
use crate::connection::driver::{self, Driver};
use crate::connection::generation::Generation;
use crate::connection::link::Link;
use crate::connection::queue_group::QueueGroup;
use crate::fault::{Fault, is_unknown_user};
use crate::server::address::{Address, Sentinels};
use crate::server::entra::{SignIn, keep_signed_in};
use crate::server::peer::Peer;
use crate::server::stream;
use crate::server::tls::Tls;

/// Calls that wait for their turn to be written to the shared connection.
const WRITE_QUEUE: usize = 1024;

/// Bytes gathered before they are written.
const WRITE_BUFFER: usize = 128 * 1024;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    address: Arc<Address>,
    tls: Tls,
    /// Without it, the address says how.
    sign_in: Option<SignIn>,
    group: Arc<QueueGroup>,
    generation: Arc<Mutex<Generation>>,
    /// Redis cannot be used as it is set up: told once for all that connect.
    unusable: Arc<Alarm>,
}

impl Connector {
    pub(crate) fn new(
        address: Address,
        tls: Tls,
        sign_in: Option<SignIn>,
        group: Arc<QueueGroup>,
    ) -> Self {
        let generation = Generation::new(group.demoted_master());
        Self {
            address: Arc::new(address),
            tls,
            sign_in,
            group,
            generation: Arc::new(Mutex::new(generation)),
            unusable: Arc::default(),
        }
    }

    /// How the consumer group is made ready.
    pub(crate) fn group(&self) -> Arc<QueueGroup> {
        self.group.clone()
    }

    /// To which the connections belong that are made now.
    pub(crate) fn generation(&self) -> Generation {
        let mut generation = self
            .generation
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if generation.has_ended() {
            *generation = Generation::new(self.group.demoted_master());
        }
        generation.clone()
    }

    /// Connects to the master.
    pub(crate) async fn link(&self) -> Result<Link, Fault> {
        self.link_with(|_| {}).await
    }

    /// Connects to the master and prepares the queue, for what puts requests into the queue or takes them out.
    pub(crate) async fn link_to_queue(&self) -> Result<Link, Fault> {
        let mut link = self.link().await?;
        self.group.prepare(&mut link).await?;
        self.unusable.clear();
        Ok(link)
    }

    /// Says why an attempt failed; what no waiting mends once until one succeeds.
    pub(crate) fn tell(&self, fault: &Fault) {
        let reason = fault.to_string();
        if matches!(fault, Fault::SetUp(_)) && self.unusable.raise() {
            tracing::error!(reason, "Redis cannot be used as it is set up; trying again");
        } else {
            tracing::debug!(reason, "Redis cannot be reached");
        }
    }

    /// Connects to the master; `on_push` gets what Redis says unasked, on the task that reads the connection.
    pub(crate) async fn link_with(
        &self,
        on_push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> Result<Link, Fault> {
        // Taken first: what is found out meanwhile ends this connection as well.
        let generation = self.generation();
        let on_push = Arc::new(on_push);
        match &*self.address {
            Address::Server(info) => self.open(info, generation, on_push).await,
            Address::Sentinels(sentinels) => self.open_master(sentinels, generation, on_push).await,
        }
    }

    /// Asks all Sentinels at once, as some may be dead or know an old state, and connects to the first server that
    /// one of them calls the master and that says so itself.
    async fn open_master(
        &self,
        sentinels: &Sentinels,
        generation: Generation,
        on_push: Arc<impl Fn(PushInfo) + Send + Sync + 'static>,
    ) -> Result<Link, Fault> {
        let asked = sentinels.servers.iter();
        let mut answers: FuturesUnordered<_> = asked
            .map(|sentinel| self.ask(sentinel, &sentinels.master))
            .collect();
        let (mut tried, mut faults) = (Vec::new(), Vec::new());
        while let Some(answer) = answers.next().await {
            let place = match answer {
                Ok(place) if tried.contains(&place) => continue,
                Ok(place) => place,
                Err(fault) => {
                    faults.push(fault);
                    continue;
                }
            };
            tried.push(place.clone());
            let info = sentinels.at(place.0, place.1);
            match self.open(&info, generation.clone(), on_push.clone()).await {
                Ok(link) => return Ok(link),
                Err(fault) => faults.push(fault),
            }
        }
        Err(together(faults))
    }

    /// Where the master is, as one Sentinel knows.
    async fn ask(&self, sentinel: &ConnectionInfo, master: &str) -> Result<(String, u16), Fault> {
        let place = format!("Sentinel {}", sentinel.addr());
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(DEADLINE));
        let (mut connection, _driver) = self.connect(&place, sentinel, config, None).await?;
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(master);
        let answer = question.query_async(&mut connection).await;
        let answer: Option<(String, u16)> = answer.map_err(|error| Fault::at(&place, &error))?;
        answer.ok_or_else(|| Fault::SetUp(format!("{place} knows no master called {master}")))
    }

    async fn open(
        &self,
        server: &ConnectionInfo,
        generation: Generation,
        on_push: Arc<impl Fn(PushInfo) + Send + Sync + 'static>,
    ) -> Result<Link, Fault> {
        let place = format!("Redis at {}", server.addr());
        let lost = generation.lost();
        let report = lost.clone();
        let config = AsyncConnectionConfig::new()
            // Every command has a deadline of its own.
            .set_response_timeout(None)
            .set_pipeline_buffer_size(WRITE_QUEUE)
            .set_write_backpressure_boundary(WRITE_BUFFER)
            .set_push_sender(move |push: PushInfo| {
                match push.kind {
                    PushKind::Disconnection => report.cancel(),
                    _ => on_push(push),
                }
                Ok::<_, redis::aio::SendError>(())
            });
        let (mut connection, driver, signed_in) = match &self.sign_in {
            None => {
                let (connection, driver) = self.connect(&place, server, config, None).await?;
                (connection, driver, None)
            }
            Some(sign_in) => {
                // Before the token is taken, so that none that comes meanwhile is missed.
                let news = sign_in.news();
                let token = sign_in.token().await?;
                let settings = server.redis_settings().clone();
                let settings = settings.set_username(&token.user);
                let settings = settings.set_password(token.secret.expose());
                let server = server.clone().set_redis_settings(settings);
                let user = Some(&*token.user);
                let (connection, driver) = self.connect(&place, &server, config, user).await?;
                let signing = keep_signed_in(connection.clone(), news, lost.clone());
                let signing = AbortOnDropHandle::new(tokio::spawn(signing));
                (connection, driver, Some(Arc::new(signing)))
            }
        };
        let greeted = timeout(DEADLINE, Peer::greet(&mut connection, &place)).await;
        let peer = greeted.map_err(|_| Fault::away(format!("{place}: no answer in time")))??;
        Ok(Link {
            connection,
            _driver: driver,
            _signed_in: signed_in,
            lost,
            generation,
            peer,
            answers: Arc::new(AtomicU64::new(0)),
        })
    }

    /// A connection on which the server knows who we are, [`DEADLINE`] after the files were read. `identity` is who we
    /// are for Entra ID, if a token says that: an administrator may still make that known to the server.
    async fn connect(
        &self,
        place: &str,
        server: &ConnectionInfo,
        config: AsyncConnectionConfig,
        identity: Option<&str>,
    ) -> Result<(MultiplexedConnection, Driver), Fault> {
        let tls = stream::tls_config(server, &self.tls).await?;
        let connected = timeout(DEADLINE, async {
            let stream = stream::open(place, server, tls).await?;
            let settings = server.redis_settings();
            let connected = MultiplexedConnection::new_with_config(settings, stream, config).await;
            let (connection, driving) = connected.map_err(|error| match identity {
                Some(identity) if is_unknown_user(&error) => Fault::away(format!(
                    "{place} does not know the identity {identity}, or not its token: give it an access policy there \
                     ({})",
                    error.code().unwrap_or_default()
                )),
                _ => Fault::at(place, &error),
            })?;
            Ok((connection, driver::start(driving)))
        });
        connected
            .await
            .unwrap_or_else(|_| Err(Fault::away(format!("{place}: no answer in time"))))
    }
}

/// What several attempts found: if none can be mended by waiting, the first of them.
fn together(faults: Vec<Fault>) -> Fault {
    let can_wait = |fault: &Fault| !matches!(fault, Fault::SetUp(_));
    let reasons: Vec<_> = faults.iter().map(Fault::to_string).collect();
    match faults.iter().any(can_wait) {
        true => Fault::Away(reasons.join("; ")),
        false => Fault::SetUp(reasons.into_iter().next().unwrap_or_default()),
    }
}

/// Differs from the manager of `bb8_redis`, which never calls a connection broken: without the test
/// at check-out it would hand out dead ones for ever.
impl ManageConnection for Connector {
    type Connection = Link;
    type Error = Fault;

    async fn connect(&self) -> Result<Link, Fault> {
        self.link().await
    }

    async fn is_valid(&self, link: &mut Link) -> Result<(), Fault> {
        Ok(cmd("PING").query_async(&mut link.connection).await?)
    }

    fn has_broken(&self, link: &mut Link) -> bool {
        link.lost.is_cancelled()
    }
}
