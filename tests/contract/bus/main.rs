//! One contract, two buses: every case below runs against [`MemoryBus`] and [`RedisBus`].
//!
//! The contract is the documentation of the traits in `shared/bus/src/ports`. A case is written once, as a
//! function of the [`Kind`] of bus, and listed in its file's `for_both_buses!`, which makes the
//! tests `memory::case` and `redis::case` of it. Both sides of a case (gateway and worker) have a bus
//! of their own, as two processes would; in memory the two are one.
//!
//! [`MemoryBus`]: prynai_memory_bus::MemoryBus
//! [`RedisBus`]: prynai_redis_bus::RedisBus

macro_rules! for_both_buses {
    ($($case:ident),+ $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::scene::Kind::Memory).await;
            })+
        }

        mod redis {
            $(#[tokio::test]
            async fn $case() {
                super::$case(crate::scene::Kind::Redis).await;
            })+
        }
    };
}

mod audit_log;
mod catalog;
mod change_feed;
mod downstream_tokens;
mod event_log;
mod lost_replies;
mod on_redis;
mod once_store;
mod operations;
mod outcome_store;
mod rate_limiter;
mod request_queue;
mod scene;
mod session_store;
mod signal_channel;
mod state_store;
mod task_store;
