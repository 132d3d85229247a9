//! Every mode against rows that are there: update, insert_ignore, the guard, truncate, and tables
//! that are changed to hold more.

use std::sync::Arc;
use std::time::Duration;

use rowdock_connectors::postgres::PostgresSink;
use rowdock_connectors::{
    Cell, ColumnType, ErrorClass, NewColumn, RowKind, Session, Sink, TableName, TableRows, Target,
    WriteMode, WriteOutcome,
};

use super::database::{Database, open, push, push_kind, rows, rows_only};

async fn write(session: &mut dyn Session, tables: Vec<TableRows>) {
    let outcome = session.write(&rows_only(tables)).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

const ALL: &str = "SELECT t::text FROM t ORDER BY id";

#[tokio::test]
async fn updates_change_only_rows_that_are_there() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id char(4) PRIMARY KEY, n int4, name varchar(5) NOT NULL); \
             CREATE TABLE plain (id int8, n int4, name varchar(5)); \
             INSERT INTO plain VALUES (1, 1, 'one'), (2, 2, 'two'), (2, 3, 'too'); \
             INSERT INTO t VALUES ('a', 1, 'one'), ('b', 2, 'two')",
        )
        .await;
    let mut session = database.session().await;
    let columns = ["id", "n", "name"];
    let target = database
        .target(&mut *session, "plain", &columns, 1, WriteMode::Update)
        .await;
    let (int, text) = (Cell::Int, Cell::Text);
    let mut records = rows(
        &target,
        &[
            &[int(1), int(10), Cell::Absent],
            &[int(2), Cell::Absent, text("new")],
            &[int(3), int(30), text("three")],
            &[int(1), Cell::Absent, Cell::Null],
            &[int(2), Cell::Absent, Cell::Absent],
        ],
    );
    write(&mut *session, vec![records.clone()]).await;
    let found = "SELECT plain::text FROM plain ORDER BY id, n";
    let expected = ["(1,10,)", "(2,2,new)", "(2,3,new)"];
    assert_eq!(database.texts(found).await, expected);

    // Too long is an error, not cut.
    push(
        &mut records,
        &[int(1), Cell::Absent, text("too long")],
        false,
    );
    let error = session.write(&rows_only(vec![records])).await;
    let error = error.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");

    // A key that only the table can compare.
    let target = database
        .target(&mut *session, "t", &columns, 1, WriteMode::Update)
        .await;
    let records = rows(
        &target,
        &[
            &[text("a "), int(7), Cell::Absent],
            &[text("a"), int(8), Cell::Absent],
            &[text("c"), int(9), Cell::Absent],
        ],
    );
    write(&mut *session, vec![records]).await;
    assert_eq!(
        database.texts(ALL).await,
        ["(\"a   \",8,one)", "(\"b   \",2,two)"]
    );
}

#[tokio::test]
async fn only_the_keys_conflict_is_passed_over() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, code text UNIQUE, n int4 CHECK (n > 0)); \
             INSERT INTO t VALUES (1, 'a', 1)",
        )
        .await;
    let mut session = database.session().await;
    let target = database
        .target(
            &mut *session,
            "t",
            &["id", "code", "n"],
            1,
            WriteMode::InsertIgnore,
        )
        .await;
    let (int, text) = (Cell::Int, Cell::Text);
    let good = rows(
        &target,
        &[
            &[int(1), text("x"), int(9)],
            &[int(2), text("b"), int(2)],
            &[int(2), text("c"), int(3)],
            &[int(3), Cell::Absent, int(3)],
        ],
    );
    write(&mut *session, vec![good.clone()]).await;
    write(&mut *session, vec![good]).await;
    assert_eq!(database.texts(ALL).await, ["(1,a,1)", "(2,b,2)", "(3,,3)"]);
    for bad in [[int(4), text("a"), int(1)], [int(4), text("d"), int(0)]] {
        let refused = session
            .write(&rows_only(vec![rows(&target, &[&bad])]))
            .await;
        let error = refused.expect_err("refused");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
    }
    assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 3);
}

#[tokio::test]
async fn a_guard_lets_only_newer_values_in() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, version numeric, a text, b text); \
             INSERT INTO t VALUES (1, 5, 'old', 'old'), (2, NULL, 'old', 'old')",
        )
        .await;
    let mut session = database.session().await;
    let (int, text, version) = (Cell::Int, Cell::Text, Cell::Decimal);
    for (mode, expected) in [
        (
            WriteMode::Upsert,
            ["(1,10,old,new)", "(2,1,new,old)", "(3,2,first,second)"].as_slice(),
        ),
        (
            WriteMode::Update,
            ["(1,11,old,new)", "(2,1,new,old)", "(3,2,first,second)"].as_slice(),
        ),
    ] {
        let target = database
            .target(&mut *session, "t", &["id", "version", "a", "b"], 1, mode)
            .await;
        let target = Arc::new(Target {
            guard: Some(1),
            ..(*target).clone()
        });
        let newest = if mode == WriteMode::Upsert {
            "10"
        } else {
            "11"
        };
        let records = rows(
            &target,
            &[
                // 3 is older than what is there, so its a must not get in with 10.
                &[int(1), version("3"), text("new"), Cell::Absent],
                &[int(1), version(newest), Cell::Absent, text("new")],
                &[int(1), version("9.5"), text("late"), text("late")],
                &[int(2), version("1"), text("new"), Cell::Absent],
                &[int(3), version("1"), text("first"), text("first")],
                &[int(3), version("2"), Cell::Absent, text("second")],
                &[int(3), version("2.0"), text("same"), text("same")],
            ],
        );
        write(&mut *session, vec![records]).await;
        assert_eq!(database.texts(ALL).await, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn a_truncate_has_its_place_among_the_records() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, n int4); INSERT INTO t VALUES (7, 7); \
             CREATE TABLE other (id int8); INSERT INTO other VALUES (1); \
             CREATE VIEW seen AS SELECT * FROM t",
        )
        .await;
    let mut session = database.session().await;
    for table in ["t", "seen"] {
        let target = database
            .target(&mut *session, table, &["id", "n"], 1, WriteMode::Insert)
            .await;
        let mut records = TableRows::new(target);
        let write_one = |id| [Cell::Int(id), Cell::Int(0)];
        push(&mut records, &write_one(1), false);
        push_kind(&mut records, &[Cell::Absent; 2], RowKind::Truncate);
        push(&mut records, &write_one(2), false);
        push(&mut records, &write_one(3), false);
        push(&mut records, &write_one(2), true);
        write(&mut *session, vec![records]).await;
        assert_eq!(database.texts(ALL).await, ["(3,0)"], "{table}");
    }
    assert_eq!(database.value::<i64>("SELECT count(*) FROM other").await, 1);
}

/// Which PostgreSQL does not truncate, even where no row refers to it.
#[tokio::test]
async fn a_table_that_others_refer_to_is_emptied_too() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, n int4); \
             CREATE TABLE child (parent int8 REFERENCES t); \
             CREATE TABLE parted (id int8, n int4, PRIMARY KEY (id)) PARTITION BY LIST (id); \
             CREATE TABLE part PARTITION OF parted DEFAULT; \
             CREATE TABLE other (parent int8 REFERENCES part); \
             CREATE TABLE itself (id int8 PRIMARY KEY, n int4, parent int8 REFERENCES itself); \
             CREATE TABLE late (id int8 PRIMARY KEY, n int4)",
        )
        .await;
    let mut session = database.session().await;
    for table in ["t", "parted", "itself", "late"] {
        let target = database
            .target(&mut *session, table, &["id", "n"], 1, WriteMode::Insert)
            .await;
        for round in 0..2 {
            let mut records = TableRows::new(Arc::clone(&target));
            push_kind(&mut records, &[Cell::Absent; 2], RowKind::Truncate);
            push(&mut records, &[Cell::Int(round), Cell::Int(0)], false);
            write(&mut *session, vec![records]).await;
            let all = format!("SELECT string_agg(id::text, ' ') FROM {table}");
            let found: String = database.value(&all).await;
            assert_eq!(found, round.to_string(), "{table}");
            if table == "late" && round == 0 {
                let refer = "CREATE TABLE last (parent int8 REFERENCES late)";
                database.run(refer).await;
            }
        }
    }
}

fn column(name: &str, column_type: ColumnType) -> NewColumn {
    NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: false,
        default: None,
    }
}

fn text(max_chars: Option<u32>) -> ColumnType {
    ColumnType::Text { max_chars }
}

const NO_LIMITS: ColumnType = ColumnType::Decimal {
    precision: None,
    scale: None,
};

#[tokio::test]
async fn tables_are_widened_by_many_at_once_and_keep_their_rows() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int4 PRIMARY KEY, s int2, r real, d numeric(4,1), v varchar(3), \
             c char(2)); INSERT INTO t VALUES (1, 2, 0.5, 100.5, 'abc', 'x')",
        )
        .await;
    let name = TableName::parse("t");
    let wanted = Arc::new([
        column("id", ColumnType::Int64),
        column("s", ColumnType::Int32),
        column("r", ColumnType::Float64),
        column("d", NO_LIMITS),
        column("v", text(None)),
        column("c", text(Some(9))),
        column("New \"one\"", ColumnType::Json),
        column("at", ColumnType::TimestampTz),
    ]);
    let mut evolving = Vec::new();
    for _ in 0..6 {
        let sink = PostgresSink::new(database.options()).expect("options");
        let mut session = sink.open().await.expect("opened");
        let (name, wanted) = (name.clone(), Arc::clone(&wanted));
        evolving.push(tokio::spawn(async move {
            session.evolve_table(&name, &wanted[..]).await
        }));
    }
    let mut evolved = Vec::new();
    for evolving in evolving {
        evolved.push(evolving.await.expect("ran").expect("evolved"));
    }
    assert!(evolved.iter().all(|table| *table == evolved[0]));
    let types: Vec<&str> = evolved[0]
        .columns
        .iter()
        .map(|column| column.native_type.as_str())
        .collect();
    let expected = [
        "bigint",
        "integer",
        "double precision",
        "numeric",
        "text",
        "character(9)",
        "jsonb",
        "timestamp with time zone",
    ];
    assert_eq!(types, expected);
    let row = "(1,2,0.5,100.5,abc,\"x        \",,)";
    assert_eq!(database.texts(ALL).await, [row]);
}

#[tokio::test]
async fn what_cannot_be_widened_is_told_with_the_statement() {
    let database = Database::new().await;
    database
        .run(
            "CREATE DOMAIN small AS int4 CHECK (VALUE < 100); \
             CREATE DOMAIN numeric_amount AS numeric(4,2); \
             CREATE TABLE t (id small, n int4, amount numeric_amount); \
             CREATE VIEW v AS SELECT n FROM t",
        )
        .await;
    let mut session = database.session().await;
    let long = "x".repeat(64);
    for (table, wanted, parts) in [
        ("t", "id", ["\"id\"", "small", "TYPE bigint"]),
        ("t", "amount", ["\"amount\"", "numeric_amount", "a domain"]),
        // A view uses the column.
        ("t", "n", ["\"n\"", "integer", "TYPE bigint"]),
        ("v", "more", ["\"more\"", "64-bit integer", "ADD COLUMN"]),
        ("t", &long, [&long, "63 bytes", "column"]),
    ] {
        let wanted = [column(wanted, ColumnType::Int64)];
        let refused = session
            .evolve_table(&TableName::parse(table), &wanted)
            .await;
        let error = refused.expect_err("refused");
        assert_eq!(error.class(), ErrorClass::Record, "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
        assert!(!error.connection_lost(), "{error}");
    }
    let gone = session.evolve_table(&TableName::parse("gone"), &[]).await;
    assert!(gone.expect_err("no such table").table_changed());
}

/// The index, which is made anew with the table, takes for ever, but not for the test's own row.
#[tokio::test]
async fn a_change_that_takes_too_long_is_left_to_people() {
    let database = Database::new().await;
    database
        .run(
            "CREATE FUNCTION slow(n int8) RETURNS int8 IMMUTABLE LANGUAGE plpgsql AS \
                 $$BEGIN IF current_setting('application_name') LIKE 'rowdock/%' THEN \
                     PERFORM pg_sleep(600); END IF; RETURN n; END$$; \
             CREATE TABLE t (id int8, n int4); CREATE INDEX ON t (slow(id)); \
             INSERT INTO t VALUES (1, 1)",
        )
        .await;
    let mut options = database.options();
    options.timeouts.statement = Duration::from_secs(4);
    let mut session = open(options).await;
    let name = TableName::parse("t");
    let wanted = [column("n", ColumnType::Int64)];
    let refused = session.evolve_table(&name, &wanted).await;
    let error = refused.expect_err("takes too long");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    assert!(!error.connection_lost(), "{error}");
    let by_hand = "ALTER TABLE \"t\" ALTER COLUMN \"n\" TYPE bigint";
    assert!(error.to_string().contains(by_hand), "{error}");
    database.run(by_hand).await;
    let evolved = session.evolve_table(&name, &wanted).await;
    assert_eq!(evolved.expect("as wanted").columns[1].native_type, "bigint");
}

#[tokio::test]
async fn a_table_that_changed_is_noticed() {
    let database = Database::new().await;
    let changes = [
        "DROP TABLE t",
        "ALTER TABLE t DROP COLUMN n",
        "ALTER TABLE t ALTER COLUMN n TYPE int8",
        "ALTER TABLE t DROP CONSTRAINT t_pkey",
    ];
    for (index, change) in changes.into_iter().enumerate() {
        database
            .run("DROP TABLE IF EXISTS t; CREATE TABLE t (id int8 PRIMARY KEY, n int4)")
            .await;
        let mut session = database.session().await;
        for mode in [WriteMode::Insert, WriteMode::Upsert] {
            let target = database
                .target(&mut *session, "t", &["id", "n"], 1, mode)
                .await;
            let ids = 0..40_i64;
            let cells: Vec<[Cell<'_>; 2]> = ids.map(|id| [Cell::Int(id), Cell::Int(1)]).collect();
            let cells: Vec<&[Cell<'_>]> = cells.iter().map(<[_; 2]>::as_slice).collect();
            let records = rows(&target, &cells);
            write(&mut *session, vec![records.clone()]).await;
            if mode == WriteMode::Insert {
                database.run("TRUNCATE t").await;
                continue;
            }
            database.run(change).await;
            let again = session.write(&rows_only(vec![records])).await;
            // Integers go into a wider column as they are.
            if index == 2 {
                assert_eq!(again.expect("written"), WriteOutcome::Committed);
                continue;
            }
            let error = again.expect_err(change);
            assert!(error.table_changed(), "{change}: {error}");
        }
    }
}
