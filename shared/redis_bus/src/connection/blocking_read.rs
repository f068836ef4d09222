//! Waiting for queue entries, on a connection of its own: a blocked connection serves nobody else.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::connection::budget::DEADLINE;
use crate::connection::command::Command;
use crate::connection::connector::Connector;
use crate::connection::hot::HotConnection;
use crate::connection::link::Link;
use crate::fault::Fault;

/// Time between attempts to end a read: one that comes before Redis has blocked does nothing.
const UNBLOCK_EVERY: Duration = Duration::from_millis(20);

/// The connection on which one worker waits.
#[derive(Default)]
pub(crate) struct BlockingReader {
    connected: Option<Link>,
}

impl BlockingReader {
    /// Sends a command that blocks for up to `wait`. When `stop` fires Redis is told to end it, and what
    /// it had handed out by then is returned.
    pub(crate) async fn run(
        &mut self,
        connector: &Connector,
        hot: &HotConnection,
        command: &Command<(Value, u64)>,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<(Value, u64), Fault> {
        let link = self.connect(connector, hot).await?;
        let (client_id, lost) = (link.peer.client_id, link.lost.clone());
        let mut read = std::pin::pin!(link.run(command, Instant::now() + wait + DEADLINE));
        tokio::select! {
            biased;
            answer = &mut read => return answer,
            () = lost.cancelled() => return Err(Fault::away("the connection is lost")),
            () = stop.cancelled() => {}
        }
        // When it cannot be ended it ends by itself after `wait`.
        let Some(client_id) = client_id else {
            return read.await;
        };
        let mut unblock = cmd("CLIENT");
        unblock.arg("UNBLOCK").arg(client_id);
        let unblock = Command::<i64>::single(unblock);
        loop {
            let attempt = async {
                let answer = hot.run(&unblock).await;
                tokio::time::sleep(UNBLOCK_EVERY).await;
                answer
            };
            tokio::select! {
                biased;
                answer = &mut read => return answer,
                attempted = attempt => if matches!(attempted, Err(Fault::Failed(_))) {
                    return read.await;
                }
            }
        }
    }

    /// Gives the connection up. Redis must not hand anything out on it any more: nobody would hear of it.
    pub(crate) async fn abandon(&mut self, hot: &HotConnection) {
        let Some(abandoned) = self.connected.take() else {
            return;
        };
        // With another server the number is another connection's.
        let is_same_server = !abandoned.generation.has_ended();
        if let (Some(id), true) = (abandoned.peer.client_id, is_same_server) {
            let mut kill = cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(id);
            // It may be closed already, or this user may not: then the read ends by itself.
            let _ = hot.run(&Command::<i64>::single(kill)).await;
        }
    }

    async fn connect(
        &mut self,
        connector: &Connector,
        hot: &HotConnection,
    ) -> Result<&mut Link, Fault> {
        let usable = self.connected.take().filter(|l| !l.lost.is_cancelled());
        let link = match usable {
            Some(link) => link,
            None => {
                let deadline = Instant::now() + DEADLINE;
                hot.wait_until_up(deadline).await?;
                tokio::time::timeout_at(deadline, connector.link_to_queue())
                    .await
                    .map_err(|_| Fault::away("no connection in time"))??
            }
        };
        Ok(self.connected.insert(link))
    }
}
