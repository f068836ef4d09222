//! [`TaskStore`](prynai_bus::TaskStore): calls that have become tasks.

mod ends;
pub(crate) mod listening;
mod promotions;
pub(crate) mod questions;
mod shares;
pub(crate) mod stuck;

use std::time::Duration;

use prynai_bus::Ownership;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::task::{Promotion, TaskBirth, TaskSight};

use crate::scene::{Scene, json};

/// Whose tasks the cases make.
pub(crate) const OWNER: &str = "user:1";

const HOUR: Duration = Duration::from_secs(3600);

/// When they are made, in Unix milliseconds.
const BORN_MS: u64 = 1_785_000_000_000;

/// What makes a task of a call, with the response at this offset.
pub(crate) fn promotion(owner: &Ownership, offset: u64) -> Promotion {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task"}}"#;
    Promotion {
        principal: OWNER.to_owned(),
        share: Principal::named(OWNER).share(),
        birth: TaskBirth::new(BORN_MS, Duration::from_secs(2)),
        ttl: HOUR,
        kept: HOUR,
        event: StreamEvent::new(owner.stream, offset, EventKind::Task, json(text)),
    }
}

impl Scene {
    /// Makes a task of a call and expects that this is done.
    pub(crate) async fn promote(&self, owner: &Ownership, offset: u64) -> StreamEvent {
        let promotion = promotion(owner, offset);
        let promoted = self.workers.promote(owner, &promotion).await;
        assert_eq!(promoted.expect("promoted"), Ok(()), "offset {offset}");
        promotion.event
    }

    /// The task, as its owner sees it.
    pub(crate) async fn task(&self, stream: StreamId) -> Option<TaskSight> {
        self.gateways.task(&stream, OWNER).await.expect("seen")
    }
}
