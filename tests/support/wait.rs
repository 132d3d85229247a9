//! Waiting for conditions, with deadlines.

use std::future::Future;
use std::time::{Duration, Instant};

/// Far beyond what anything here takes, on a busy machine too: what is not there by then never comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Pauses between two looks at a condition: the first, and the longest, to which they grow. A look may
/// read all that a database remembers, and tests wait most of their time.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_millis(100);

/// Calls `look` until it returns `Ok`, and fails the test at the deadline with the last reason why
/// not. Returns what it found.
///
/// A deadline says how long is waited for what never comes; it is no promise of speed, which a busy
/// machine could not keep. So it is never shorter than [`PATIENCE`].
pub(crate) async fn eventually<T, F, Fut>(what: &str, deadline: Duration, mut look: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, String>>,
{
    let deadline = deadline.max(PATIENCE);
    let started = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        let reason = match look().await {
            Ok(found) => return found,
            Err(reason) => reason,
        };
        assert!(
            started.elapsed() < deadline,
            "waited {:.1} s for: {what}; the last look: {reason}",
            deadline.as_secs_f32()
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
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
