//! What only the bus on Redis can meet: what lies there, what others put there, and what becomes of the server.

mod address;
mod answered_time;
mod downstream;
mod faults;
mod foreign_entries;
mod forgotten_connection;
mod keys;
mod load_of_tasks;
mod sealed;
mod signed;
mod stuck_tasks;
mod switch_over;
mod synced_tasks;

use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_test_redis::server::RedisServer;

use crate::scene::Scene;

/// The prefix on servers that have one test only.
pub(super) const PREFIX: &str = "fleet-a:";

/// "Within a second", with room for a slow machine.
pub(super) const PROMPT: Duration = Duration::from_millis(1_500);

pub(super) async fn scene_on(server: &RedisServer) -> Scene {
    Scene::on(server, PREFIX, BusLimits::default()).await
}

pub(super) fn queue(prefix: &str) -> String {
    format!("{prefix}{{main.0}}:requests")
}
