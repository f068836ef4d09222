//! The tools that are called, and the ledger of what they did.

pub mod handler;
pub mod ledger;
