//! What these tests say often.

use std::sync::Arc;

use rowdock_connectors::{
    Batch, Cell, Origin, PositionMove, RecordTime, RowKind, Session, Sink as _, TableName,
    TableRows, Target, WriteMode,
};
use uuid::Uuid;

use crate::conformance::databases::cassandra::Keyspace;
use crate::conformance::support::{claim, moved, start};

/// A record: its offset, its time, what it does, its cells.
pub(super) type Record<'a> = (i64, i64, RowKind, Vec<Cell<'a>>);

pub(super) async fn session(keyspace: &Keyspace) -> Box<dyn Session> {
    let opened = keyspace.plain_sink("orders", true).open().await;
    opened.expect("session")
}

/// A session that has claimed partition 0, the only one of its topic.
pub(super) async fn claimed(keyspace: &Keyspace) -> (Box<dyn Session>, Uuid) {
    let mut session = session(keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    (session, claim_id)
}

/// Writes every column of a table; its first `key` are the key.
pub(super) async fn target(session: &mut dyn Session, name: &str, key: usize) -> Arc<Target> {
    let table = session.describe_table(&TableName::parse(name)).await;
    let table = table.expect("described").expect("exists");
    Arc::new(Target {
        written: (0..table.columns.len()).collect(),
        key: (0..key).collect(),
        mode: WriteMode::Insert,
        guard: None,
        tombstones: None,
        table,
    })
}

/// Partition 0 from `from` on, with these records.
pub(super) fn batch(
    target: &Arc<Target>,
    claim_id: Uuid,
    from: i64,
    records: &[Record<'_>],
) -> Batch {
    let mut rows = TableRows::new(Arc::clone(target));
    let mut times = Vec::new();
    for (offset, timestamp_ms, kind, cells) in records {
        for (column, cell) in rows.columns.iter_mut().zip(cells) {
            column.push(*cell).expect("fits its column");
        }
        rows.finish_row(Origin {
            position: 0,
            offset: *offset,
            kind: *kind,
        });
        times.push(RecordTime {
            offset: *offset,
            timestamp_ms: Some(*timestamp_ms),
        });
    }
    let to = records.last().map_or(from, |(offset, ..)| offset + 1);
    Batch {
        positions: vec![PositionMove {
            times,
            ..moved(0, claim_id, from, to)
        }],
        tables: vec![rows],
        positions_stored: true,
    }
}

pub(super) fn put<'a>(offset: i64, time: i64, cells: &[Cell<'a>]) -> Record<'a> {
    (offset, time, RowKind::Write, cells.to_vec())
}

pub(super) fn gone<'a>(offset: i64, time: i64, key: &[Cell<'a>]) -> Record<'a> {
    (offset, time, RowKind::Delete, key.to_vec())
}
