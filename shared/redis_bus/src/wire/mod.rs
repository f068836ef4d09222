//! What lies in Redis and is published there: how it is named, spelled, signed and sealed.

pub(crate) mod batches;
pub mod downstream;
pub(crate) mod keys;
pub(crate) mod lines;
pub mod sealing;
pub mod signature;
pub(crate) mod told_task;
