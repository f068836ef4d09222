//! What came of a run, and whether that is well.

pub mod figure;
pub mod outcome;
pub mod recovery;
pub mod report;
pub mod spread;
pub mod verdict;
