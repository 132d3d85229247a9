//! A table that remembers deletes: what is older than a delete does not come back, in whatever order, in
//! whatever batches and by however many sessions records are written.

use std::sync::Arc;

use rowdock_connectors::{
    Cell, ColumnType, ErrorClass, NewColumn, NewTable, RowKind, Session, TableName, TableRows,
    Target, WriteMode, WriteOutcome,
};

use super::Database;
use super::support::{Record, int, put, rows, rows_only, session_without_positions, upserted};

/// Rounds of two sessions that write the same key at the same time.
const ROUNDS: i64 = 40;

/// Attempts of a write that others are in the way of.
const ATTEMPTS: usize = 50;

/// A table `t` of `id`, `n` and `note`, guarded by `n`, with its tombstones.
async fn remembering(session: &mut dyn Session) -> Arc<Target> {
    let target = upserted(session, "t").await;
    let column = |(name, column_type): (&str, ColumnType)| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: false,
        default: None,
    };
    let wanted = NewTable {
        name: TableName::parse("t_deleted"),
        columns: [("id", ColumnType::Int64), ("n", ColumnType::Int32)]
            .map(column)
            .into(),
        primary_key: vec!["id".to_owned()],
    };
    let table = session.create_table(&wanted).await.expect("created");
    let index = |name: &str| table.column_index(name).expect("column");
    let tombstones = Target {
        written: vec![index("id"), index("n")],
        key: vec![0],
        mode: WriteMode::Upsert,
        guard: Some(1),
        tombstones: None,
        table,
    };
    Arc::new(Target {
        guard: Some(1),
        tombstones: Some(Arc::new(tombstones)),
        ..Target::clone(&target)
    })
}

/// A row that is deleted as of this guard.
fn gone(id: i64, guard: i64) -> Record<'static> {
    (vec![int(id), int(guard)], RowKind::Delete)
}

fn text(text: &str) -> Cell<'_> {
    Cell::Text(text)
}

async fn write(session: &mut dyn Session, rows: TableRows) {
    let outcome = session
        .write(&rows_only(vec![rows]))
        .await
        .expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

pub(crate) async fn late_records_do_not_bring_rows_back(database: &impl Database) {
    let mut session = session_without_positions(database).await;
    let target = remembering(&mut *session).await;
    let columns = ["id", "n", "note"];
    let first = [
        put(1, int(5), text("a")),
        put(2, int(5), text("a")),
        put(3, int(5), text("a")),
        // Before anything was known of its row.
        gone(4, 6),
    ];
    write(&mut *session, rows(&target, &first)).await;
    // The delete of 2 is older than its row.
    write(
        &mut *session,
        rows(&target, &[gone(1, 7), gone(2, 4), gone(3, 5)]),
    )
    .await;
    let stored = database.rows("t", &columns).await;
    assert_eq!(stored, ["2,5,a", "3,5,a"], "deleted by newer ones only");
    let late = [
        put(1, int(6), text("late")),
        put(2, int(6), text("newer")),
        put(3, int(4), text("late")),
        put(4, int(3), text("late")),
    ];
    write(&mut *session, rows(&target, &late)).await;
    let stored = database.rows("t", &columns).await;
    assert_eq!(stored, ["2,6,newer", "3,5,a"]);
    // A newer one makes a new row, which has nothing of the old one.
    write(
        &mut *session,
        rows(&target, &[put(1, int(8), Cell::Absent)]),
    )
    .await;
    let stored = database.rows("t", &columns).await;
    assert_eq!(stored, ["1,8,null", "2,6,newer", "3,5,a"]);
    // An older delete is forgotten by nobody, and does no harm.
    let both = [gone(1, 2), put(1, int(9), text("last")), gone(2, 7)];
    write(&mut *session, rows(&target, &both)).await;
    let stored = database.rows("t", &columns).await;
    assert_eq!(stored, ["1,9,last", "3,5,a"]);
    let remembered = database.rows("t_deleted", &["id", "n"]).await;
    assert_eq!(remembered, ["1,7", "2,7", "3,5", "4,6"]);
}

/// As if the records of a key had come by several partitions, the one ahead of the other.
pub(crate) async fn any_order_comes_to_the_same(database: &impl Database) {
    let mut session = session_without_positions(database).await;
    let target = remembering(&mut *session).await;
    let mut random = fastrand::Rng::with_seed(17);
    let mut expected: Vec<String> = Vec::new();
    let mut records = Vec::new();
    for id in 0..40_i64 {
        let count = random.i64(1..7);
        let last_is_delete = random.bool();
        for guard in 1..=count {
            let deletes = if guard == count {
                last_is_delete
            } else {
                random.bool()
            };
            records.push(match deletes {
                true => gone(id, guard),
                false => put(id, int(guard), text("x")),
            });
        }
        if !last_is_delete {
            expected.push(format!("{id},{count},x"));
        }
    }
    expected.sort();
    for _ in 0..3 {
        random.shuffle(&mut records);
        let mut rest = &records[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(random.usize(1..=rest.len().min(60)));
            write(&mut *session, rows(&target, now)).await;
            rest = later;
        }
        assert_eq!(database.rows("t", &["id", "n", "note"]).await, expected);
    }
}

/// Neither sees what the other has not committed, and the row must be gone all the same.
pub(crate) async fn a_delete_meets_a_late_write(database: &impl Database) {
    let mut first = session_without_positions(database).await;
    let mut second = session_without_positions(database).await;
    let target = remembering(&mut *first).await;
    for round in 0..ROUNDS {
        let keys = [round * 2, round * 2 + 1];
        let deletes = rows(&target, &keys.map(|key| gone(key, 5)));
        let late = rows(&target, &keys.map(|key| put(key, int(3), text("late"))));
        tokio::join!(
            write_in_spite_of_others(&mut *first, deletes),
            write_in_spite_of_others(&mut *second, late)
        );
    }
    let stored = database.rows("t", &["id", "n", "note"]).await;
    assert!(stored.is_empty(), "brought back: {stored:?}");
}

async fn write_in_spite_of_others(session: &mut dyn Session, rows: TableRows) {
    let batch = rows_only(vec![rows]);
    for _ in 0..ATTEMPTS {
        match session.write(&batch).await {
            Ok(outcome) => return assert_eq!(outcome, WriteOutcome::Committed),
            Err(error) => assert_eq!(error.class(), ErrorClass::Retry, "{error}"),
        }
    }
    panic!("{ATTEMPTS} attempts in vain");
}
