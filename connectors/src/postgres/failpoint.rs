//! Names of the points where the fault tests stop, delay or kill a process. They exist in builds
//! with the feature `failpoints` only.
//!
//! What was sent before a point has left the process when the point is reached, except on a
//! runtime of one thread that is blocked by another task.

#![cfg_attr(
    not(feature = "failpoints"),
    expect(dead_code, reason = "points are left out")
)]

/// Nothing has been sent.
pub(super) const BEFORE_BEGIN: &str = "postgres::before_begin";
/// Positions have moved inside the transaction, rows have not been written.
pub(super) const AFTER_PROGRESS: &str = "postgres::after_progress";
/// Some rows have been sent.
pub(super) const MID_ROWS: &str = "postgres::mid_rows";
/// All rows have been sent, `COMMIT` has not.
pub(super) const BEFORE_COMMIT: &str = "postgres::before_commit";
/// `COMMIT` has been sent, its answer has not been read. With the action `return` the answer is
/// lost: the connection is cut.
pub(super) const AFTER_COMMIT_SENT: &str = "postgres::after_commit_sent";
/// Committed and known to be.
pub(super) const AFTER_COMMIT: &str = "postgres::after_commit";
/// A renewal has sent nothing.
pub(super) const BEFORE_RENEW: &str = "postgres::before_renew";
/// A renewal has been committed, its answer has not been used. With the action `return` the answer
/// is lost: the connection is cut.
pub(super) const AFTER_RENEW_SENT: &str = "postgres::after_renew_sent";
/// A claim has changed its rows, not committed.
pub(super) const BEFORE_CLAIM_COMMIT: &str = "postgres::before_claim_commit";
/// Before each part of a batch that is tried for refused rows.
pub(super) const BETWEEN_BISECT_STEPS: &str = "postgres::between_bisect_steps";

/// Lets the connection's task send what was started, so that a point means what it says.
pub(super) async fn flush() {
    if cfg!(feature = "failpoints") {
        tokio::task::yield_now().await;
    }
}
