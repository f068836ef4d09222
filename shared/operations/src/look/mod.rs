//! What operators look at, one file for each question. Each reads a bounded number of bounded pages, as a value that
//! can be written as JSON.

pub mod audit;
pub mod call;
pub mod doctor;
pub mod letters;
pub mod queue;
pub mod sessions;
pub mod status;
pub mod tasks;
