//! Rows that the database refuses: found, named without their values, and left out.

use rowdock_connectors::{Batch, Cell, ErrorClass, Session, WriteMode, WriteOutcome};

use super::database::{Database, batch, claim, moved, push, rows, rows_only, start};

const SECRET: &str = "s3cret";

/// Writes, and returns the refused rows and why, after it was refused.
async fn refused(session: &mut dyn Session, batch: &Batch) -> Vec<(usize, usize, String)> {
    let error = session.write(batch).await.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    assert!(!error.connection_lost());
    assert!(!error.to_string().contains(SECRET), "{error}");
    let found = session.find_rejects(batch).await.expect("found");
    for reject in &found {
        assert!(!reject.reason.contains(SECRET), "{}", reject.reason);
    }
    found
        .into_iter()
        .map(|reject| (reject.table, reject.row, reject.reason))
        .collect()
}

#[tokio::test]
async fn each_rule_is_named_without_values() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TYPE mood AS ENUM ('sad', 'happy'); \
             CREATE TABLE parent (id int8 PRIMARY KEY); \
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$BEGIN IF NEW.note = 's3cret trigger' THEN RAISE 'no %', NEW.note; END IF; \
                   IF NEW.note = 's3cret code' THEN \
                       RAISE EXCEPTION 'no %', NEW.note USING ERRCODE = 'ZX001'; END IF; \
                   IF NEW.note = 's3cret twice' THEN \
                       NEW.short = (SELECT 'x' FROM generate_series(1, 2)); END IF; \
                   RETURN NEW; END$$; \
             CREATE TABLE t (id int8 CONSTRAINT t_key PRIMARY KEY, \
                 needed text NOT NULL, short varchar(5), feeling mood, doc jsonb, \
                 amount numeric(4,2), price money, parent int8 CONSTRAINT has_parent REFERENCES parent, \
                 note text CONSTRAINT no_secret CHECK (note <> 's3cret'), \
                 big text, at timestamp); \
             CREATE UNIQUE INDEX on_big ON t (big); \
             CREATE TRIGGER refuse BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION refuse(); \
             INSERT INTO t (id, needed) VALUES (1, '')",
        )
        .await;
    let mut session = database.session().await;
    // Not compressible, so too large for an index.
    let big: String = (0..20_000_u64)
        .map(|n| format!("{:x}", (n * n * 7919) % 104_729))
        .collect();
    let long = "s3cret too long";
    let cases: [(&str, Cell<'_>, &[&str]); 14] = [
        (
            "id",
            Cell::Int(1),
            &["key that is there", "\"t_key\"", "23505"],
        ),
        (
            "needed",
            Cell::Null,
            &["null in a column", "\"needed\"", "\"t\"", "23502"],
        ),
        ("short", Cell::Text(long), &["too long", "22001"]),
        (
            "feeling",
            Cell::Text(SECRET),
            &["does not fit the column's type", "22P02"],
        ),
        ("doc", Cell::Json("{s3cret"), &["22P02"]),
        ("doc", Cell::Json("\"s3cret\\u0000\""), &["22P05"]),
        (
            "amount",
            Cell::Decimal("1000"),
            &["out of the column's range", "22003"],
        ),
        (
            "parent",
            Cell::Int(5),
            &["foreign key", "\"has_parent\"", "23503"],
        ),
        (
            "note",
            Cell::Text(SECRET),
            &["check constraint", "\"no_secret\"", "23514"],
        ),
        (
            "note",
            Cell::Text("s3cret trigger"),
            &["raised an exception", "P0001"],
        ),
        (
            "note",
            Cell::Text("s3cret code"),
            &["an error of its own", "ZX001"],
        ),
        (
            "note",
            Cell::Text("s3cret twice"),
            &["found several rows", "21000"],
        ),
        (
            "amount",
            Cell::Decimal("-Infinity"),
            &["out of the column's range", "22003"],
        ),
        ("price", Cell::Decimal("NaN"), &["NaN", "0A000"]),
    ];
    for (column, cell, expected) in cases {
        check(&database, &mut *session, column, cell, expected).await;
    }
    check(
        &database,
        &mut *session,
        "big",
        Cell::Text(&big),
        &["too large", "54000"],
    )
    .await;
    let far = rowdock_connectors::Timestamp {
        seconds: i64::MAX / 2,
        nanos: 0,
    };
    check(
        &database,
        &mut *session,
        "at",
        Cell::Timestamp(far),
        &["out of range", "\"at\""],
    )
    .await;
}

/// One bad row among good ones, both few and enough for a copy.
async fn check(
    database: &Database,
    session: &mut dyn Session,
    column: &str,
    cell: Cell<'_>,
    expected: &[&str],
) {
    let columns = match column {
        "id" | "needed" => vec!["id", "needed"],
        column => vec!["id", "needed", column],
    };
    for (row_count, bad) in [(1, 0), (7, 3), (100, 61)] {
        let target = database
            .target(session, "t", &columns, 1, WriteMode::Insert)
            .await;
        let mut written = rows(&target, &[]);
        for row in 0..row_count {
            let id = Cell::Int(10 + i64::try_from(row).expect("few"));
            let mut cells = vec![id, Cell::Text("x"), Cell::Null];
            cells.truncate(columns.len());
            if row == bad {
                let place = columns.iter().position(|name| *name == column);
                cells[place.expect("column")] = cell;
            }
            push(&mut written, &cells, false);
        }
        let found = refused(session, &rows_only(vec![written])).await;
        let [(0, row, reason)] = found.as_slice() else {
            panic!("{column}: {found:?}");
        };
        assert_eq!(*row, bad, "{column} {reason}");
        for part in expected {
            assert!(reason.contains(part), "{column}: {part} in {reason}");
        }
        assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 1);
    }
}

#[tokio::test]
async fn a_batch_goes_on_without_its_refused_rows() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE a (n int8 CHECK (n % 10 <> 3)); CREATE TABLE b (id int8 PRIMARY KEY)")
        .await;
    let mut session = database.session().await;
    start(&mut *session, 1).await;
    let id = claim(&mut *session, &[0]).await;
    let a = database
        .target(&mut *session, "a", &["n"], 0, WriteMode::Insert)
        .await;
    let b = database
        .target(&mut *session, "b", &["id"], 1, WriteMode::Insert)
        .await;
    let (mut to_a, mut to_b) = (rows(&a, &[]), rows(&b, &[]));
    for n in 0..50 {
        push(&mut to_a, &[Cell::Int(n)], false);
        push(&mut to_b, &[Cell::Int(n % 49)], false);
    }
    let mut written = batch(vec![moved(0, id, 0, 50)], vec![to_a, to_b]);
    let found = refused(&mut *session, &written).await;
    let places: Vec<(usize, usize)> = found.iter().map(|(table, row, _)| (*table, *row)).collect();
    assert_eq!(
        places,
        [(0, 3), (0, 13), (0, 23), (0, 33), (0, 43), (1, 49)]
    );
    let position = "SELECT next_offset FROM rowdock_progress WHERE partition = 0";
    assert_eq!(
        database.value::<i64>(position).await,
        0,
        "nothing has happened yet"
    );

    written.retain_rows(|table, row, _| !places.contains(&(table, row)));
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let counts = "SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM b)";
    assert_eq!(database.value::<String>(counts).await, "45 49");
    assert_eq!(database.value::<i64>(position).await, 50);
}

#[tokio::test]
async fn what_the_commit_refuses_is_found_too() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, \
             parent int8 CONSTRAINT has_parent REFERENCES t DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["id", "parent"], 1, WriteMode::Insert)
        .await;
    let mut written = rows(&target, &[]);
    for n in 0..40 {
        let parent = match n {
            0 => Cell::Null,
            17 => Cell::Int(999),
            n => Cell::Int(n - 1),
        };
        push(&mut written, &[Cell::Int(n), parent], false);
    }
    let mut written = rows_only(vec![written]);
    // The child of the refused row has lost its parent.
    let found = refused(&mut *session, &written).await;
    assert_eq!((found[0].0, found[0].1), (0, 17), "{found:?}");
    assert!(found[0].2.contains("\"has_parent\""), "{found:?}");
    let bad: Vec<usize> = found.iter().map(|(_, row, _)| *row).collect();
    written.retain_rows(|_, row, _| !bad.contains(&row));
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

/// Rows may come before those that they need, where only the commit looks.
#[tokio::test]
async fn a_row_that_waits_for_a_later_one_is_not_blamed() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, \
             parent int8 REFERENCES t DEFERRABLE INITIALLY DEFERRED); \
             CREATE TABLE child (id int8 PRIMARY KEY, \
             parent int8 REFERENCES t DEFERRABLE INITIALLY DEFERRED)",
        )
        .await;
    let mut session = database.session().await;
    let columns = ["id", "parent"];
    let target = database
        .target(&mut *session, "t", &columns, 1, WriteMode::Insert)
        .await;
    let child = database
        .target(&mut *session, "child", &columns, 1, WriteMode::Insert)
        .await;
    let (int, null) = (Cell::Int, Cell::Null);
    let records: [&[Cell<'_>]; 5] = [
        &[int(1), int(2)],
        &[int(2), int(3)],
        &[int(3), null],
        &[int(4), int(999)],
        &[int(5), int(4)],
    ];
    let children: [&[Cell<'_>]; 2] = [&[int(1), int(1)], &[int(2), int(999)]];
    let tables = vec![rows(&child, &children), rows(&target, &records)];
    let mut written = rows_only(tables);
    let found = refused(&mut *session, &written).await;
    let places: Vec<(usize, usize)> = found.iter().map(|(table, row, _)| (*table, *row)).collect();
    // The last one needs one that is refused.
    assert_eq!(places, [(0, 1), (1, 3), (1, 4)]);
    written.retain_rows(|table, row, _| !places.contains(&(table, row)));
    let outcome = session.write(&written).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

#[tokio::test]
async fn nothing_is_refused_where_nothing_is_wrong() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE t (at timestamp(0) PRIMARY KEY)")
        .await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["at"], 1, WriteMode::Upsert)
        .await;
    let within_a_second = [1, 2, 3].map(|tenth: u32| {
        Cell::Timestamp(rowdock_connectors::Timestamp {
            seconds: 5,
            nanos: tenth * 100_000_000,
        })
    });
    let mut written = rows(&target, &[]);
    for cell in within_a_second {
        push(&mut written, &[cell], false);
    }
    let found = session
        .find_rejects(&rows_only(vec![written]))
        .await
        .expect("tried");
    assert_eq!(found, []);
    assert_eq!(
        database.value::<i64>("SELECT count(*) FROM t").await,
        0,
        "rolled back"
    );
}

#[tokio::test]
async fn a_table_that_is_gone_stops() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n int8)").await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["n"], 0, WriteMode::Insert)
        .await;
    let written = rows_only(vec![rows(&target, &[&[Cell::Int(1)]])]);
    session.write(&written).await.expect("written");
    database.run("DROP TABLE t").await;
    let error = session.write(&written).await.expect_err("gone");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    database.run("CREATE TABLE t (n int8)").await;
    session.write(&written).await.expect("the session goes on");
}

/// The eight bytes of a whole number would make a float, too: just another one.
#[tokio::test]
async fn a_column_whose_type_has_changed_stops() {
    let database = Database::new().await;
    for (before, after) in [("int4", "int8"), ("int8", "float8"), ("int8", "text")] {
        let table = format!("{before}_{after}");
        database
            .run(&format!("CREATE TABLE {table} (n {before})"))
            .await;
        let mut session = database.session().await;
        let written = hundred_numbers(&database, &mut *session, &table).await;
        session.write(&written).await.expect("written");
        database
            .run(&format!("ALTER TABLE {table} ALTER n TYPE {after}"))
            .await;
        let error = session.write(&written).await.expect_err("another type");
        assert_eq!(error.class(), ErrorClass::Retry, "{error}");
        assert!(error.connection_lost(), "{error}");
        let mut reopened = database.session().await;
        let error = reopened.write(&written).await.expect_err("another type");
        assert_eq!(error.class(), ErrorClass::Stop, "{error}");
        assert!(error.to_string().contains("restart the task"), "{error}");
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(database.value::<i64>(&count).await, 100);
    }
}

#[tokio::test]
async fn other_changes_of_a_table_do_not_matter() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n int8)").await;
    let mut session = database.session().await;
    let written = hundred_numbers(&database, &mut *session, "t").await;
    for change in [
        "ALTER TABLE t ADD more text",
        "ALTER TABLE t ALTER n SET DEFAULT 7",
        "DROP TABLE t; CREATE TABLE t (other text, n int8)",
    ] {
        database.run(change).await;
        let outcome = session.write(&written).await.expect(change);
        assert_eq!(outcome, WriteOutcome::Committed, "{change}");
    }
    assert_eq!(
        database.value::<i64>("SELECT sum(n)::int8 FROM t").await,
        4_950
    );
}

async fn hundred_numbers(database: &Database, session: &mut dyn Session, table: &str) -> Batch {
    let target = database
        .target(session, table, &["n"], 0, WriteMode::Insert)
        .await;
    let mut written = rows(&target, &[]);
    for n in 0..100 {
        push(&mut written, &[Cell::Int(n)], false);
    }
    rows_only(vec![written])
}
