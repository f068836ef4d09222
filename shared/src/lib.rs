//! What the gateway and the worker must agree on; nothing else may enter.
//!
//! Read in this order:
//!
//! 1. [`ids`]: the names of sessions, streams, gateways and workers
//! 2. [`wire`]: what travels between the processes, with its format version
//! 3. [`bus`]: the eight ports, each a small trait whose documentation is its contract
//! 4. [`memory_bus`]: the ports inside one process
//! 5. [`redis_bus`]: the ports on Redis
//! 6. [`patterns`]: how names and URIs are matched, by policies and lists
//! 7. [`settings`], [`secret`], [`telemetry`], [`lifecycle`], [`clock`], [`backoff`]: how every process starts,
//!    logs, stops and waits
//! 8. [`mutation`]: bugs that tests plant

pub mod backoff;
pub mod bus;
pub mod clock;
pub mod ids;
pub mod lifecycle;
pub mod memory_bus;
pub mod mutation;
pub mod patterns;
pub mod redis_bus;
pub mod secret;
pub mod settings;
pub mod telemetry;
pub mod wire;
