//! The connection that all tasks share.

use std::time::Duration;

use prynai_process::backoff::Backoff;
use redis::FromRedisValue;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::budget::allowance;
use super::command::Command;
use super::connector::Connector;
use super::link::Link;
use super::queue_group::QueueGroup;
use crate::fault::Fault;
use crate::metrics::metrics;

/// A connection that lasted so long is replaced at once when it is lost.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// The connection that all tasks share.
pub(crate) struct HotConnection {
    state: watch::Receiver<State>,
    _keeper: DropGuard,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Link),
    /// The last attempt failed; commands do not wait for the next.
    Down(String),
}

impl HotConnection {
    /// Connects, and keeps connected until dropped.
    pub(crate) async fn connect(connector: Connector) -> Result<Self, Fault> {
        let link = connector.link_to_queue().await?;
        let (sender, state) = watch::channel(State::Up(link.clone()));
        let stop = CancellationToken::new();
        let keeper = keep_connected(connector, link, sender);
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeper));
        Ok(Self {
            state,
            _keeper: stop.drop_guard(),
        })
    }

    /// Sends a command and waits for its answer.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &Command<T>) -> Result<T, Fault> {
        let deadline = Instant::now() + allowance(command.bytes());
        let mut link = self.link(deadline).await?;
        link.run(command, deadline).await
    }

    /// The connection; fails at once when the last attempt to connect failed.
    pub(crate) async fn link(&self, deadline: Instant) -> Result<Link, Fault> {
        if let State::Up(link) = &*self.state.borrow()
            && !link.lost.is_cancelled()
        {
            return Ok(link.clone());
        }
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            State::Up(link) => !link.lost.is_cancelled(),
            State::Down(_) => true,
            State::Connecting => false,
        });
        match timeout_at(deadline, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Up(link) => Ok(link.clone()),
                State::Down(reason) => Err(Fault::away(reason)),
                State::Connecting => Err(Fault::away("connecting")),
            },
            Ok(Err(_)) => Err(Fault::away("the bus was closed")),
            Err(_) => Err(Fault::away("connecting")),
        }
    }

    /// Makes the consumer group again that was found to be gone.
    pub(crate) async fn repair(&self, group: &QueueGroup) -> Result<(), Fault> {
        group.tell(&self.run(&group.make_again()).await?);
        Ok(())
    }

    /// Waits until there is a connection, until `deadline` at most: for callers that would otherwise
    /// ask again at once.
    pub(crate) async fn wait_until_up(&self, deadline: Instant) -> Result<(), Fault> {
        let mut state = self.state.clone();
        let up = state.wait_for(|state| matches!(state, State::Up(l) if !l.lost.is_cancelled()));
        if let Ok(Ok(_)) = timeout_at(deadline, up).await {
            return Ok(());
        }
        self.link(Instant::now()).await.map(|_| ())
    }
}

/// Replaces the connection whenever it is lost.
async fn keep_connected(connector: Connector, mut link: Link, state: watch::Sender<State>) {
    let mut backoff = Backoff::endless();
    loop {
        let connected = Instant::now();
        link.lost.cancelled().await;
        drop(link);
        state.send_replace(State::Connecting);
        metrics().connections_lost.inc();
        tracing::warn!("the connection to Redis is lost; connecting again");
        // One that is cut as soon as it stands is an attempt that failed.
        if connected.elapsed() >= STABLE_AFTER {
            backoff = Backoff::endless();
        } else {
            backoff.pause().await;
        }
        link = loop {
            match connector.link_to_queue().await {
                Ok(link) => break link,
                Err(fault) => {
                    let reason = fault.to_string();
                    connector.tell(&fault);
                    state.send_replace(State::Down(reason));
                }
            }
            backoff.pause().await;
        };
        state.send_replace(State::Up(link.clone()));
        tracing::info!("connected to Redis again");
    }
}
