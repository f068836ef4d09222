//! Which gateways live.

use std::time::Duration;

use tokio::time::Instant;

/// How long a gateway is remembered after its last beat.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);

/// The life of a gateway, or of the holder of a replayed request.
pub(crate) struct GatewayLife {
    /// `None`: a life too long for the clock.
    ends: Option<Instant>,
    /// When it last said that it lives; the holder of a replayed request is no gateway and has none.
    pub(crate) heard: Option<Instant>,
}

impl GatewayLife {
    pub(crate) fn of_gateway(life: Duration) -> Self {
        let now = Instant::now();
        Self {
            ends: now.checked_add(life),
            heard: Some(now),
        }
    }

    pub(crate) fn of_holder(life: Duration) -> Self {
        Self {
            heard: None,
            ..Self::of_gateway(life)
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.ends.is_none_or(|ends| ends > Instant::now())
    }
}
