//! Names of the points where the fault tests stop, delay or kill a process. They exist in builds
//! with the feature `failpoints` only.

#![cfg_attr(
    not(feature = "failpoints"),
    expect(dead_code, reason = "points are left out")
)]

/// The batch is ours, nothing has been sent.
pub(super) const BEFORE_ROWS: &str = "cassandra::before_rows";
/// A row has been answered; others are on their way.
pub(super) const MID_ROWS: &str = "cassandra::mid_rows";
/// All rows are written, no checkpoint has moved.
pub(super) const BEFORE_CHECKPOINT: &str = "cassandra::before_checkpoint";
/// The checkpoints have moved.
pub(super) const AFTER_CHECKPOINT: &str = "cassandra::after_checkpoint";
