//! How long to wait before trying again.

use std::time::{Duration, Instant};

/// First pause.
const FIRST: Duration = Duration::from_millis(50);

/// Longest pause: bounds how late a recovered database is noticed.
const LONGEST: Duration = Duration::from_secs(2);

/// A database that could not be reached for this long is left to other workers.
pub const GIVE_UP_AFTER: Duration = Duration::from_millis(1000);

/// Growing pauses with jitter; starts over after success.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
    since: Option<Instant>,
}

impl Backoff {
    /// Counts a failure and says how long to wait: doubling from [`FIRST`] to [`LONGEST`], of
    /// which `random` (0 to 1) takes away up to a half, so that tasks do not come back in step.
    pub fn next(&mut self, random: f64) -> Duration {
        self.since.get_or_insert_with(Instant::now);
        let pause = nominal_pause(self.failures);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(1.0 - 0.5 * random.clamp(0.0, 1.0))
    }

    /// How long it has been failing.
    pub fn failing_for(&self) -> Duration {
        self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Success. Says whether there were failures before.
    pub fn reset(&mut self) -> bool {
        let failed = self.failures > 0;
        *self = Self::default();
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
        let pauses: Vec<u128> = (0..8).map(|_| backoff.next(0.0).as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
        assert!(backoff.reset());
        assert_eq!(backoff.next(0.0), FIRST);
        backoff.reset();
        assert!(!backoff.reset());
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(failures in 0_usize..100, random in 0.0_f64..=1.0) {
            let mut backoff = Backoff::default();
            for _ in 0..failures {
                backoff.next(random);
            }
            let pause = backoff.next(random);
            prop_assert!(pause >= FIRST / 2 && pause <= LONGEST, "{pause:?}");
        }
    }
}
