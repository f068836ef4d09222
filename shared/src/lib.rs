//! The four crates of this folder under one name, for whoever does not name them yet.

pub use prynai_bus::{ids, patterns};
pub use prynai_memory_bus as memory_bus;
pub use prynai_process::{backoff, clock, lifecycle, mutation, secret, telemetry};

/// The ports.
pub mod bus {
    pub use prynai_bus::ports::*;
}

/// What travels between the processes.
pub mod wire {
    pub use prynai_bus::wire::*;
    pub use prynai_redis_bus::signature;
}

/// The bus on Redis.
pub mod redis_bus {
    pub use prynai_redis_bus::RedisBus;
    pub use prynai_redis_bus::settings::{check_tls, check_url};
}

/// Settings of a process.
pub mod settings {
    pub use prynai_process::settings::*;
    pub use prynai_redis_bus::settings::*;
}
