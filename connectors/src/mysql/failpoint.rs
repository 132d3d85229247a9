//! Names of the points where the fault tests stop, delay or kill a process. They exist in builds
//! with the feature `failpoints` only.

#![cfg_attr(
    not(feature = "failpoints"),
    expect(dead_code, reason = "points are left out")
)]

/// Nothing has been sent.
pub(super) const BEFORE_BEGIN: &str = "mysql::before_begin";
/// Positions have moved inside the transaction, rows have not been written.
pub(super) const AFTER_PROGRESS: &str = "mysql::after_progress";
/// The first statement with rows has been executed.
pub(super) const MID_ROWS: &str = "mysql::mid_rows";
/// With the action `return` the server ends the transaction by itself behind a statement with rows,
/// as it does on some errors, and says nothing.
pub(super) const ENDED_BY_SERVER: &str = "mysql::ended_by_server";
/// All rows have been written, `COMMIT` has not been sent.
pub(super) const BEFORE_COMMIT: &str = "mysql::before_commit";
/// `COMMIT` has been sent, its answer has not been read. With the action `return` the answer is
/// lost: the connection is cut.
pub(super) const AFTER_COMMIT_SENT: &str = "mysql::after_commit_sent";
/// Committed and known to be.
pub(super) const AFTER_COMMIT: &str = "mysql::after_commit";
/// A renewal has sent nothing.
pub(super) const BEFORE_RENEW: &str = "mysql::before_renew";
/// A renewal has been committed, its answer has not been used. With the action `return` the answer
/// is lost: the connection is cut.
pub(super) const AFTER_RENEW_SENT: &str = "mysql::after_renew_sent";
/// A claim has changed its rows, not committed.
pub(super) const BEFORE_CLAIM_COMMIT: &str = "mysql::before_claim_commit";
/// Before each part of a batch that is tried for refused rows.
pub(super) const BETWEEN_BISECT_STEPS: &str = "mysql::between_bisect_steps";

/// See [`ENDED_BY_SERVER`].
pub(super) fn server_ends_transaction() -> bool {
    fail::fail_point!(ENDED_BY_SERVER, |_| true);
    false
}
