//! Letters as partitions of one record each. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use rowdock_connectors::{Batch, PartitionKey, PositionMove};
use uuid::Uuid;

use super::report::Outcome;
use crate::batch::ReadBatch;
use crate::deadletter::Letter;
use crate::record::RecordError;

/// Before a letter was stored.
pub const NOT_STORED: i64 = 0;

/// Longest topic in the progress table (that of MySQL), which is Kafka's longest name.
const STORED_TOPIC_CHARS_MAX: usize = 249;

/// What a letter is to the progress table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterId {
    /// Its row: topic `orders/3` and partition 17 for the record of partition 3 at offset 17. What
    /// is left of an offset beyond 31 bits stands behind the topic: `orders/3/1`. No topic of Kafka
    /// has such a name.
    pub key: PartitionKey,
    /// Where its position stands once it is stored: made of its key and value, never 0.
    pub content: i64,
}

impl LetterId {
    /// That of a letter.
    ///
    /// # Errors
    /// When its coordinates cannot be kept.
    pub fn of(letter: &Letter) -> Result<Self, String> {
        let offset = u64::try_from(letter.offset).map_err(|_| "its offset is negative")?;
        let partition =
            i32::try_from(offset & 0x7fff_ffff).map_err(|_| "its offset is too large")?;
        let mut topic = format!("{}/{}", letter.topic, letter.partition);
        let rest = offset >> 31;
        if rest > 0 {
            topic = format!("{topic}/{rest}");
        }
        if topic.len() > STORED_TOPIC_CHARS_MAX {
            return Err(format!(
                "its topic's name is too long to be kept beside its coordinates; at most {} \
                 characters can be",
                STORED_TOPIC_CHARS_MAX - (topic.len() - letter.topic.len())
            ));
        }
        Ok(Self {
            key: PartitionKey {
                topic: Arc::from(topic),
                partition,
            },
            content: content(letter.key.as_deref(), letter.value.as_deref()),
        })
    }

    /// What an earlier replay has made of it, by where its position stands.
    pub fn stored(&self, position: i64) -> Option<Outcome> {
        match position {
            NOT_STORED => None,
            content if content == self.content => Some(Outcome::ReplayedBefore),
            _ => Some(Outcome::OtherRecord),
        }
    }
}

/// A number for the bytes of a record: FNV-1a of 64 bits, without the sign and never 0. The time is
/// left out: a topic may stamp the copies of a letter with its own.
fn content(key: Option<&[u8]>, value: Option<&[u8]>) -> i64 {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let mut hash = OFFSET_BASIS;
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    for side in [key, value] {
        // Null is not the same as no bytes, nor is a key the same as a value.
        let length = side.map_or(u64::MAX, |bytes| bytes.len() as u64);
        length.to_le_bytes().into_iter().for_each(&mut add);
        side.unwrap_or_default().iter().copied().for_each(&mut add);
    }
    i64::try_from(hash >> 1).unwrap_or(i64::MAX).max(1)
}

/// A mapped batch as the database is to take it.
#[derive(Debug, Default)]
pub struct OnceBatch {
    /// Rows, and a move for each letter in it.
    pub rows: Batch,
    /// Index of the letter of each move.
    pub letters: Vec<usize>,
    /// Letters that could not be mapped.
    pub rejects: Vec<(usize, RecordError)>,
}

impl OnceBatch {
    /// Of what was mapped of these letters (each with its index). Every letter is in the batch: as a
    /// row, as a reject, or as nothing, when a transform left it out.
    pub fn new(mapped: ReadBatch, letters: &[(usize, &Letter, &LetterId)], claim_id: Uuid) -> Self {
        let mut by_coordinates = HashMap::with_capacity(letters.len());
        for (place, (_, letter, _)) in letters.iter().enumerate() {
            let coordinates = (&*letter.topic, letter.partition, letter.offset);
            by_coordinates.insert(coordinates, place);
        }
        let positions = &mapped.rows.positions;
        let place_of = |position: usize, offset: i64| {
            let key = &positions.get(position)?.key;
            let coordinates = (&*key.topic, key.partition, offset);
            by_coordinates.get(&coordinates).copied()
        };
        let mut is_rejected = vec![false; letters.len()];
        let mut rejects = Vec::with_capacity(mapped.rejects.len());
        for reject in &mapped.rejects {
            if let Some(place) = place_of(reject.position, reject.offset) {
                is_rejected[place] = true;
                rejects.push((letters[place].0, reject.error.clone()));
            }
        }
        let mut kept: Vec<usize> = (0..letters.len())
            .filter(|place| !is_rejected[*place])
            .collect();
        // Every writer locks in this order.
        kept.sort_by(|one, other| letters[*one].2.key.cmp(&letters[*other].2.key));
        let mut new_position = vec![u32::MAX; letters.len()];
        for (position, place) in kept.iter().enumerate() {
            new_position[*place] = u32::try_from(position).unwrap_or(u32::MAX);
        }
        let mut tables = mapped.rows.tables.clone();
        for origin in tables.iter_mut().flat_map(|table| &mut table.origins) {
            let place = place_of(origin.position as usize, origin.offset);
            origin.position = place.map_or(u32::MAX, |place| new_position[place]);
        }
        let moved = |place: &usize| PositionMove {
            key: letters[*place].2.key.clone(),
            claim_id,
            from: NOT_STORED,
            to: letters[*place].2.content,
            leader_epoch: -1,
            times: Vec::new(),
        };
        Self {
            rows: Batch {
                positions: kept.iter().map(moved).collect(),
                tables,
                positions_stored: true,
            },
            letters: kept.iter().map(|place| letters[*place].0).collect(),
            rejects,
        }
    }

    /// Takes letters out, by the indexes of their moves.
    pub fn cut(&mut self, moves: &[usize]) {
        self.rows.cut_positions(moves);
        let mut index = 0;
        self.letters.retain(|_| {
            index += 1;
            !moves.contains(&(index - 1))
        });
    }

    /// Cuts the later half off; `None` when there is one letter, or none.
    pub fn split_off_half(&mut self) -> Option<Self> {
        let count = self.letters.len();
        if count < 2 {
            return None;
        }
        let middle = count / 2;
        let mut later = Self {
            rows: self.rows.clone(),
            letters: self.letters.clone(),
            rejects: Vec::new(),
        };
        later.cut(&(0..middle).collect::<Vec<_>>());
        self.cut(&(middle..count).collect::<Vec<_>>());
        Some(later)
    }

    /// Whether a move has a row: its letter was not left out by a transform.
    pub fn has_row(&self, position: usize) -> bool {
        let mut origins = self.rows.tables.iter().flat_map(|table| &table.origins);
        origins.any(|origin| origin.position as usize == position)
    }
}

#[cfg(test)]
mod tests {
    use rowdock_connectors::{
        Cell, Origin, RowKind, Table, TableKind, TableName, TableRows, Target, WriteMode,
    };
    use rowdock_connectors::{ColumnDef, ColumnType};

    use super::*;
    use crate::batch::Reject;
    use crate::record::Stage;

    fn letter(topic: &str, partition: i32, offset: i64) -> Letter {
        Letter {
            topic: topic.into(),
            partition,
            offset,
            stage: String::new(),
            reason: String::new(),
            timestamp_ms: None,
            key: None,
            value: Some(offset.to_string().into_bytes()),
            headers: Vec::new(),
            ended_task: false,
        }
    }

    #[test]
    fn coordinates_are_a_key() {
        let check = |letter: Letter, topic: &str, partition: i32| {
            let key = LetterId::of(&letter).unwrap().key;
            assert_eq!((&*key.topic, key.partition), (topic, partition));
        };
        check(letter("orders", 3, 17), "orders/3", 17);
        check(letter("orders", 3, 0x7fff_ffff), "orders/3", i32::MAX);
        check(letter("orders", 3, 0x8000_0000), "orders/3/1", 0);
        check(
            letter("orders", 3, i64::MAX),
            "orders/3/4294967295",
            i32::MAX,
        );
        assert!(LetterId::of(&letter("orders", 3, -1)).is_err());
        check(
            letter(&"t".repeat(247), 3, 1),
            &format!("{}/3", "t".repeat(247)),
            1,
        );
        assert!(LetterId::of(&letter(&"t".repeat(248), 3, 1)).is_err());
    }

    #[test]
    fn other_bytes_are_other_content() {
        // Written to databases: the numbers must stay what they are.
        assert_eq!(content(None, None), 7_723_737_701_611_009_066);
        let contents = [
            content(None, Some(b"")),
            content(Some(b""), None),
            content(Some(b""), Some(b"")),
            content(Some(b"a"), Some(b"")),
            content(Some(b""), Some(b"a")),
            content(None, Some(b"a")),
        ];
        for (index, one) in contents.iter().enumerate() {
            assert!(*one > 0);
            assert!(!contents[index + 1..].contains(one), "{contents:?}");
        }
    }

    fn rows(origins: &[(u32, i64)]) -> TableRows {
        let column = ColumnDef {
            name: "n".to_owned(),
            column_type: ColumnType::Int64,
            native_type: "bigint".to_owned(),
            native_type_id: 0,
            nullable: true,
            has_default: false,
            generated: false,
            insert_only: false,
        };
        let target = Target {
            table: Table {
                name: TableName::parse("t"),
                kind: TableKind::default(),
                columns: vec![column],
                primary_key: Vec::new(),
                unique_keys: Vec::new(),
                text_allows_nul: true,
                has_zero_dates: false,
            },
            written: vec![0],
            key: Vec::new(),
            mode: WriteMode::Insert,
            guard: None,
            tombstones: None,
        };
        let mut rows = TableRows::new(Arc::new(target));
        for (position, offset) in origins {
            rows.columns[0].push(Cell::Int(*offset)).unwrap();
            rows.finish_row(Origin {
                position: *position,
                offset: *offset,
                kind: RowKind::Write,
            });
        }
        rows
    }

    #[test]
    fn a_batch_of_partitions_becomes_one_of_letters() {
        let letters = [
            letter("b", 0, 10),
            letter("a", 1, 7),
            letter("a", 1, 8),
            letter("a", 1, 9),
        ];
        let ids: Vec<LetterId> = letters
            .iter()
            .map(|letter| LetterId::of(letter).unwrap())
            .collect();
        let places: Vec<(usize, &Letter, &LetterId)> = letters
            .iter()
            .zip(&ids)
            .enumerate()
            .map(|(index, (letter, id))| (100 + index, letter, id))
            .collect();
        let partition = |topic: &str, partition| PositionMove {
            key: PartitionKey {
                topic: topic.into(),
                partition,
            },
            claim_id: Uuid::nil(),
            from: 0,
            to: 11,
            leader_epoch: -1,
            times: Vec::new(),
        };
        let mut mapped = ReadBatch::default();
        mapped.rows.positions = vec![partition("a", 1), partition("b", 0)];
        // At offset 8 is a reject; 9 was left out.
        mapped.rows.tables = vec![rows(&[(1, 10), (0, 7)])];
        mapped.rejects = vec![Reject {
            position: 0,
            offset: 8,
            error: RecordError::new(Stage::TaskPut, "bad"),
            settled: false,
        }];
        let claim_id = Uuid::new_v4();
        let mut once = OnceBatch::new(mapped, &places, claim_id);
        let moves: Vec<_> = once
            .rows
            .positions
            .iter()
            .map(|moved| (&*moved.key.topic, moved.key.partition, moved.from))
            .collect();
        assert_eq!(moves, [("a/1", 7, 0), ("a/1", 9, 0), ("b/0", 10, 0)]);
        assert_eq!(once.letters, [101, 103, 100]);
        assert_eq!(once.rejects.len(), 1);
        assert_eq!(once.rejects[0].0, 102);
        let has_row: Vec<bool> = (0..3).map(|index| once.has_row(index)).collect();
        assert_eq!(has_row, [true, false, true]);

        let later = once.split_off_half().unwrap();
        assert_eq!(
            (once.letters, later.letters.clone()),
            (vec![101], vec![103, 100])
        );
        assert_eq!(later.rows.row_count(), 1);
        assert!(later.has_row(1));
        assert_eq!(later.rows.positions[1].to, ids[0].content);
    }
}
