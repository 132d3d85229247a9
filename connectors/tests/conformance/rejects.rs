//! Rows that the database refuses.

use rowdock_connectors::{Cell, ErrorClass, WriteMode, WriteOutcome};

use super::support::{
    appended, batch, claim, int, moved, put, rows, rows_only, session, start, table, target,
};
use super::{Database, Server};
use crate::wire::Wire;

const NULL: Cell<'static> = Cell::Null;

pub(crate) async fn a_refused_row_is_found(database: &impl Database) {
    let mut session = session(database).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let target = appended(&mut *session, "t").await;
    let mut records: Vec<_> = (0..300).map(|row| put(row, int(row), NULL)).collect();
    records[211] = put(211, NULL, NULL);
    let refused = batch(vec![moved(0, id, 0, 300)], vec![rows(&target, &records)]);
    let error = session.write(&refused).await.expect_err("no number");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    assert!(!error.connection_lost());
    let found = session.find_rejects(&refused).await.expect("found");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].table, found[0].row), (0, 211));
    assert!(found[0].reason.contains('n'), "{}", found[0].reason);
    assert!(
        database.rows("t", &["id"]).await.is_empty(),
        "nothing stays"
    );
    let mut rest = refused;
    rest.retain_rows(|_, row, _| row != 211);
    let outcome = session.write(&rest).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    assert_eq!(database.rows("t", &["id"]).await.len(), 299);
}

/// At most `2 log2(n) + 2` of those that carry rows, wherever the row is.
pub(crate) async fn a_refused_row_among_thousands_is_found_in_few_statements(server: &impl Server) {
    const ROWS: i64 = 5_000;
    const STATEMENTS_MAX: usize = 26;
    for (table, bad) in [("first", 0), ("middle", 3_141), ("last", ROWS - 1)] {
        let wire = Wire::to(&server.address()).await;
        let opened = server.sink_at(&wire.address).open().await;
        let mut session = opened.expect("session");
        let target = appended(&mut *session, table).await;
        let number = |row| if row == bad { NULL } else { int(row) };
        let records: Vec<_> = (0..ROWS).map(|row| put(row, number(row), NULL)).collect();
        let refused = rows_only(vec![rows(&target, &records)]);
        session.write(&refused).await.expect_err("no number");
        let before = server.statements(&wire.said());
        let found = session.find_rejects(&refused).await.expect("found");
        let statements = server.statements(&wire.said()) - before;
        let places: Vec<i64> = found
            .iter()
            .map(|reject| i64::try_from(reject.row).unwrap())
            .collect();
        assert_eq!(places, [bad]);
        assert!(
            (10..=STATEMENTS_MAX).contains(&statements),
            "row {bad}: {statements} statements"
        );
    }
}

/// Of several tables, at both ends, and one that is at fault only because of another.
pub(crate) async fn several_refused_rows_are_found(database: &impl Database) {
    let mut session = session(database).await;
    let first = appended(&mut *session, "a").await;
    table(&mut *session, "b", true).await;
    let columns = ["id", "n", "note"];
    let second = target(&mut *session, "b", &columns, 1, WriteMode::Insert).await;
    let mut to_first: Vec<_> = (0..20).map(|row| put(row, int(row), NULL)).collect();
    to_first[0] = put(0, NULL, NULL);
    to_first[19] = put(19, NULL, NULL);
    let mut to_second: Vec<_> = (0..20).map(|row| put(row, int(row), NULL)).collect();
    to_second[7] = put(3, int(7), NULL);
    let tables = vec![rows(&first, &to_first), rows(&second, &to_second)];
    let refused = rows_only(tables);
    let error = session.write(&refused).await.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    let found = session.find_rejects(&refused).await.expect("found");
    let places: Vec<_> = found
        .iter()
        .map(|reject| (reject.table, reject.row))
        .collect();
    assert_eq!(places, [(0, 0), (0, 19), (1, 7)]);
    let again = session.find_rejects(&refused).await.expect("found");
    assert_eq!(again, found, "looking changes nothing");
}

pub(crate) async fn nothing_of_a_refused_batch_stays(database: &impl Database) {
    let mut session = session(database).await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let target = appended(&mut *session, "t").await;
    let records = [put(1, int(1), NULL), put(2, NULL, NULL)];
    let refused = batch(vec![moved(0, id, 0, 2)], vec![rows(&target, &records)]);
    session.write(&refused).await.expect_err("no number");
    assert!(database.rows("t", &["id"]).await.is_empty());
    // The position, too, stands where it stood.
    let records = [put(1, int(1), NULL)];
    let accepted = batch(vec![moved(0, id, 0, 2)], vec![rows(&target, &records)]);
    let outcome = session.write(&accepted).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let accepted = session.find_rejects(&accepted).await.expect("looked");
    assert!(accepted.is_empty(), "{accepted:?}");
    assert_eq!(database.rows("t", &["id"]).await, ["1"]);
}
