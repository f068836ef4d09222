//! One call and what belongs to it: answers, questions, cancels, and that nothing of it is changed on the way; and
//! the requests of known extensions.

mod batches;
mod both_eras;
mod cancel;
mod idempotency;
mod questions;
mod skills;
mod synced_tasks;
pub(crate) mod tasks;
mod unchanged;
