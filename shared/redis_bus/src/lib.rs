//! The bus on Redis 7.0 or later.
//!
//! Every method fails with [`BusError::Unavailable`](prynai_bus::BusError::Unavailable) within a second while Redis is
//! away, and works again when it is back. Read in this order:
//!
//! 1. `settings`: where Redis is, from the command line
//! 2. `bus`: [`RedisBus`], how it connects and sends
//! 3. `ports`: one file per port
//!    (`ended_tasks` has the records of tasks that no worker ends)
//! 4. `scripts` and `lua`: each atomic step is one Lua script, with one typed function that builds its command
//! 5. `wire`: every name and every line that lies in Redis
//! 6. `queue`: what a process knows of the request queue besides
//! 7. `connection`: the connections, and what is sent over them
//! 8. `server`: which Redis it is; `fault`: what can go wrong with it
//! 9. `operations`: what operators see, over a connection of its own
//! 10. `metrics`: what is counted and measured of all that

mod bus;
mod connection;
mod ended_tasks;
mod fault;
mod metrics;
mod operations;
mod ports;
mod queue;
mod scripts;
mod server;
pub mod settings;
mod wire;

pub use bus::{FleetKeys, RedisBus};
pub use metrics::register as register_metrics;
pub use operations::{Connecting, RedisOperations};
pub use wire::{downstream, sealing, signature};
