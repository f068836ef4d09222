//! The administration listener: a port of its own, for operators and their tools, on which a process shows itself. It
//! is off unless `--admin-listen` is given, and never serves MCP; the public port never serves what is here.
//!
//! 1. [`settings`](AdminSettings): the address, and the token that is needed beyond this machine
//! 2. [`listener`](Admin): accepts few connections at a time, each for a short time, on a thread of its own
//! 3. `access`: who may read
//! 4. `pages`: what is served where; what people see is from `prynai_console`
//! 5. `scrape`: the metrics, made for one reader at a time

mod access;
mod listener;
mod pages;
mod scrape;
mod settings;

pub use listener::Admin;
pub use pages::Health;
pub use prynai_console::Connect;
pub use scrape::Look;
pub use settings::{AdminListen, AdminSettings};
