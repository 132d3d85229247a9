//! Waiting for conditions, with deadlines.

use std::future::Future;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// How many times as long as it is told a test waits in the end. Deadlines say what a machine with
/// time to spare needs; one that is busy or slow is no failure. Tests that judge a time measure it.
const PATIENCE: u32 = 4;

/// Calls `look` until it returns `Ok`, and fails the test with the last reason why not when
/// [`PATIENCE`] times the deadline has passed. Returns what it found.
pub(crate) async fn eventually<T, F, Fut>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let started = Instant::now();
    let patience = deadline * PATIENCE;
    loop {
        let reason = match look().await {
            Ok(found) => return found,
            Err(reason) => reason,
        };
        assert!(
            started.elapsed() < patience,
            "waited {:.1} s for: {what}; the last look: {reason}",
            patience.as_secs_f32()
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// `Ok` when true, for [`eventually`].
pub(crate) fn check(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}

/// Whole seconds, spelled short since tests are full of them.
pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
