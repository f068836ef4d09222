//! What KEDA and the Horizontal Pod Autoscaler decide from what the rules measure.
//!
//! KEDA starts the first replica and ends the last one (`pkg/scaling/executor/scale_scaledobjects.go`). In between the
//! autoscaler of Kubernetes decides, to which KEDA hands the metrics with targets of the type `AverageValue`. The
//! limits are those of Azure Container Apps.

use std::collections::VecDeque;
use std::time::Duration;

use super::scaler::{Metric, ScalerError};

/// How far a metric may be from its target without any effect (Kubernetes'
/// `--horizontal-pod-autoscaler-tolerance`).
const TOLERANCE: f64 = 0.1;

/// Replicas up to which one step may go, whatever runs.
const FIRST_STEP: usize = 4;

/// How an app is scaled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) most: usize,
    /// How long nothing may be active before the last replica ends.
    pub(super) cooldown: Duration,
    /// For how long the highest number wanted counts when there are to be fewer.
    pub(super) stabilisation: Duration,
}

/// One app, and what is remembered of it.
pub(super) struct Autoscaler {
    scale: Scale,
    replicas: usize,
    last_active: Option<Duration>,
    /// What was wanted lately, and when.
    wanted: VecDeque<(Duration, usize)>,
}

impl Autoscaler {
    pub(super) fn new(scale: Scale) -> Self {
        Self {
            scale,
            replicas: 0,
            last_active: None,
            wanted: VecDeque::new(),
        }
    }

    /// One look at what the rules measure, at a time since the beginning. Tells how many replicas there are to be.
    pub(super) fn look(&mut self, now: Duration, metrics: &[Result<Metric, ScalerError>]) -> usize {
        self.activate(now, metrics);
        // With no replicas the autoscaler of Kubernetes does nothing.
        if self.replicas > 0 {
            self.adjust(now, metrics);
        }
        self.replicas
    }

    /// KEDA's part.
    fn activate(&mut self, now: Duration, metrics: &[Result<Metric, ScalerError>]) {
        let is_active = metrics.iter().flatten().any(|metric| metric.is_active());
        if is_active {
            self.last_active = Some(now);
            self.replicas = self.replicas.max(1);
        } else if self
            .last_active
            .is_none_or(|last| last + self.scale.cooldown < now)
        {
            self.replicas = 0;
            self.wanted.clear();
        }
    }

    /// The part of the Horizontal Pod Autoscaler.
    fn adjust(&mut self, now: Duration, metrics: &[Result<Metric, ScalerError>]) {
        let known = metrics.iter().flatten();
        let Some(desired) = known.map(|metric| desired(*metric, self.replicas)).max() else {
            return;
        };
        // It never scales down by a part of its metrics.
        if metrics.iter().any(Result::is_err) && desired < self.replicas {
            return;
        }
        let desired = desired.clamp(1, self.scale.most);
        self.wanted.push_back((now, desired));
        let begin = now.saturating_sub(self.scale.stabilisation);
        self.wanted.retain(|(at, _)| *at >= begin);
        let highest = self.wanted.iter().map(|(_, wanted)| *wanted).max();
        let highest = highest.unwrap_or(desired);
        self.replicas = if desired > self.replicas {
            desired.min(FIRST_STEP.max(2 * self.replicas))
        } else {
            self.replicas.min(highest)
        };
    }
}

/// Replicas for one metric.
fn desired(metric: Metric, replicas: usize) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let (value, target, current) = (metric.value as f64, metric.target as f64, replicas as f64);
    let ratio = value / (target * current);
    if (1.0 - ratio).abs() <= TOLERANCE {
        return replicas;
    }
    usize::try_from(metric.value.max(0))
        .expect("is positive")
        .div_ceil(usize::try_from(metric.target).expect("is positive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale {
        most: 30,
        cooldown: Duration::from_secs(300),
        stabilisation: Duration::from_secs(300),
    };

    /// The replicas after looks at these times, in seconds, at what waits and runs, with the targets of the template.
    fn replicas(looks: &[(u64, i64, i64)]) -> Vec<usize> {
        let mut autoscaler = Autoscaler::new(SCALE);
        let look = |(at, lag, pending): &(u64, i64, i64)| {
            let metric = |value, target| Ok(Metric { value, target });
            let metrics = [metric(*lag, 16), metric(*pending, 48)];
            autoscaler.look(Duration::from_secs(*at), &metrics)
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn one_waiting_request_starts_the_first_replica() {
        assert_eq!(replicas(&[(0, 0, 0), (5, 1, 0), (10, 0, 1)]), [0, 1, 1]);
    }

    #[test]
    fn a_burst_doubles_the_replicas_with_each_look() {
        let burst = [
            (0, 1, 0),
            (5, 448, 64),
            (10, 448, 64),
            (15, 448, 64),
            (20, 448, 64),
        ];
        assert_eq!(replicas(&burst), [1, 4, 8, 16, 28]);
        assert_eq!(replicas(&[(0, 9999, 64); 9])[8], SCALE.most);
    }

    #[test]
    fn a_metric_near_its_target_changes_nothing() {
        for (value, wanted) in [(43, 1), (52, 1), (53, 2), (48, 1), (0, 0), (-1, 0)] {
            let metric = Metric { value, target: 48 };
            assert_eq!(desired(metric, 1), wanted, "{value}");
        }
        assert_eq!(
            desired(
                Metric {
                    value: 80,
                    target: 48
                },
                3
            ),
            2
        );
    }

    #[test]
    fn fewer_are_wanted_only_after_a_while() {
        let looks = [
            (0, 64, 64),
            (5, 64, 64),
            (10, 0, 1),
            (305, 0, 1),
            (306, 0, 1),
        ];
        assert_eq!(replicas(&looks), [4, 4, 4, 4, 1]);
    }

    #[test]
    fn the_last_replica_ends_after_the_cooldown() {
        let looks = [(0, 1, 0), (5, 0, 1), (10, 0, 0), (305, 0, 0), (306, 0, 0)];
        assert_eq!(replicas(&looks), [1, 1, 1, 1, 0]);
    }

    #[test]
    fn a_scaler_that_fails_starts_nothing_and_ends_nothing() {
        let mut autoscaler = Autoscaler::new(SCALE);
        let lag = |value| Ok(Metric { value, target: 16 });
        let at = Duration::from_secs;
        assert_eq!(autoscaler.look(at(0), &[Err(ScalerError)]), 0);
        assert_eq!(autoscaler.look(at(1), &[lag(64), Err(ScalerError)]), 4);
        assert_eq!(autoscaler.look(at(200), &[lag(1), Err(ScalerError)]), 4);
        assert_eq!(autoscaler.look(at(500), &[lag(1), Err(ScalerError)]), 4);
        assert_eq!(autoscaler.look(at(501), &[lag(1), lag(0)]), 1);
    }
}
