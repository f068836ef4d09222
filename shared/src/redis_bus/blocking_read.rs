//! Waiting for queue entries, on a connection of its own: a blocked connection serves nobody else.

use std::time::Duration;

use redis::{Value, cmd};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::connection::{Connector, DEADLINE, HotConnection, Link};
use super::error::Fault;
use super::scripts::Call;

/// Time between attempts to end a read: one that comes before Redis has blocked does nothing.
const UNBLOCK_EVERY: Duration = Duration::from_millis(20);

/// The connection on which one worker waits.
#[derive(Default)]
pub(super) struct BlockingReader {
    connected: Option<Connected>,
}

struct Connected {
    link: Link,
    /// By which CLIENT UNBLOCK finds it.
    client_id: i64,
}

impl BlockingReader {
    /// Sends a call that blocks for up to `wait`. When `stop` fires Redis is told to end it, and what
    /// it had handed out by then is returned.
    pub(super) async fn run(
        &mut self,
        connector: &Connector,
        hot: &HotConnection,
        call: &Call<(Value, u64)>,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<(Value, u64), Fault> {
        let Connected { link, client_id } = self.connect(connector, hot).await?;
        let mut read = std::pin::pin!(link.run(call, Instant::now() + wait + DEADLINE));
        tokio::select! {
            biased;
            answer = &mut read => return answer,
            () = stop.cancelled() => {}
        }
        let mut unblock = cmd("CLIENT");
        unblock.arg("UNBLOCK").arg(*client_id);
        let unblock = Call::<i64>::command(unblock);
        loop {
            let attempt = async {
                // When it fails the read ends by its deadline.
                let _ = hot.run(&unblock).await;
                tokio::time::sleep(UNBLOCK_EVERY).await;
            };
            tokio::select! {
                biased;
                answer = &mut read => return answer,
                () = attempt => {}
            }
        }
    }

    /// Gives the connection up. Redis must not hand anything out on it any more: nobody would hear of it.
    pub(super) async fn abandon(&mut self, hot: &HotConnection) {
        if let Some(abandoned) = self.connected.take() {
            let mut kill = cmd("CLIENT");
            kill.arg("KILL").arg("ID").arg(abandoned.client_id);
            // It may be closed already, or this user may not: then the read ends by itself.
            let _ = hot.run(&Call::<i64>::command(kill)).await;
        }
    }

    async fn connect(
        &mut self,
        connector: &Connector,
        hot: &HotConnection,
    ) -> Result<&mut Connected, Fault> {
        let usable = self
            .connected
            .take()
            .filter(|c| !c.link.lost.is_cancelled());
        let connected = match usable {
            Some(connected) => connected,
            None => {
                let deadline = Instant::now() + DEADLINE;
                hot.wait_until_up(deadline).await?;
                let mut link = tokio::time::timeout_at(deadline, connector.link())
                    .await
                    .map_err(|_| Fault::away("no connection in time"))??;
                let mut id = cmd("CLIENT");
                id.arg("ID");
                let client_id = link.run(&Call::command(id), deadline).await?;
                Connected { link, client_id }
            }
        };
        Ok(self.connected.insert(connected))
    }
}
