//! What a batch leaves behind.

use rowdock_connectors::{
    Cell, ColumnType, NewColumn, NewTable, Session, TableName, TableRows, WriteMode, WriteOutcome,
};

use super::support::{
    appended, batch, claim, emptied, gone, int, moved, put, rows, rows_only, session,
    session_without_positions, start, table, target, upserted,
};
use super::{Database, Server};
use crate::wire::Wire;

const ABSENT: Cell<'static> = Cell::Absent;
const NULL: Cell<'static> = Cell::Null;

fn text(text: &str) -> Cell<'_> {
    Cell::Text(text)
}

async fn write(session: &mut dyn Session, tables: Vec<TableRows>) {
    let outcome = session.write(&rows_only(tables)).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

pub(crate) async fn rows_and_positions_move_together(database: &impl Database) {
    let mut session = session(database).await;
    start(&mut *session, 2).await;
    let target = appended(&mut *session, "t").await;
    let id = claim(&mut *session, &[0, 1]).await;
    let moves = vec![moved(0, id, 0, 4), moved(1, id, 0, 2)];
    let records = [put(1, int(10), text("a")), put(2, int(20), NULL)];
    let written = batch(moves, vec![rows(&target, &records)]);
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    // The same again is not where it starts.
    let outcome = session.write(&written).await.expect("answered");
    assert_eq!(outcome, WriteOutcome::Fenced(vec![0, 1]));
    let empty = batch(vec![moved(0, id, 4, 9), moved(1, id, 2, 2)], Vec::new());
    let outcome = session.write(&empty).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let next = batch(vec![moved(0, id, 9, 10), moved(1, id, 2, 3)], Vec::new());
    let outcome = session.write(&next).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let stored = database.rows("t", &["id", "n", "note"]).await;
    assert_eq!(stored, ["1,10,a", "2,20,null"]);
}

pub(crate) async fn batches_without_positions(database: &impl Database) {
    let mut session = session_without_positions(database).await;
    let target = appended(&mut *session, "t").await;
    let mut written = rows_only(vec![rows(&target, &[put(1, int(1), NULL)])]);
    // Moves are bookkeeping here.
    written.positions = vec![moved(0, uuid::Uuid::new_v4(), 0, 4)];
    for _ in 0..2 {
        let outcome = session.write(&written).await.expect("written");
        assert_eq!(outcome, WriteOutcome::Committed);
    }
    assert_eq!(database.rows("t", &["id"]).await, ["1", "1"]);
    let outcome = session
        .write(&rows_only(Vec::new()))
        .await
        .expect("nothing");
    assert_eq!(outcome, WriteOutcome::Committed);
}

pub(crate) async fn a_repeated_key_is_folded(database: &impl Database) {
    let mut session = session(database).await;
    let target = upserted(&mut *session, "t").await;
    let records = [
        put(2, int(1), text("b")),
        put(1, int(1), text("a")),
        put(2, int(2), NULL),
        put(1, int(3), text("c")),
        put(1, int(4), ABSENT),
    ];
    for _ in 0..2 {
        write(&mut *session, vec![rows(&target, &records)]).await;
        let stored = database.rows("t", &["id", "n", "note"]).await;
        assert_eq!(stored, ["1,4,c", "2,2,null"]);
    }
}

pub(crate) async fn deletes_and_writes_keep_their_order(database: &impl Database) {
    let mut session = session(database).await;
    let target = upserted(&mut *session, "t").await;
    let before = [put(1, int(1), text("old")), put(2, int(1), text("old"))];
    write(&mut *session, vec![rows(&target, &before)]).await;
    let records = [
        put(3, int(3), text("new")),
        gone(1),
        gone(2),
        put(2, int(9), ABSENT),
        put(4, int(4), NULL),
        gone(4),
        gone(5),
    ];
    write(&mut *session, vec![rows(&target, &records)]).await;
    let stored = database.rows("t", &["id", "n", "note"]).await;
    assert_eq!(stored, ["2,9,null", "3,3,new"], "a delete resets the row");
}

/// What is gone, and what never was, may be deleted again, in a batch as between batches.
pub(crate) async fn deletes_may_be_repeated(database: &impl Database) {
    let mut session = session(database).await;
    let target = upserted(&mut *session, "t").await;
    let before = [1, 2, 3].map(|id| put(id, int(id), NULL));
    write(&mut *session, vec![rows(&target, &before)]).await;
    let records = [
        gone(1),
        gone(1),
        gone(9),
        put(4, int(4), NULL),
        gone(4),
        gone(4),
    ];
    for _ in 0..2 {
        write(&mut *session, vec![rows(&target, &records)]).await;
        let stored = database.rows("t", &["id", "n"]).await;
        assert_eq!(stored, ["2,2", "3,3"]);
    }
    write(&mut *session, vec![rows(&target, &[gone(2), gone(3)])]).await;
    write(&mut *session, vec![rows(&target, &[gone(2), gone(3)])]).await;
    assert!(database.rows("t", &["id"]).await.is_empty());
}

/// Statements that were prepared for short values take long ones, and the other way round.
pub(crate) async fn lengths_of_values_may_change(database: &impl Database) {
    let mut session = session(database).await;
    let column = |name: &str, column_type| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    };
    let wanted = NewTable {
        name: TableName::parse("t"),
        columns: vec![
            column("id", ColumnType::Int64),
            column("n", ColumnType::Int32),
            column("note", ColumnType::Text { max_chars: None }),
        ],
        primary_key: vec!["id".to_owned()],
    };
    session.create_table(&wanted).await.expect("created");
    let columns = ["id", "n", "note"];
    let target = target(&mut *session, "t", &columns, 1, WriteMode::Upsert).await;
    let long = "ä".repeat(40_000);
    let short = "b";
    for notes in [
        [short, short, ""],
        [short, &long, short],
        [&long, "", &long],
        [short, &long, ""],
        [short, short, short],
    ] {
        let records: Vec<_> = notes
            .iter()
            .zip(1..)
            .map(|(note, id)| put(id, int(id), text(note)))
            .collect();
        write(&mut *session, vec![rows(&target, &records)]).await;
        let stored = database.rows("t", &["id", "note"]).await;
        let expected = notes
            .iter()
            .zip(1..)
            .map(|(note, id)| format!("{id},{note}"));
        assert!(stored == expected.collect::<Vec<_>>(), "a note has changed");
    }
}

pub(crate) async fn inserts_and_deletes_keep_their_order(database: &impl Database) {
    let mut session = session(database).await;
    table(&mut *session, "t", true).await;
    let columns = ["id", "n", "note"];
    let target = target(&mut *session, "t", &columns, 1, WriteMode::Insert).await;
    let records = [
        put(1, int(1), NULL),
        gone(1),
        put(1, int(2), NULL),
        gone(1),
        put(1, int(3), NULL),
        put(2, int(1), NULL),
        gone(2),
        gone(3),
    ];
    write(&mut *session, vec![rows(&target, &records)]).await;
    assert_eq!(database.rows("t", &["id", "n"]).await, ["1,3"]);
}

pub(crate) async fn absent_is_not_null(database: &impl Database) {
    let mut session = session(database).await;
    let target = upserted(&mut *session, "t").await;
    let before = [put(1, int(1), text("kept")), put(2, int(2), text("lost"))];
    write(&mut *session, vec![rows(&target, &before)]).await;
    let records = [
        put(1, int(5), ABSENT),
        put(2, int(6), NULL),
        put(3, int(7), ABSENT),
    ];
    write(&mut *session, vec![rows(&target, &records)]).await;
    let stored = database.rows("t", &["id", "n", "note"]).await;
    assert_eq!(stored, ["1,5,kept", "2,6,null", "3,7,null"]);
}

pub(crate) async fn many_tables_are_one_transaction(database: &impl Database) {
    let mut session = session(database).await;
    let first = appended(&mut *session, "a").await;
    let second = upserted(&mut *session, "b").await;
    let good = rows(&first, &[put(1, int(1), NULL)]);
    let bad = rows(&second, &[put(1, int(1), NULL), put(2, NULL, NULL)]);
    let refused = session.write(&rows_only(vec![good.clone(), bad])).await;
    assert_eq!(
        refused.expect_err("no number").class(),
        rowdock_connectors::ErrorClass::Record
    );
    assert!(database.rows("a", &["id"]).await.is_empty());
    let fine = rows(&second, &[put(1, int(1), NULL)]);
    write(&mut *session, vec![good, fine]).await;
    assert_eq!(database.rows("a", &["id"]).await, ["1"]);
    assert_eq!(database.rows("b", &["id"]).await, ["1"]);
}

/// More tables, or versions of their definitions, than a session remembers.
pub(crate) async fn batches_of_more_tables_than_are_remembered(database: &impl Database) {
    const TABLES: i64 = 300;
    let mut session = session(database).await;
    let first = upserted(&mut *session, "t").await;
    // Sessions know a table by its target: as many targets of one table are as many tables to them.
    let targets: Vec<_> = (0..TABLES)
        .map(|_| std::sync::Arc::new(rowdock_connectors::Target::clone(&first)))
        .collect();
    let batch = |n: i64, bad: Option<usize>| {
        let tables = targets.iter().zip(0..).map(|(target, id)| {
            let is_bad = usize::try_from(id).ok() == bad;
            rows(target, &[put(id, if is_bad { NULL } else { int(n) }, NULL)])
        });
        tables.collect::<Vec<_>>()
    };
    for n in 0..2 {
        write(&mut *session, batch(n, None)).await;
        let stored = database.rows("t", &["n"]).await;
        assert_eq!(stored, vec![n.to_string(); targets.len()]);
    }
    let refused = rows_only(batch(2, Some(271)));
    let error = session.write(&refused).await.expect_err("no number");
    assert_eq!(
        error.class(),
        rowdock_connectors::ErrorClass::Record,
        "{error}"
    );
    let found = session.find_rejects(&refused).await.expect("found");
    let places: Vec<usize> = found.iter().map(|reject| reject.table).collect();
    assert_eq!(places, [271]);
}

pub(crate) async fn many_deletes_are_few_statements(server: &impl Server) {
    const ROWS: i64 = 5_000;
    const STATEMENTS_MAX: usize = 20;
    let wire = Wire::to(&server.address()).await;
    let opened = server.sink_at(&wire.address).open().await;
    let mut session = opened.expect("session");
    let target = upserted(&mut *session, "t").await;
    let records: Vec<_> = (0..ROWS).map(|id| put(id, int(id), NULL)).collect();
    write(&mut *session, vec![rows(&target, &records)]).await;
    let records: Vec<_> = (0..ROWS).map(gone).collect();
    let before = server.statements(&wire.said());
    write(&mut *session, vec![rows(&target, &records)]).await;
    let statements = server.statements(&wire.said()) - before;
    assert!(
        (1..=STATEMENTS_MAX).contains(&statements),
        "{statements} statements"
    );
    assert!(server.rows("t", &["id"]).await.is_empty());
}

/// More rows, and more values, than any statement takes.
pub(crate) async fn batches_beyond_a_statement(database: &impl Database) {
    const ROWS: i64 = 5_457;
    let mut session = session(database).await;
    let target = upserted(&mut *session, "t").await;
    let records: Vec<_> = (0..ROWS).map(|id| put(id, int(id), text("x"))).collect();
    write(&mut *session, vec![rows(&target, &records)]).await;
    assert_eq!(database.rows("t", &["id"]).await.len(), 5_457);
    let odd = (0..ROWS).filter(|id| id % 2 == 1);
    let records: Vec<_> = odd.map(gone).collect();
    write(&mut *session, vec![rows(&target, &records)]).await;
    let stored = database.rows("t", &["id"]).await;
    assert_eq!(stored.len(), 2_729);
    assert!(
        stored
            .iter()
            .all(|id| id.ends_with(['0', '2', '4', '6', '8']))
    );
}

pub(crate) async fn a_truncate_has_its_place_in_the_order(database: &impl Database) {
    let mut session = session(database).await;
    let target = upserted(&mut *session, "t").await;
    let before = [put(1, int(1), NULL), put(2, int(1), NULL)];
    write(&mut *session, vec![rows(&target, &before)]).await;
    let records = [
        put(3, int(3), NULL),
        gone(1),
        emptied(),
        put(4, int(4), NULL),
        put(2, int(5), NULL),
        gone(4),
    ];
    write(&mut *session, vec![rows(&target, &records)]).await;
    assert_eq!(database.rows("t", &["id", "n"]).await, ["2,5"]);
    write(&mut *session, vec![rows(&target, &[emptied()])]).await;
    assert!(database.rows("t", &["id"]).await.is_empty());
}

pub(crate) async fn updates_change_what_is_there(database: &impl Database) {
    let mut session = session(database).await;
    let upserts = upserted(&mut *session, "t").await;
    let before = [put(1, int(1), text("a")), put(2, int(2), text("b"))];
    write(&mut *session, vec![rows(&upserts, &before)]).await;
    let columns = ["id", "n", "note"];
    let updates = target(&mut *session, "t", &columns, 1, WriteMode::Update).await;
    let records = [
        put(1, int(5), ABSENT),
        put(3, int(3), text("none")),
        put(2, int(6), NULL),
        put(1, int(7), ABSENT),
    ];
    write(&mut *session, vec![rows(&updates, &records)]).await;
    let stored = database.rows("t", &["id", "n", "note"]).await;
    assert_eq!(stored, ["1,7,a", "2,6,null"]);
}

pub(crate) async fn insert_ignore_passes_over_keys_that_are_there(database: &impl Database) {
    let mut session = session(database).await;
    table(&mut *session, "t", true).await;
    let columns = ["id", "n", "note"];
    let target = target(&mut *session, "t", &columns, 1, WriteMode::InsertIgnore).await;
    write(
        &mut *session,
        vec![rows(&target, &[put(1, int(1), text("a"))])],
    )
    .await;
    let records = [
        put(1, int(2), text("b")),
        put(2, int(2), text("c")),
        put(2, int(3), text("d")),
    ];
    write(&mut *session, vec![rows(&target, &records)]).await;
    let stored = database.rows("t", &["id", "n", "note"]).await;
    assert_eq!(stored, ["1,1,a", "2,2,c"]);
    // Other rules hold as ever.
    let refused = rows_only(vec![rows(&target, &[put(3, NULL, NULL)])]);
    let error = session.write(&refused).await.expect_err("no number");
    assert_eq!(error.class(), rowdock_connectors::ErrorClass::Record);
}

/// A row gives way to a newer one only, in a batch as between batches.
pub(crate) async fn a_guard_keeps_the_newest(database: &impl Database) {
    let mut session = session(database).await;
    let unguarded = upserted(&mut *session, "t").await;
    let guarded = std::sync::Arc::new(rowdock_connectors::Target {
        guard: Some(1),
        ..rowdock_connectors::Target::clone(&unguarded)
    });
    let records = [put(1, int(5), text("a")), put(2, int(5), text("a"))];
    write(&mut *session, vec![rows(&guarded, &records)]).await;
    let records = [
        put(1, int(4), text("older")),
        put(2, int(7), text("newer")),
        put(2, int(6), text("late")),
        put(3, int(1), ABSENT),
        put(1, int(5), text("same")),
    ];
    write(&mut *session, vec![rows(&guarded, &records)]).await;
    let stored = database.rows("t", &["id", "n", "note"]).await;
    assert_eq!(stored, ["1,5,a", "2,7,newer", "3,1,null"]);
}
