//! Tables that a foreign key binds: their rows come in the order of the log.

use std::sync::Arc;

use rowdock_connectors::{Cell, Session, TableRows, Target, WriteMode, WriteOutcome};

use super::support::{
    Outside, Record, batch, claim, gone, int, moved, put, rows, session, start, target,
};

const NULL: Cell<'static> = Cell::Null;

/// Orders, of which number 1 is there, and items, each of an order; `rule` is for orders that go.
async fn tables(
    database: &impl Outside,
    session: &mut dyn Session,
    rule: &str,
) -> (Arc<Target>, Arc<Target>) {
    for table in ["items", "orders"] {
        let drop = format!("DROP TABLE IF EXISTS {table}");
        database.execute(&drop).await;
    }
    let columns = "(id bigint NOT NULL PRIMARY KEY, n bigint NOT NULL, note varchar(10)";
    let orders = format!("CREATE TABLE orders {columns})");
    database.execute(&orders).await;
    let items =
        format!("CREATE TABLE items {columns}, FOREIGN KEY (n) REFERENCES orders (id) {rule})");
    database.execute(&items).await;
    database
        .execute("INSERT INTO orders (id, n) VALUES (1, 0)")
        .await;
    let columns = ["id", "n", "note"];
    let orders = target(session, "orders", &columns, 1, WriteMode::Upsert).await;
    let items = target(session, "items", &columns, 1, WriteMode::Upsert).await;
    (orders, items)
}

/// An order; or an item of an order.
fn of(id: i64, n: i64) -> Record<'static> {
    put(id, int(n), NULL)
}

/// Rows of a partition at these offsets.
fn at(position: u32, target: &Arc<Target>, records: &[(i64, Record<'_>)]) -> TableRows {
    let (offsets, records): (Vec<i64>, Vec<Record<'_>>) = records.iter().cloned().unzip();
    let mut rows = rows(target, &records);
    for (origin, offset) in rows.origins.iter_mut().zip(offsets) {
        (origin.position, origin.offset) = (position, offset);
    }
    rows
}

/// Orders and their items in one partition: made, and taken away.
pub(crate) async fn rows_come_in_the_order_of_the_log(database: &impl Outside) {
    let mut session = session(database).await;
    start(&mut *session, 2).await;
    let id = claim(&mut *session, &[0, 1]).await;
    for (partition, rule) in [(0, ""), (1, "ON DELETE RESTRICT")] {
        let (orders, items) = tables(database, &mut *session, rule).await;
        let batches = [
            vec![
                at(0, &items, &[(0, of(10, 1)), (2, of(20, 2))]),
                at(0, &orders, &[(1, of(2, 0))]),
            ],
            vec![
                at(0, &orders, &[(3, of(3, 0)), (5, gone(2))]),
                at(0, &items, &[(4, gone(20)), (6, of(30, 3))]),
            ],
        ];
        for (tables, (from, to)) in batches.into_iter().zip([(0, 3), (3, 7)]) {
            let written = batch(vec![moved(partition, id, from, to)], tables);
            let outcome = session.write(&written).await.expect("the log has an order");
            assert_eq!(outcome, WriteOutcome::Committed);
            let again = session.write(&written).await.expect("answered");
            assert_eq!(again, WriteOutcome::Fenced(vec![0]), "the position moved");
        }
        assert_eq!(database.rows("orders", &["id"]).await, ["1", "3"]);
        assert_eq!(database.rows("items", &["id", "n"]).await, ["10,1", "30,3"]);
    }
}

/// Between partitions any order will do.
pub(crate) async fn rows_of_several_partitions_find_an_order(database: &impl Outside) {
    let mut session = session(database).await;
    start(&mut *session, 2).await;
    let id = claim(&mut *session, &[0, 1]).await;
    let (orders, items) = tables(database, &mut *session, "").await;
    let written = batch(
        vec![moved(0, id, 0, 2), moved(1, id, 0, 2)],
        vec![
            at(0, &items, &[(0, of(20, 2)), (1, of(30, 3))]),
            at(1, &orders, &[(0, of(2, 0)), (1, of(3, 0))]),
        ],
    );
    let outcome = session.write(&written).await.expect("there is an order");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(database.rows("items", &["id", "n"]).await, ["20,2", "30,3"]);
}

/// Only rows that no order helps are blamed, whatever else is wrong with the batch.
pub(crate) async fn no_row_is_blamed_for_the_order(database: &impl Outside) {
    let mut session = session(database).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let (orders, items) = tables(database, &mut *session, "").await;
    let of_items = [
        (0, put(10, NULL, NULL)),
        (2, of(20, 2)),
        (3, of(21, 99)),
        (5, of(40, 4)),
        (6, of(50, 5)),
    ];
    let of_orders = [(1, of(2, 0)), (4, of(4, 0)), (7, of(5, 0)), (8, gone(1))];
    let tables = vec![at(0, &items, &of_items), at(0, &orders, &of_orders)];
    let mut written = batch(vec![moved(0, id, 0, 9)], tables);
    session.write(&written).await.expect_err("refused");
    let found = session.find_rejects(&written).await.expect("found");
    let places: Vec<(usize, usize)> = found.iter().map(|bad| (bad.table, bad.row)).collect();
    // Without a number; of no order; before its order.
    assert_eq!(places, [(0, 0), (0, 2), (0, 4)], "{found:?}");
    written.retain_rows(|table, row, _| !places.contains(&(table, row)));
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(database.rows("orders", &["id"]).await, ["2", "4", "5"]);
    assert_eq!(database.rows("items", &["id", "n"]).await, ["20,2", "40,4"]);
}

/// Comments, each of which may answer another; number 1 is there, and number 2, which answers it.
async fn answers(
    database: &impl Outside,
    session: &mut dyn Session,
    mode: WriteMode,
) -> Arc<Target> {
    database.execute("DROP TABLE IF EXISTS comments").await;
    database
        .execute(
            "CREATE TABLE comments (id bigint NOT NULL PRIMARY KEY, n bigint, note varchar(10), \
             FOREIGN KEY (n) REFERENCES comments (id))",
        )
        .await;
    database
        .execute("INSERT INTO comments (id, n) VALUES (1, NULL)")
        .await;
    database
        .execute("INSERT INTO comments (id, n) VALUES (2, 1)")
        .await;
    target(session, "comments", &["id", "n", "note"], 1, mode).await
}

/// Whatever the order of their keys is.
pub(crate) async fn rows_of_one_table_come_in_the_order_of_the_log(database: &impl Outside) {
    let mut session = session(database).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let first = put(9, NULL, NULL);
    let made = [first, of(5, 9), of(3, 5), gone(2), gone(1)];
    let new = ["3,5", "5,9", "9,null"];
    for (mode, from, expected) in [
        (WriteMode::Upsert, 0, new),
        (WriteMode::InsertIgnore, 5, new),
        (WriteMode::Insert, 10, new),
    ] {
        let comments = answers(database, &mut *session, mode).await;
        let written = batch(
            vec![moved(0, id, from, from + 5)],
            vec![rows(&comments, &made)],
        );
        let outcome = session.write(&written).await.expect("the log has an order");
        assert_eq!(outcome, WriteOutcome::Committed);
        assert_eq!(database.rows("comments", &["id", "n"]).await, expected);
    }
}

/// The same of rows that are written by different statements.
pub(crate) async fn statements_of_one_table_come_in_the_order_of_the_log(database: &impl Outside) {
    let mut session = session(database).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let freed = [put(2, NULL, Cell::Absent), gone(1)];
    let note = Cell::Text("first");
    let shaped = [put(9, Cell::Absent, note), put(3, int(9), Cell::Absent)];
    for (mode, from, records, expected) in [
        (WriteMode::Update, 0, &freed, vec!["2,null"]),
        (WriteMode::Upsert, 2, &freed, vec!["2,null"]),
        (
            WriteMode::Upsert,
            4,
            &shaped,
            vec!["1,null", "2,1", "3,9", "9,null"],
        ),
    ] {
        let comments = answers(database, &mut *session, mode).await;
        let written = batch(
            vec![moved(0, id, from, from + 2)],
            vec![rows(&comments, records)],
        );
        let outcome = session.write(&written).await.expect("the log has an order");
        assert_eq!(outcome, WriteOutcome::Committed);
        assert_eq!(database.rows("comments", &["id", "n"]).await, expected);
    }
}

/// Only rows that no order helps are blamed, in one table as in several.
pub(crate) async fn no_row_is_blamed_for_the_order_in_its_table(database: &impl Outside) {
    let mut session = session(database).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let comments = answers(database, &mut *session, WriteMode::Upsert).await;
    let records = [put(9, NULL, NULL), of(5, 9), of(8, 77), of(4, 8), of(3, 5)];
    let mut written = batch(vec![moved(0, id, 0, 5)], vec![rows(&comments, &records)]);
    session.write(&written).await.expect_err("refused");
    let found = session.find_rejects(&written).await.expect("found");
    let places: Vec<usize> = found.iter().map(|bad| bad.row).collect();
    // An answer to none, and the answer to that.
    assert_eq!(places, [2, 3], "{found:?}");
    written.retain_rows(|_, row, _| !places.contains(&row));
    session.write(&written).await.expect("written");
    let stored = database.rows("comments", &["id", "n"]).await;
    assert_eq!(stored, ["1,null", "2,1", "3,5", "5,9", "9,null"]);
}
