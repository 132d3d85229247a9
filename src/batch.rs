//! Collecting mapped rows into batches. Pure: no I/O, no clock.
//!
//! A batch holds for every partition it touches a move `from..to`, and every offset read in
//! between is accounted for: as a row, as a reject with its reason, or as nothing (a gap). So a
//! batch without rows still moves its positions. Batches of one partition join without a seam:
//! the next one's `from` is the last one's `to`.
//!
//! Everything carries the [`AssignmentTag`] under which it was read. When a partition was revoked,
//! lost or sought meanwhile, its tag is no longer current and its part is cut out.

use std::sync::Arc;

use rowdock_connectors::{
    Batch, NewColumn, Origin, PartitionKey, PositionMove, RecordTime, RowKind, TableRows, Target,
};
use uuid::Uuid;

use crate::config::connector::BatchLimits;
use crate::map::Unmapped;
use crate::record::{RawRecord, RecordError};

mod originals;
pub use originals::{Original, Originals};

/// Records left out on purpose before their positions are stored, so that a restart does not read a
/// long stream of them again.
const SKIPPED_MAX: usize = 100_000;

/// Names one assignment of one partition; every assignment and every seek makes a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssignmentTag(pub u64);

/// A closed batch on its way to the write loop.
#[derive(Debug, Default)]
pub struct ReadBatch {
    /// Rows and moves. Claims are filled in when it is written.
    pub rows: Batch,
    /// The tag of each position.
    pub tags: Vec<AssignmentTag>,
    /// Records that cannot be stored.
    pub rejects: Vec<Reject>,
    /// Bytes of the records, when dead letters may need them.
    pub originals: Originals,
}

/// A record that cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Index into the batch's positions.
    pub position: usize,
    /// Its offset.
    pub offset: i64,
    /// Why.
    pub error: RecordError,
    /// The dead letter topic has it, or it was logged as skipped: never send it again.
    pub settled: bool,
}

/// The batch that is being filled.
#[derive(Debug)]
pub struct BatchBuilder {
    limits: BatchLimits,
    keep_originals: bool,
    keep_times: bool,
    positions_stored: bool,
    batch: ReadBatch,
    bytes: usize,
    row_count: usize,
    /// Records left out on purpose.
    skipped: usize,
    /// Position of each partition slot, and rows of each topic slot, in this batch.
    position_of_slot: Vec<Option<usize>>,
    table_of_topic: Vec<Option<usize>>,
    /// Empty rows with the room that the last batch needed, per table.
    room: Vec<TableRows>,
}

impl BatchBuilder {
    /// An empty builder. `keep_originals`: copy records' bytes for dead letters.
    /// `positions_stored`: the sink shall store the moves (exactly-once).
    pub fn new(limits: BatchLimits, keep_originals: bool, positions_stored: bool) -> Self {
        Self {
            limits,
            keep_originals,
            keep_times: false,
            positions_stored,
            batch: ReadBatch::default(),
            bytes: 0,
            row_count: 0,
            skipped: 0,
            position_of_slot: Vec::new(),
            table_of_topic: Vec::new(),
            room: Vec::new(),
        }
    }

    /// Tells the sink the time of every record.
    #[must_use]
    pub fn keeping_times(mut self, keep: bool) -> Self {
        self.keep_times = keep;
        self
    }

    /// Nothing to write and no position to move.
    pub fn is_empty(&self) -> bool {
        self.batch.rows.positions.is_empty()
    }

    /// Has rows or rejects, not only positions to move.
    pub fn has_records(&self) -> bool {
        self.row_count > 0 || !self.batch.rejects.is_empty()
    }

    /// A limit is reached: close it.
    pub fn is_full(&self) -> bool {
        self.row_count + self.batch.rejects.len() >= self.limits.max_rows
            || self.bytes >= self.limits.max_bytes
            || self.skipped >= SKIPPED_MAX
    }

    /// The position of this partition in the batch, opened at `from` when it is new.
    #[inline]
    pub fn position(
        &mut self,
        slot: usize,
        from: i64,
        open: impl FnOnce() -> (PartitionKey, AssignmentTag),
    ) -> usize {
        if let Some(Some(position)) = self.position_of_slot.get(slot) {
            return *position;
        }
        let (key, tag) = open();
        let position = self.batch.rows.positions.len();
        self.batch.rows.positions.push(PositionMove {
            key,
            claim_id: Uuid::nil(),
            from,
            to: from,
            leader_epoch: -1,
            times: Vec::new(),
        });
        self.batch.tags.push(tag);
        if self.position_of_slot.len() <= slot {
            self.position_of_slot.resize(slot + 1, None);
        }
        self.position_of_slot[slot] = Some(position);
        position
    }

    /// Moves a position's end forward: everything before `to` is accounted for.
    #[inline]
    pub fn advance(&mut self, position: usize, to: i64, leader_epoch: i32) {
        let open = &mut self.batch.rows.positions[position];
        debug_assert!(to >= open.to, "offsets of a partition only grow");
        open.to = open.to.max(to);
        if leader_epoch >= 0 {
            open.leader_epoch = leader_epoch;
        }
    }

    /// Accounts for a record: its row, if any, was appended before.
    #[inline]
    pub fn read(&mut self, position: usize, record: &RawRecord<'_>, leader_epoch: i32) {
        if self.keep_times {
            self.batch.rows.positions[position].times.push(RecordTime {
                offset: record.offset,
                timestamp_ms: record.timestamp_ms,
            });
        }
        self.advance(position, record.offset + 1, leader_epoch);
    }

    /// Appends a record's row through `fill`; what it refuses becomes a reject.
    ///
    /// # Errors
    /// When the record can be stored once its table has these columns; it leaves no trace then.
    #[inline]
    pub fn append(
        &mut self,
        position: usize,
        topic_slot: usize,
        target: &Arc<Target>,
        record: &RawRecord<'_>,
        fill: impl FnOnce(Origin, &mut TableRows) -> Result<(), Unmapped>,
    ) -> Result<(), Vec<NewColumn>> {
        let origin = Origin {
            position: u32::try_from(position).unwrap_or(u32::MAX),
            offset: record.offset,
            kind: RowKind::Write,
        };
        let table = self.table(topic_slot, target);
        match fill(origin, &mut self.batch.rows.tables[table]) {
            Ok(()) => self.row_count += 1,
            Err(Unmapped::Lacking(columns)) => return Err(columns),
            Err(Unmapped::Bad(error)) => self.batch.rejects.push(Reject {
                position,
                offset: record.offset,
                error,
                settled: false,
            }),
        }
        self.count(position, record);
        Ok(())
    }

    /// Accounts for a record that cannot be stored, whatever its table.
    pub fn reject(&mut self, position: usize, record: &RawRecord<'_>, error: RecordError) {
        self.batch.rejects.push(Reject {
            position,
            offset: record.offset,
            error,
            settled: false,
        });
        self.count(position, record);
    }

    /// How many records cannot be stored so far.
    pub fn reject_count(&self) -> usize {
        self.batch.rejects.len()
    }

    /// Takes back what the record that was read last has put into tables: in another one it cannot be
    /// stored.
    pub fn take_back(&mut self, position: usize, offset: i64) {
        let is_its =
            |origin: &Origin| origin.position as usize == position && origin.offset == offset;
        for table in &mut self.batch.rows.tables {
            while table.origins.last().is_some_and(is_its) {
                table.take_back_row();
                self.row_count -= 1;
            }
        }
    }

    /// Accounts for a record that is left out on purpose; its position was advanced.
    pub fn skip(&mut self) {
        self.skipped += 1;
    }

    fn count(&mut self, position: usize, record: &RawRecord<'_>) {
        self.bytes += record.byte_count();
        if self.keep_originals {
            self.bytes += self.batch.originals.keep(position, record);
        }
    }

    /// Cuts partitions out, by slot.
    pub fn cut_slots(&mut self, slots: &[usize]) {
        let mut cut: Vec<usize> = slots
            .iter()
            .filter_map(|slot| self.position_of_slot.get(*slot).copied().flatten())
            .collect();
        cut.sort_unstable();
        cut.dedup();
        if cut.is_empty() {
            return;
        }
        for position in &mut self.position_of_slot {
            *position = match *position {
                Some(kept) if !cut.contains(&kept) => {
                    Some(kept - cut.iter().filter(|gone| **gone < kept).count())
                }
                _ => None,
            };
        }
        self.batch.cut_positions(&cut);
        self.row_count = self.batch.rows.row_count();
        // Empty tables went with their rows; slots are looked up anew.
        self.table_of_topic.clear();
    }

    /// Closes the batch and starts the next one.
    pub fn finish(&mut self) -> ReadBatch {
        let mut closed = std::mem::take(&mut self.batch);
        closed.rows.positions_stored = self.positions_stored;
        closed.rows.tables.retain(|table| !table.is_empty());
        closed.sort_positions();
        let tables = closed.rows.tables.iter();
        self.room = tables.map(TableRows::empty_with_same_room).collect();
        self.bytes = 0;
        self.row_count = 0;
        self.skipped = 0;
        self.position_of_slot.clear();
        self.table_of_topic.clear();
        closed
    }

    /// A topic's rows go elsewhere from now on. Those that were appended stay as they were mapped.
    pub fn forget_target(&mut self, topic_slot: usize) {
        if let Some(table) = self.table_of_topic.get_mut(topic_slot) {
            *table = None;
        }
    }

    #[inline]
    fn table(&mut self, topic_slot: usize, target: &Arc<Target>) -> usize {
        if let Some(Some(table)) = self.table_of_topic.get(topic_slot) {
            return *table;
        }
        // Two topics may share a table; after a cut a topic's rows may be there already.
        let tables = &mut self.batch.rows.tables;
        let found = tables
            .iter()
            .position(|rows| Arc::ptr_eq(&rows.target, target));
        let table = found.unwrap_or_else(|| {
            let spare = self
                .room
                .iter()
                .position(|rows| Arc::ptr_eq(&rows.target, target));
            tables.push(match spare {
                Some(spare) => self.room.swap_remove(spare),
                None => TableRows::new(Arc::clone(target)),
            });
            tables.len() - 1
        });
        if self.table_of_topic.len() <= topic_slot {
            self.table_of_topic.resize(topic_slot + 1, None);
        }
        self.table_of_topic[topic_slot] = Some(table);
        table
    }
}

impl ReadBatch {
    /// Takes partitions out, with rows, rejects and bytes. `cut` holds no index twice.
    pub fn cut_positions(&mut self, cut: &[usize]) {
        if cut.is_empty() {
            return;
        }
        self.rows.cut_positions(cut);
        let mut index = 0;
        self.tags.retain(|_| {
            index += 1;
            !cut.contains(&(index - 1))
        });
        let moved =
            |position: usize| position - cut.iter().filter(|gone| **gone < position).count();
        self.rejects
            .retain(|reject| !cut.contains(&reject.position));
        for reject in &mut self.rejects {
            reject.position = moved(reject.position);
        }
        self.originals.cut(cut);
        self.originals.renumber(moved);
    }

    /// Ends a partition's part before `offset`: later rows and rejects go, `offset` included.
    pub fn end_position_at(&mut self, position: usize, offset: i64) {
        self.rows.end_position_at(position, offset);
        self.rejects
            .retain(|reject| reject.position != position || reject.offset < offset);
    }

    /// Cuts the later half of every partition's part off, to be written afterwards. `None` when
    /// no part can be halved.
    pub fn split_off_half(&mut self) -> Option<Self> {
        let middles: Vec<i64> = self
            .rows
            .positions
            .iter()
            .map(|moved| moved.from + (moved.to - moved.from + 1) / 2)
            .collect();
        let halves = self.rows.positions.iter().zip(&middles);
        if halves.clone().all(|(moved, middle)| *middle == moved.to) {
            return None;
        }
        let mut later = Self {
            rows: self.rows.clone(),
            tags: self.tags.clone(),
            rejects: self.rejects.clone(),
            originals: self.originals.clone(),
        };
        let is_later = |position: usize, offset: i64| offset >= middles[position];
        later
            .rows
            .retain_rows(|_, _, origin| is_later(origin.position as usize, origin.offset));
        later
            .rejects
            .retain(|reject| is_later(reject.position, reject.offset));
        for (position, middle) in middles.iter().enumerate() {
            self.end_position_at(position, *middle);
            later.rows.positions[position].from = *middle;
        }
        Some(later)
    }

    /// A batch that holds nothing but this reject and its bytes.
    pub fn alone(&self, reject: &Reject) -> Self {
        let mut position = self.rows.positions[reject.position].clone();
        position.times.clear();
        let (tag, original) = (self.tags[reject.position], self.originals.alone(reject));
        let reject = Reject {
            position: 0,
            ..reject.clone()
        };
        Self {
            rows: Batch {
                positions: vec![position],
                ..Batch::default()
            },
            tags: vec![tag],
            rejects: vec![reject],
            originals: original,
        }
    }

    /// The bytes of a record, when they were kept.
    pub fn original(&self, position: usize, offset: i64) -> Option<Original<'_>> {
        self.originals.of(position, offset)
    }

    /// Brings positions into lock order.
    fn sort_positions(&mut self) {
        let mut order: Vec<usize> = (0..self.rows.positions.len()).collect();
        order.sort_by(|one, other| {
            self.rows.positions[*one]
                .key
                .cmp(&self.rows.positions[*other].key)
        });
        if order.is_sorted() {
            return;
        }
        let mut new_index = vec![0; order.len()];
        for (new, old) in order.iter().enumerate() {
            new_index[*old] = new;
        }
        self.rows.positions = order
            .iter()
            .map(|old| self.rows.positions[*old].clone())
            .collect();
        self.tags = order.iter().map(|old| self.tags[*old]).collect();
        for table in &mut self.rows.tables {
            for origin in &mut table.origins {
                let new = new_index[origin.position as usize];
                origin.position = u32::try_from(new).unwrap_or(u32::MAX);
            }
        }
        for reject in &mut self.rejects {
            reject.position = new_index[reject.position];
        }
        self.originals.renumber(|position| new_index[position]);
    }
}

#[cfg(test)]
mod tests;
