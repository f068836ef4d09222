//! What only the memory bus promises: nothing is left behind. The contracts themselves are tested
//! in `tests/contract/bus`.

use std::time::Duration;

use prynai_bus::ids::{GatewayId, OperationId, StreamId};
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, EventLog, StateScope, StateStore};

use crate::bus::{MemoryBus, lock};

#[tokio::test(start_paused = true)]
async fn logs_that_ended_make_room_as_new_ones_come() {
    let bus = MemoryBus::new(BusLimits {
        open_retention: Duration::from_secs(60),
        ..BusLimits::default()
    });
    let gateway = GatewayId::generate();
    for _ in 0..1_000 {
        let stream = StreamId::generate();
        bus.open_log(&stream, &gateway, None, Era::Modern)
            .await
            .unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let held = lock(&bus.partition).logs.held();
    assert!(held <= 61, "{held} logs are held");
}

#[tokio::test(start_paused = true)]
async fn a_value_written_often_is_held_once() {
    let bus = MemoryBus::new(BusLimits::default());
    for seconds in 1..100 {
        let ttl = Some(Duration::from_secs(1_000 - seconds));
        let scope = StateScope::Global;
        bus.increment_state(&scope, "counter", 1, ttl, &OperationId::generate())
            .await
            .unwrap();
    }
    assert_eq!(lock(&bus.state).held(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_life_too_long_for_the_clock_is_a_life_for_ever() {
    let bus = MemoryBus::new(BusLimits::default());
    let scope = StateScope::Global;
    let ttl = Some(Duration::MAX);
    bus.set_state(&scope, "key", "value", ttl).await.unwrap();
    let read = bus.get_state(&scope, "key").await.unwrap();
    assert_eq!(read.as_deref(), Some("value"));
}
