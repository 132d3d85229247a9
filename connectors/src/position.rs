//! Positions: how far each partition has been written, and who may write on.
//!
//! | stored row of the partition     | a write `from..to` under `claim`        |
//! |---------------------------------|-----------------------------------------|
//! | `claim_id = claim`, `next_offset = from` | moves to `to`                  |
//! | `claim_id` differs              | fenced: someone else claimed it         |
//! | `next_offset` differs           | fenced: not where we thought; never forced |
//! | no row                          | fenced: the progress table was lost or cleaned |

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

/// Whose progress it is: rows of different clusters and connectors never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProgressScope {
    /// The Kafka cluster's own id.
    pub cluster_id: String,
    /// The connector's name.
    pub connector: String,
}

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PartitionKey {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number, from 0.
    pub partition: i32,
}

/// One partition's part in a batch: everything in `from..to` is in the batch, was rejected, or
/// was no record at all (compacted away, a transaction marker).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionMove {
    /// The partition.
    pub key: PartitionKey,
    /// The claim under which its records were read.
    pub claim_id: Uuid,
    /// Where the stored position must stand.
    pub from: i64,
    /// Where it stands afterwards: the next offset to read. `to >= from`.
    pub to: i64,
    /// Leader epoch of the last record read, -1 when unknown.
    pub leader_epoch: i32,
    /// Every record of `from..to` with its time, in order, whether a row came of it or not; empty
    /// unless the sink [asks for them](crate::Sink::needs_record_times). May hold others besides.
    pub times: Vec<RecordTime>,
}

/// When a record was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordTime {
    /// The record's offset.
    pub offset: i64,
    /// Milliseconds since the epoch, as its producer or the broker says.
    pub timestamp_ms: Option<i64>,
}

/// Takes partitions over.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// Fresh and random for every request; never used again.
    pub claim_id: Uuid,
    /// Generation of the consumer group under which they were assigned.
    pub generation: i32,
    /// Claim even when a newer generation holds the partition. For a group that was deleted and
    /// counts anew: set when the assignment still stands after a session time-out.
    pub force: bool,
    /// Who claims, for people: worker and task.
    pub owner: String,
    /// The partitions, sorted.
    pub partitions: Vec<PartitionKey>,
    /// Topics of which another reading may not find the same records, since their log is compacted;
    /// told only to a sink that [asks for record times](crate::Sink::needs_record_times).
    pub compacted: BTreeSet<Arc<str>>,
}

/// What a claim found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimAnswer {
    /// Ours now. Read from `next_offset`.
    Claimed {
        /// Id of the topic incarnation that the position belongs to; empty when unknown.
        topic_id: String,
        /// Next offset to read.
        next_offset: i64,
        /// Leader epoch of the last record written, -1 when unknown.
        leader_epoch: i32,
    },
    /// The topic has never been started by this connector: write its starts, claim again.
    TopicUnknown,
    /// The topic was started before this partition existed: it starts at its beginning.
    PartitionUnknown,
    /// A newer generation of the group holds it; nothing was changed.
    HeldByNewer {
        /// That generation.
        generation: i32,
    },
}

/// First positions, as numbers.
#[derive(Debug, Clone)]
pub struct StartRows {
    /// The topic.
    pub topic: Arc<str>,
    /// Id of the topic incarnation; empty when the broker is too old to tell.
    pub topic_id: String,
    /// `true`: the first start of the topic, for every partition that exists now; the topic's own
    /// guard row decides which of several starters wins, the others change nothing.
    /// `false`: partitions added later.
    pub first: bool,
    /// Partition and its next offset to read.
    pub offsets: Vec<(i32, i64)>,
}

/// A partition's position as it stands, for people and tools.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredPosition {
    /// The partition.
    pub key: PartitionKey,
    /// Id of the topic incarnation that the position belongs to; empty when unknown.
    pub topic_id: String,
    /// Next offset to read.
    pub next_offset: i64,
    /// Who claimed it last: worker and task; empty when nobody has since it was set by hand.
    pub owner: String,
    /// How often it was set by hand.
    pub reset_count: i64,
    /// When the row was changed last, in milliseconds since the epoch.
    pub updated_ms: i64,
}

/// Sets positions by hand, while the connector does not run.
#[derive(Debug, Clone)]
pub struct ResetRequest {
    /// First positions, for topics and partitions that may not have any; written before the others.
    pub starts: Vec<StartRows>,
    /// The positions to be set, sorted; each has a row, or one in `starts`.
    pub positions: Vec<SetPosition>,
}

/// A position set by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPosition {
    /// The partition.
    pub key: PartitionKey,
    /// Id of the topic incarnation now; empty when the broker is too old to tell.
    pub topic_id: String,
    /// Next offset to read.
    pub next_offset: i64,
}

/// Exchanges claims after an unknown result or on a new connection.
#[derive(Debug, Clone)]
pub struct RenewRequest {
    /// The id to be stored: fresh for each new unknown, the same for each repetition.
    pub new_claim_id: Uuid,
    /// Each partition with the claim id that we believe to hold, sorted.
    pub partitions: Vec<(PartitionKey, Uuid)>,
}

/// What a renewal found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewAnswer {
    /// Still ours, under the new id; the position stands here.
    Held {
        /// Next offset to read.
        next_offset: i64,
    },
    /// Someone else claimed it, or the row is gone.
    Lost,
}
