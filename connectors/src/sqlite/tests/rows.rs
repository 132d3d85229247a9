//! What arrives in tables: values of all types, upserts, deletes, folds, defaults.

use super::*;
use crate::row::Timestamp;

#[tokio::test]
async fn every_type_arrives_as_it_was() {
    let ddl = "CREATE TABLE t (
        b BOOLEAN, i INTEGER, f REAL, d DECIMAL(15,2), l DECIMAL_TEXT(38,10), s TEXT, v VARCHAR(3),
        x BLOB, day DATE, hour TIME, local TIMESTAMP, point TIMESTAMPTZ, u UUID, j JSON, plain)";
    let database = Database::new(ddl).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let time = Timestamp {
        seconds: 1_795_258_800,
        nanos: 123_456_000,
    };
    let full = [
        Cell::Bool(true),
        Cell::Int(i64::MIN),
        Cell::Float(0.1),
        Cell::Decimal("12.50"),
        Cell::Decimal("1234567890123456789012345678.0123456789"),
        Cell::Text("it's ä\0z"),
        Cell::Text("longer than three"),
        Cell::Bytes(&[0, 255]),
        Cell::Date(20_778),
        Cell::Time(45_296_000_000_000),
        Cell::Timestamp(time),
        Cell::Timestamp(time),
        Cell::Uuid([0x11; 16]),
        Cell::Json("{\"a\": 1.0}"),
        Cell::Text("007"),
    ];
    let nulls = [Cell::Null; 15];
    let absent = [Cell::Absent; 15];
    let rows = rows_of(
        &target,
        &[(&full, false), (&nulls, false), (&absent, false)],
    );
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    let columns = [
        "b", "i", "f", "d", "l", "hex(s)", "v", "x", "day", "hour", "local", "point", "u", "j",
        "plain",
    ];
    let found = database.query(&columns, "FROM t ORDER BY rowid").await;
    let values = [
        "1",
        "-9223372036854775808",
        "0.1",
        "12.5",
        "'1234567890123456789012345678.0123456789'",
        "'6974277320C3A4007A'",
        "'longer than three'",
        "X'00FF'",
        "'2026-11-21'",
        "'12:34:56.000000'",
        "'2026-11-21 11:00:00.123456'",
        "'2026-11-21 11:00:00.123456Z'",
        "'11111111-1111-1111-1111-111111111111'",
        "'{\"a\": 1.0}'",
        "'007'",
    ];
    let nulls = "NULL|NULL|NULL|NULL|NULL|''|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL";
    assert_eq!(found, [values.join("|").as_str(), nulls, nulls]);
}

#[tokio::test]
async fn sqlites_own_functions_read_what_is_written() {
    let database =
        Database::new("CREATE TABLE t (local TIMESTAMP, point TIMESTAMPTZ, day DATE)").await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let time = Cell::Timestamp(Timestamp {
        seconds: 1_795_258_800,
        nanos: 500_000_000,
    });
    let rows = rows_of(&target, &[(&[time, time, Cell::Date(20_778)], false)]);
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    let columns = [
        "strftime('%s', local)",
        "strftime('%s', point)",
        "datetime(point, '+1 second')",
        "date(day, '+1 day')",
        "local < '2026-11-21 11:00:01' AND local > datetime('2026-11-21 11:00:00')",
    ];
    let found = database.query(&columns, "FROM t").await;
    assert_eq!(
        found,
        ["'1795258800'|'1795258800'|'2026-11-21 11:00:01'|'2026-11-22'|1"]
    );
}

async fn check_refused(ddl: &str, cell: Cell<'_>, reason: &str) {
    let database = Database::new(ddl).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let rows = rows_of(&target, &[(&[cell], false)]);
    let error = write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    assert!(error.to_string().contains(reason), "{error}");
    assert_eq!(database.count("t").await, 0);
}

#[tokio::test]
async fn values_that_sqlite_would_change_are_refused() {
    let long = Cell::Decimal("12345678901234567.89");
    check_refused(
        "CREATE TABLE t (c DECIMAL(20,2))",
        long,
        "declare it DECIMAL_TEXT",
    )
    .await;
    check_refused("CREATE TABLE t (c REAL)", Cell::Float(f64::NAN), "NaN").await;
    check_refused(
        "CREATE TABLE t (c JSON)",
        Cell::Json("1.0"),
        "would change this number",
    )
    .await;
    check_refused(
        "CREATE TABLE t (c DATE)",
        Cell::Date(i32::MAX),
        "years 0000 to 9999",
    )
    .await;
    check_refused("CREATE TABLE t (c TIME)", Cell::Time(-1), "24:00").await;
    let infinity = Cell::Timestamp(Timestamp {
        seconds: i64::MAX,
        nanos: 0,
    });
    check_refused("CREATE TABLE t (c TIMESTAMP)", infinity, "no infinity").await;
}

#[tokio::test]
async fn a_column_of_any_type_in_a_strict_table_keeps_what_it_is_given() {
    let database = Database::new("CREATE TABLE t (k ANY PRIMARY KEY, v any) STRICT").await;
    let target = database.target("t", &["k"], WriteMode::Upsert).await;
    let texts = ["007", "1.50", " 7", "1e3", "7", "9223372036854775808"].map(Cell::Text);
    let rows: Vec<[Cell<'_>; 2]> = texts.iter().map(|text| [*text, *text]).collect();
    let records: Vec<Record<'_>> = rows.iter().map(|row| (row.as_slice(), false)).collect();
    let mut session = database.session().await;
    for _ in 0..2 {
        let rows = rows_of(&target, &records);
        write_rows_only(&mut session, rows).await.unwrap();
    }
    let found = database.query(&["k", "v"], "FROM t ORDER BY k").await;
    let expected = [
        "' 7'|' 7'",
        "'007'|'007'",
        "'1.50'|'1.50'",
        "'1e3'|'1e3'",
        "'7'|'7'",
        "'9223372036854775808'|'9223372036854775808'",
    ];
    assert_eq!(found, expected);
    let deletes: Vec<Record<'_>> = rows.iter().map(|row| (row.as_slice(), true)).collect();
    let rows = rows_of(&target, &deletes);
    write_rows_only(&mut session, rows).await.unwrap();
    assert_eq!(database.count("t").await, 0);
    // Elsewhere the word makes a column numeric.
    check_refused(
        "CREATE TABLE t (v ANY)",
        Cell::Text("007"),
        "another number",
    )
    .await;
}

#[tokio::test]
async fn absent_columns_take_their_defaults_and_keep_their_values() {
    let ddl =
        "CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT DEFAULT 'a0', b INTEGER NOT NULL DEFAULT 7)";
    let database = Database::new(ddl).await;
    let mut session = database.session().await;
    let target = database.target("t", &["k"], WriteMode::Upsert).await;
    let text = Cell::Text;
    let int = Cell::Int;
    let first = rows_of(
        &target,
        &[
            (&[int(1)], false),
            (&[int(2), text("a2")], false),
            (&[int(3), Cell::Null, int(3)], false),
        ],
    );
    write_rows_only(&mut session, first).await.unwrap();
    let columns = ["k", "a", "b"];
    let rest = "FROM t ORDER BY k";
    assert_eq!(
        database.query(&columns, rest).await,
        ["1|'a0'|7", "2|'a2'|7", "3|NULL|3"]
    );
    let second = rows_of(
        &target,
        &[
            (&[int(1), text("a1")], false),
            (&[int(2), Cell::Null, int(2)], false),
            (&[int(3)], false),
        ],
    );
    write_rows_only(&mut session, second).await.unwrap();
    assert_eq!(
        database.query(&columns, rest).await,
        ["1|'a1'|7", "2|NULL|2", "3|NULL|3"]
    );
}

#[tokio::test]
async fn one_batch_folds_upserts_and_deletes() {
    let database = Database::new("CREATE TABLE t (k1 TEXT, k2 INTEGER, a INTEGER, b INTEGER DEFAULT 9, PRIMARY KEY (k1, k2))").await;
    database
        .run("INSERT INTO t VALUES ('x', 1, 1, 1), ('x', 2, 2, 2), ('x', 3, 3, 3)")
        .await;
    let target = database.target("t", &["k1", "k2"], WriteMode::Upsert).await;
    let x = Cell::Text("x");
    let int = Cell::Int;
    let absent = Cell::Absent;
    let rows = rows_of(
        &target,
        &[
            (&[x, int(1), int(10)], false),
            (&[x, int(1), absent, int(11)], false),
            (&[x, int(2)], true),
            (&[x, int(2), int(20)], false),
            (&[x, int(3), int(30)], false),
            (&[x, int(3)], true),
            (&[x, int(4), int(40), int(40)], false),
            (&[x, int(5)], true),
        ],
    );
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    let found = database
        .query(&["k2", "a", "b"], "FROM t ORDER BY k2")
        .await;
    assert_eq!(found, ["1|10|11", "2|20|9", "4|40|40"]);
}

#[tokio::test]
async fn plain_inserts_and_deletes_keep_their_order() {
    let database = Database::new("CREATE TABLE t (k INTEGER PRIMARY KEY, a INTEGER)").await;
    let target = database.target("t", &["k"], WriteMode::Insert).await;
    let int = Cell::Int;
    let rows = rows_of(
        &target,
        &[
            (&[int(1), int(10)], false),
            (&[int(1)], true),
            (&[int(1), int(11)], false),
            (&[int(2), int(20)], false),
            (&[int(2)], true),
        ],
    );
    let mut session = database.session().await;
    write_rows_only(&mut session, rows).await.unwrap();
    assert_eq!(database.query(&["k", "a"], "FROM t").await, ["1|11"]);
    let twice = rows_of(
        &target,
        &[(&[int(3), int(1)], false), (&[int(3), int(2)], false)],
    );
    let error = write_rows_only(&mut session, twice).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
    assert_eq!(database.count("t").await, 1);
}

#[tokio::test]
async fn an_upsert_of_keys_only_leaves_the_row_alone() {
    let database = Database::new("CREATE TABLE t (k TEXT PRIMARY KEY, a INTEGER)").await;
    database.run("INSERT INTO t VALUES ('x', 1)").await;
    let target = database.target("t", &["k"], WriteMode::Upsert).await;
    let rows = rows_of(
        &target,
        &[(&[Cell::Text("x")], false), (&[Cell::Text("y")], false)],
    );
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    let found = database.query(&["k", "a"], "FROM t ORDER BY k").await;
    assert_eq!(found, ["'x'|1", "'y'|NULL"]);
}

#[tokio::test]
async fn an_upsert_updates_and_does_not_replace() {
    let ddl = "CREATE TABLE t (k INTEGER PRIMARY KEY, a INTEGER);
        CREATE TABLE child (k INTEGER REFERENCES t (k) ON DELETE CASCADE);
        INSERT INTO t VALUES (1, 1);
        INSERT INTO child VALUES (1);";
    let database = Database::new(ddl).await;
    let target = database.target("t", &["k"], WriteMode::Upsert).await;
    let rows = rows_of(&target, &[(&[Cell::Int(1), Cell::Int(2)], false)]);
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    assert_eq!(database.count("child").await, 1);
    assert_eq!(database.query(&["a"], "FROM t").await, ["2"]);
}

#[tokio::test]
async fn conflict_clauses_of_the_table_hide_nothing() {
    for clause in ["IGNORE", "REPLACE", "ROLLBACK", "FAIL"] {
        let ddl = format!(
            "CREATE TABLE t (k INTEGER UNIQUE ON CONFLICT {clause}, a INTEGER NOT NULL ON CONFLICT {clause} DEFAULT 5)"
        );
        let database = Database::new(&ddl).await;
        let target = database.target("t", &[], WriteMode::Insert).await;
        let int = Cell::Int;
        let twice = rows_of(
            &target,
            &[(&[int(1), int(1)], false), (&[int(1), int(2)], false)],
        );
        let null = rows_of(
            &target,
            &[(&[int(1), int(1)], false), (&[int(2), Cell::Null], false)],
        );
        let mut session = database.session().await;
        for rows in [twice, null] {
            let error = write_rows_only(&mut session, rows).await.unwrap_err();
            assert_eq!(error.class(), ErrorClass::Record, "{clause}: {error}");
            assert_eq!(database.count("t").await, 0, "{clause}");
        }
    }
}

/// What a statement says about conflicts counts for all that its triggers do.
#[tokio::test]
async fn triggers_of_the_table_do_what_they_say() {
    let ddl = "CREATE TABLE t (k INTEGER PRIMARY KEY, a INTEGER);
        CREATE TABLE seen (a INTEGER PRIMARY KEY);
        CREATE TRIGGER notes AFTER INSERT ON t BEGIN INSERT OR IGNORE INTO seen VALUES (NEW.a); END;
        CREATE TRIGGER renotes AFTER UPDATE ON t BEGIN INSERT OR REPLACE INTO seen VALUES (NEW.a); END;";
    let database = Database::new(ddl).await;
    let mut session = database.session().await;
    let int = Cell::Int;
    for (mode, keys) in [
        (WriteMode::Insert, [1, 2]),
        (WriteMode::Upsert, [3, 4]),
        (WriteMode::InsertIgnore, [4, 5]),
        (WriteMode::Update, [1, 2]),
    ] {
        let key: &[&str] = match mode {
            WriteMode::Insert => &[],
            _ => &["k"],
        };
        let target = database.target("t", key, mode).await;
        let records = keys.map(|key| [int(key), int(7)]);
        let records = records.each_ref().map(|cells| (cells.as_slice(), false));
        let written = write_rows_only(&mut session, rows_of(&target, &records)).await;
        written.unwrap_or_else(|error| panic!("{mode:?}: {error}"));
    }
    assert_eq!(database.count("t").await, 5);
    assert_eq!(database.query(&["a"], "FROM seen").await, ["7"]);
}

#[tokio::test]
async fn generated_columns_are_left_to_the_database() {
    let ddl = "CREATE TABLE t (a INTEGER, b INTEGER AS (a + 1) STORED, c INTEGER AS (a + 2))";
    let database = Database::new(ddl).await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let rows = rows_of(&target, &[(&[Cell::Int(1)], false)]);
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    assert_eq!(database.query(&["a", "b", "c"], "FROM t").await, ["1|2|3"]);
}

#[tokio::test]
async fn deletes_without_a_key_are_refused() {
    let database = Database::new("CREATE TABLE t (a INTEGER)").await;
    database.run("INSERT INTO t VALUES (1)").await;
    let target = database.target("t", &[], WriteMode::Insert).await;
    let rows = rows_of(&target, &[(&[], true)]);
    let error = write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Stop);
    assert_eq!(database.count("t").await, 1);
}

#[tokio::test]
async fn many_keys_of_every_kind_are_deleted() {
    let ddl = "CREATE TABLE t (u UUID, d DECIMAL(9,2), day DATE, PRIMARY KEY (u, d, day))";
    let database = Database::new(ddl).await;
    let target = database
        .target("t", &["u", "d", "day"], WriteMode::Upsert)
        .await;
    let mut writes = TableRows::new(Arc::clone(&target));
    let mut deletes = TableRows::new(target);
    for number in 0..1000 {
        let uuid = Uuid::from_u128(u128::try_from(number).unwrap()).into_bytes();
        let decimal = format!("{number}.10");
        let cells = [
            Cell::Uuid(uuid),
            Cell::Decimal(&decimal),
            Cell::Date(number),
        ];
        push_row(&mut writes, &cells, false);
        if number >= 3 {
            push_row(&mut deletes, &cells, true);
        }
    }
    let mut session = database.session().await;
    write_rows_only(&mut session, writes).await.unwrap();
    assert_eq!(database.count("t").await, 1000);
    write_rows_only(&mut session, deletes).await.unwrap();
    assert_eq!(database.count("t").await, 3);
}
