//! What is broken, and when.

pub mod fault;
pub mod time;
