//! Many MCP clients at once, against any MCP server: how fast it answers, and what it loses.
//!
//! Read in this order:
//!
//! 1. [`settings`]: what to do
//! 2. [`run()`]: one call as a trial, then all clients in their threads; [`open_files`]: whether they can connect
//! 3. [`clients`]: what they say, when, and what they make of the answers
//! 4. [`wire`]: HTTP, event streams and JSON-RPC, as cheap as they can be
//! 5. [`record`]: what is counted meanwhile
//! 6. [`report`]: what comes out: table, JSON, HTML, limits; [`progress`]: what is seen until then

mod clients;
mod open_files;
pub mod progress;
mod record;
pub mod report;
mod run;
pub mod settings;
mod wire;

pub use run::{Progress, Unusable, run};
