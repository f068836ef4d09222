//! A screen that is drawn again and again.

use prynai_bus::operations::{Operations, Place};
use prynai_operations::look::queue::Queue;
use prynai_operations::look::status::{self, Status};
use serde::Serialize;

use super::{Failed, Shown, queue};
use crate::settings::QueueFilter;

/// How the fleet is, with the oldest requests.
#[derive(Debug, Serialize)]
pub struct Top {
    /// How the fleet is.
    pub status: Status,
    /// The oldest requests that are asked for.
    pub queue: Queue,
}

pub(crate) async fn read(
    operations: &dyn Operations,
    place: Place,
    filter: &QueueFilter,
) -> Result<Top, Failed> {
    Ok(Top {
        status: status::read(operations, place).await?,
        queue: queue::read(operations, filter).await?,
    })
}

impl Shown for Top {
    fn words(&self, width: Option<usize>) -> String {
        let (status, queue) = (self.status.words(width), self.queue.words(width));
        format!("{status}\n{queue}")
    }
}
