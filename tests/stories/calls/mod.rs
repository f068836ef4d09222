//! One call and what belongs to it: answers, questions, cancels, and that nothing of it is changed on the way.

mod batches;
mod both_eras;
mod cancel;
mod idempotency;
mod questions;
mod unchanged;
