//! Whole runs.

pub mod abandoned;
pub mod crowd;
pub mod scenario;
pub mod waiting;
