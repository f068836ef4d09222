//! [`SignalChannel`](prynai_bus::SignalChannel): a cancel is a mark, clients' answers are kept for their worker, the
//! worker is woken, and a gateway that is gone is noticed.

mod cancels;
mod early_cancels;
mod mailbox;
mod wake_ups;

use prynai_bus::NewsReceiver;
use prynai_bus::ids::WorkerId;
use prynai_bus::wire::signal::Signal;

use crate::scene::{Scene, begun};

impl Scene {
    pub(super) async fn signals_of(&self, worker: &WorkerId) -> NewsReceiver<Signal> {
        begun(self.workers.signal_news(worker).await.expect("subscribed")).await
    }
}
