//! What every process needs, whatever it does; it knows nothing of the bus.
//!
//! Read in this order:
//!
//! 1. [`settings`]: how settings are read and refused; [`secret`]: values that nobody must see;
//!    [`seal`]: what others keep and must not read
//! 2. [`telemetry`]: how a process logs; [`metrics`]: what it counts and measures
//! 3. [`lifecycle`]: how it stops
//! 4. [`clock`], [`backoff`], [`outage`]: how it tells the time, waits, and tells of trouble once
//! 5. [`mutation`]: bugs that tests plant

pub mod backoff;
pub mod clock;
pub mod lifecycle;
pub mod metrics;
pub mod mutation;
pub mod outage;
pub mod seal;
pub mod secret;
pub mod settings;
pub mod telemetry;
