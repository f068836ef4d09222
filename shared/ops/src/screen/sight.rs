//! What is read for one screen.

use prynai_bus::operations::{CallName, Operations};
use prynai_operations::look::call::{Call, read as read_call};
use prynai_operations::look::letters::{self, LetterFilter, Letters};
use prynai_operations::look::queue::{self, Extent, Queue};
use prynai_operations::look::status::{self, Status};

use crate::look::Failed;
use crate::settings::QueueFilter;

/// Pages of a list that are looked through at most, each time.
const PAGES: usize = 10;

/// Events of a call that are shown.
const EVENTS: u16 = 20;

/// What is to be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Queue,
    /// Workers and gateways are read in any case.
    Processes,
    Dead,
    Call(CallName),
}

/// What was seen.
pub(super) struct Sight {
    pub(super) wanted: Wanted,
    pub(super) status: Status,
    pub(super) list: List,
}

/// What was seen besides the state of the fleet.
pub(super) enum List {
    Queue(Queue),
    Processes,
    Dead(Letters),
    Call(Box<Call>),
    /// Why nothing is known of the call.
    NoCall(String),
}

/// Looks once.
pub(super) async fn read(
    operations: &dyn Operations,
    filter: &QueueFilter,
    wanted: Wanted,
) -> Result<Sight, Failed> {
    let place = operations.place().await?;
    if !place.is_there {
        return Err(Failed::NoFleet(Box::new(place)));
    }
    let status = status::read(operations, place).await?;
    let extent = Extent {
        rows: filter.limit.into(),
        pages: PAGES,
    };
    let list = match &wanted {
        Wanted::Processes => List::Processes,
        Wanted::Queue => {
            let queue = queue::read(operations, &filter.wanted(), None, extent).await?;
            List::Queue(queue)
        }
        Wanted::Dead => {
            let filter = LetterFilter::default();
            List::Dead(letters::read(operations, &filter, None, extent).await?)
        }
        Wanted::Call(name) => match read_call(operations, name, EVENTS, false).await {
            Ok(call) => List::Call(Box::new(call)),
            Err(prynai_operations::Failed::Unknown(why)) => List::NoCall(why),
            Err(failed) => return Err(failed.into()),
        },
    };
    Ok(Sight {
        wanted,
        status,
        list,
    })
}
