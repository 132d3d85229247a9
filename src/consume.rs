//! From the topic to batches: one consumer on one plain thread per task.
//!
//! # The thread
//!
//! It polls, maps each record straight into the open batch, and hands batches to the write loop
//! ([`handover`](crate::handover)). While one batch is being written the next is filled. A batch is
//! closed when it is full, or when there is nothing more to read and the write loop is idle: so
//! latency is low under low load, and batches are large under high load.
//!
//! # Assignments
//!
//! *Acknowledge at once, assign late.* When the group gives us partitions, the thread answers with
//! an empty incremental assignment, so that no other member waits for us; the write loop claims
//! them in the database; only then are they added, each at the offset that the claim returned.
//! When the group takes partitions, their intake stops, what was read is written within a
//! deadline, and only then are they given up. When they are *lost*, everything of theirs is
//! dropped: someone else may have them already, and the database would fence us anyway.
//!
//! ```text
//!             Assigned                Begin
//!   (none) ───────────▶ Claiming ───────────▶ Reading ──Revoked──▶ Draining ──Drained──▶ (none)
//!              tag                                      Lost ────────────────────────▶ (none)
//! ```
//!
//! # Back-pressure
//!
//! At most [`BATCHES_IN_FLIGHT_MAX`] batches are with the write loop. When the next is full too, no
//! record is read; what is prefetched stays where it is, and its amount is bounded. Records have a queue
//! of their own ([`native::Records`]), so that the group is heard and answered all the same, and never
//! takes a slow database for a dead worker. Only what is not read for long is paused in the client.
//!
//! * [`client`]: the consumer and its settings.
//! * [`slots`]: the partitions and their states. Pure.
//! * [`intake`]: records into the open batch; waiting for tables.
//! * [`thread`]: the loop.
//! * [`native`]: what only the C API offers.

pub mod client;
pub mod intake;
pub mod native;
pub mod slots;
pub mod thread;

/// One is being written, one waits; a third is filled meanwhile. More would only cost memory.
pub const BATCHES_IN_FLIGHT_MAX: usize = 2;
