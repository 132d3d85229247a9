//! How long to wait before trying again.

use std::time::{Duration, Instant};

use crate::config::connector::Retries;

/// First pause.
const FIRST: Duration = Duration::from_millis(50);

/// Longest pause: bounds how late a recovered database is noticed.
const LONGEST: Duration = Duration::from_secs(2);

/// A database that could not be reached for this long is left to other workers.
pub const GIVE_UP_AFTER: Duration = Duration::from_millis(1000);

/// Growing pauses with jitter, unless a connector has its own; starts over after success.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    retries: Retries,
    failures: u32,
    since: Option<Instant>,
}

impl Backoff {
    /// For a connector's own limit and pause.
    pub fn new(retries: Retries) -> Self {
        Self {
            retries,
            ..Self::default()
        }
    }

    /// Counts a failure and says how long to wait: doubling from [`FIRST`] to [`LONGEST`], of
    /// which `random` (0 to 1) takes away up to a half, so that tasks do not come back in step.
    /// A pause that the connector names is taken as it is. `None`: that was one failure too many.
    pub fn next(&mut self, random: f64) -> Option<Duration> {
        self.since.get_or_insert_with(Instant::now);
        if self.retries.max.is_some_and(|max| self.failures >= max) {
            return None;
        }
        let growing = nominal_pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        let random = random.clamp(0.0, 1.0);
        let pause = self.retries.pause;
        Some(pause.unwrap_or_else(|| growing.mul_f64(1.0 - 0.5 * random)))
    }

    /// How long it has been failing.
    pub fn failing_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Success. Says whether there were failures before.
    pub fn reset(&mut self) -> bool {
        let failed = self.failures > 0;
        *self = Self::new(self.retries);
        failed
    }
}

fn nominal_pause(failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_up_to_its_bound_and_starts_over() {
        let mut backoff = Backoff::default();
        let mut next = || backoff.next(0.0).map_or(0, |pause| pause.as_millis());
        let pauses: Vec<u128> = (0..8).map(|_| next()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert!(backoff.reset());
        assert_eq!(backoff.next(0.0), Some(FIRST));
        backoff.reset();
        assert!(!backoff.reset());
    }

    #[test]
    fn a_connector_has_its_own_limit_and_pause() {
        let pause = Duration::from_millis(7);
        let retries = Retries {
            max: Some(2),
            pause: Some(pause),
        };
        let mut backoff = Backoff::new(retries);
        for _ in 0..3 {
            let pauses: Vec<_> = (0..4).map(|_| backoff.next(0.9)).collect();
            assert_eq!(pauses, [Some(pause), Some(pause), None, None]);
            assert!(backoff.reset());
        }
        let none = Retries {
            max: Some(0),
            pause: None,
        };
        assert_eq!(Backoff::new(none).next(0.0), None);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(failures in 0_usize..100, random in 0.0_f64..=1.0) {
            let mut backoff = Backoff::default();
            for _ in 0..failures {
                backoff.next(random);
            }
            let pause = backoff.next(random).expect("any number of failures");
            prop_assert!(pause >= FIRST / 2 && pause <= LONGEST, "{pause:?}");
        }
    }
}
