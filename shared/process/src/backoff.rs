//! Waiting between attempts while the other side is away.

use std::time::Duration;

use tokio::time::Instant;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);

/// Pauses that double up to a second and are never twice the same, so that the processes of a fleet
/// do not come back in step.
#[derive(Debug)]
pub struct Backoff {
    next: Duration,
    give_up_at: Option<Instant>,
}

impl Backoff {
    /// For what is tried until it is stopped.
    pub fn endless() -> Self {
        Self {
            next: FIRST,
            give_up_at: None,
        }
    }

    /// For what makes no sense after `limit`.
    pub fn for_at_most(limit: Duration) -> Self {
        Self {
            next: FIRST,
            give_up_at: Some(Instant::now() + limit),
        }
    }

    /// Pauses as at first again; what time is left does not change.
    pub(crate) fn begin_anew(&mut self) {
        self.next = FIRST;
    }

    /// Waits; `false`, at once, when there is no time left.
    pub async fn pause(&mut self) -> bool {
        let pause = self.next.mul_f64(rand::random_range(0.5..1.0));
        let out_of_time = |at| Instant::now() + pause > at;
        if self.give_up_at.is_some_and(out_of_time) {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(pause).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pauses(mut backoff: Backoff, count: usize) -> Vec<Duration> {
        let mut pauses = Vec::new();
        while pauses.len() < count {
            let begun = Instant::now();
            if !backoff.pause().await {
                break;
            }
            pauses.push(begun.elapsed());
        }
        pauses
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_to_a_second_and_vary() {
        let one = pauses(Backoff::endless(), 100).await;
        let other = pauses(Backoff::endless(), 100).await;
        assert!(one[0] <= FIRST + Duration::from_millis(1));
        assert!(one.iter().all(|p| *p <= LONGEST + Duration::from_millis(1)));
        assert!(one[99] >= LONGEST / 2);
        assert_ne!(one, other);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_end_with_the_time_given() {
        let limit = Duration::from_secs(10);
        let all = pauses(Backoff::for_at_most(limit), 1_000).await;
        assert!(all.iter().sum::<Duration>() <= limit + Duration::from_secs(1));
        assert!((5..100).contains(&all.len()), "{} pauses", all.len());
    }
}
