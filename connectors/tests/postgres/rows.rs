//! Rows: every type by every way in, absent and null, order, and tables that are not plain.

use rowdock_connectors::{Cell, Session, Timestamp, WriteMode, WriteOutcome};

use super::database::{Database, push, rows, rows_only};

/// Enough for a copy.
const MANY: usize = 40;

async fn write(session: &mut dyn Session, tables: Vec<rowdock_connectors::TableRows>) {
    let outcome = session.write(&rows_only(tables)).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
}

const EVERY_TYPE: &str = "\
    CREATE TYPE mood AS ENUM ('sad', 'happy'); \
    CREATE DOMAIN code AS varchar(5) CHECK (VALUE <> 'bad'); \
    CREATE DOMAIN outer_code AS code; \
    CREATE DOMAIN mood_domain AS mood; \
    CREATE TABLE every (\
        id bigint PRIMARY KEY, a_bool bool, an_int2 int2, an_int4 int4, an_int8 int8, \
        a_real real, a_double double precision, a_numeric numeric, a_money numeric(12,2), \
        a_text text, a_varchar varchar(20), a_char char(4), a_name name, bytes bytea, \
        a_date date, a_time time, a_timestamp timestamp, a_timestamptz timestamptz, \
        a_uuid uuid, a_json json, a_jsonb jsonb, a_mood mood, a_code outer_code, \
        a_mood_domain mood_domain, span interval)";

const COLUMNS: &[&str] = &[
    "id",
    "a_bool",
    "an_int2",
    "an_int4",
    "an_int8",
    "a_real",
    "a_double",
    "a_numeric",
    "a_money",
    "a_text",
    "a_varchar",
    "a_char",
    "a_name",
    "bytes",
    "a_date",
    "a_time",
    "a_timestamp",
    "a_timestamptz",
    "a_uuid",
    "a_json",
    "a_jsonb",
    "a_mood",
    "a_code",
    "a_mood_domain",
    "span",
];

fn timestamp(seconds: i64, nanos: u32) -> Cell<'static> {
    Cell::Timestamp(Timestamp { seconds, nanos })
}

fn usual(id: i64) -> Vec<Cell<'static>> {
    vec![
        Cell::Int(id),
        Cell::Bool(true),
        Cell::Int(-32_768),
        Cell::Int(2_147_483_647),
        Cell::Int(i64::MIN),
        Cell::Float(1.5),
        Cell::Float(-0.1),
        Cell::Decimal("-12345678901234567890.000000001200"),
        Cell::Decimal("10000.50"),
        Cell::Text("äö😀 'quoted' \\ \"x\" \n\t"),
        Cell::Text("日本語"),
        Cell::Text("ab"),
        Cell::Text("Name"),
        Cell::Bytes(&[0, 1, 255]),
        Cell::Date(-719_162),
        Cell::Time(86_399_999_999_999),
        timestamp(253_402_300_799, 999_999_999),
        timestamp(-62_135_596_800, 1_000),
        Cell::Uuid([0xab; 16]),
        Cell::Json("{\"b\": 1, \"a\": [null]}"),
        Cell::Json("{\"b\": 1, \"a\": [null]}"),
        Cell::Text("happy"),
        Cell::Text("x1"),
        Cell::Text("sad"),
        Cell::Null,
    ]
}

fn extreme(id: i64) -> Vec<Cell<'static>> {
    vec![
        Cell::Int(id),
        Cell::Bool(false),
        Cell::Int(0),
        Cell::Int(-1),
        Cell::Int(i64::MAX),
        Cell::Float(f64::NAN),
        Cell::Float(f64::INFINITY),
        Cell::Decimal("NaN"),
        Cell::Decimal("-0.01"),
        Cell::Text(""),
        Cell::Text(""),
        Cell::Text(""),
        Cell::Text(""),
        Cell::Bytes(&[]),
        Cell::Date(0),
        Cell::Time(0),
        timestamp(i64::MAX, 0),
        timestamp(i64::MIN, 0),
        Cell::Uuid([0; 16]),
        Cell::Json("3"),
        Cell::Json("\"x\""),
        Cell::Text("sad"),
        Cell::Text(""),
        Cell::Text("happy"),
        Cell::Absent,
    ]
}

fn nothing(id: i64) -> Vec<Cell<'static>> {
    let mut cells = vec![Cell::Null; COLUMNS.len()];
    cells[0] = Cell::Int(id);
    cells
}

const USUAL: &str = "(1,t,-32768,2147483647,-9223372036854775808,1.5,-0.1,\
    -12345678901234567890.000000001200,10000.50,\"äö😀 'quoted' \\\\ \"\"x\"\" \n\t\",日本語,\
    \"ab  \",Name,\"\\\\x0001ff\",0001-01-01,23:59:59.999999,\"9999-12-31 23:59:59.999999\",\
    \"0001-01-01 00:00:00.000001+00\",abababab-abab-abab-abab-abababababab,\
    \"{\"\"b\"\": 1, \"\"a\"\": [null]}\",\"{\"\"a\"\": [null], \"\"b\"\": 1}\",happy,x1,sad,)";
const EXTREME: &str = "(2,f,0,-1,9223372036854775807,NaN,Infinity,NaN,-0.01,\"\",\"\",\"    \",\
    \"\",\"\\\\x\",1970-01-01,00:00:00,infinity,-infinity,00000000-0000-0000-0000-000000000000,\
    3,\"\"\"x\"\"\",sad,\"\",happy,)";
const NOTHING: &str = "(3,,,,,,,,,,,,,,,,,,,,,,,,)";

#[tokio::test]
async fn every_type_arrives_by_every_way() {
    let database = Database::new().await;
    database.run(EVERY_TYPE).await;
    database.run("SET timezone = 'UTC'").await;
    let mut session = database.session().await;
    for (mode, more_rows) in [
        (WriteMode::Insert, 0),
        (WriteMode::Insert, MANY),
        (WriteMode::Upsert, 0),
    ] {
        database.run("TRUNCATE every").await;
        let target = database
            .target(&mut *session, "every", COLUMNS, 1, mode)
            .await;
        let mut records = vec![usual(1), extreme(2), nothing(3)];
        records.extend((0..more_rows).map(|more| usual(10 + i64::try_from(more).expect("few"))));
        let mut written = rows(&target, &[]);
        for record in &records {
            push(&mut written, record, false);
        }
        for _ in 0..=usize::from(mode == WriteMode::Upsert) {
            write(&mut *session, vec![written.clone()]).await;
        }
        let text = "SELECT every::text FROM every WHERE id < 10 ORDER BY id";
        let found = database.texts(text).await;
        assert_eq!(found, [USUAL, EXTREME, NOTHING], "{mode:?} {more_rows}");
        let usual = "SELECT count(*) FROM every WHERE a_varchar = '日本語'";
        let expected = i64::try_from(more_rows + 1).expect("few");
        assert_eq!(database.value::<i64>(usual).await, expected, "{mode:?}");
    }
}

#[tokio::test]
async fn absent_columns_take_their_default_or_keep_their_value() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE t (id int8 PRIMARY KEY, a text DEFAULT 'new', b int4)")
        .await;
    let mut session = database.session().await;
    let columns = ["id", "a", "b"];
    let target = database
        .target(&mut *session, "t", &columns, 1, WriteMode::Insert)
        .await;
    let mut records: Vec<[Cell<'_>; 3]> = vec![
        [Cell::Int(1), Cell::Text("x"), Cell::Int(1)],
        [Cell::Int(2), Cell::Absent, Cell::Int(2)],
        [Cell::Int(3), Cell::Null, Cell::Absent],
    ];
    for more in 0..MANY {
        let id = Cell::Int(100 + i64::try_from(more).expect("few"));
        records.push([id, Cell::Absent, Cell::Absent]);
    }
    let records: Vec<&[Cell<'_>]> = records.iter().map(<[_; 3]>::as_slice).collect();
    write(&mut *session, vec![rows(&target, &records)]).await;
    let text = "SELECT t::text FROM t WHERE id < 101 ORDER BY id";
    assert_eq!(
        database.texts(text).await,
        ["(1,x,1)", "(2,new,2)", "(3,,)", "(100,new,)"]
    );
    let defaults = "SELECT count(*) FROM t WHERE a = 'new' AND b IS NULL";
    assert_eq!(database.value::<i64>(defaults).await, 40);

    let target = database
        .target(&mut *session, "t", &columns, 1, WriteMode::Upsert)
        .await;
    let upserts: [&[Cell<'_>]; 4] = [
        &[Cell::Int(1), Cell::Absent, Cell::Int(9)],
        &[Cell::Int(2), Cell::Null, Cell::Absent],
        &[Cell::Int(3), Cell::Text("y"), Cell::Null],
        &[Cell::Int(4), Cell::Absent, Cell::Absent],
    ];
    write(&mut *session, vec![rows(&target, &upserts)]).await;
    let text = "SELECT t::text FROM t WHERE id < 100 ORDER BY id";
    assert_eq!(
        database.texts(text).await,
        ["(1,x,9)", "(2,,2)", "(3,y,)", "(4,new,)"]
    );
}

#[tokio::test]
async fn records_of_one_key_come_to_their_fold() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE t (id int8 PRIMARY KEY, a text, b int4)")
        .await;
    database
        .run("INSERT INTO t VALUES (2, 'old', 2), (3, 'old', 3)")
        .await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["id", "a", "b"], 1, WriteMode::Upsert)
        .await;
    let mut written = rows(&target, &[]);
    let (a, n) = (Cell::Absent, Cell::Null);
    push(
        &mut written,
        &[Cell::Int(1), Cell::Text("x"), Cell::Int(1)],
        false,
    );
    push(&mut written, &[Cell::Int(1), a, Cell::Int(2)], false);
    push(&mut written, &[Cell::Int(2), a, a], true);
    push(&mut written, &[Cell::Int(2), a, Cell::Int(7)], false);
    push(&mut written, &[Cell::Int(3), n, a], false);
    push(&mut written, &[Cell::Int(4), Cell::Text("y"), a], false);
    push(&mut written, &[Cell::Int(4), a, a], true);
    write(&mut *session, vec![written]).await;
    let text = "SELECT t::text FROM t ORDER BY id";
    assert_eq!(database.texts(text).await, ["(1,x,2)", "(2,,7)", "(3,,3)"]);
}

#[tokio::test]
async fn inserts_and_deletes_keep_their_order() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE t (id int8 PRIMARY KEY, a text)")
        .await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["id", "a"], 1, WriteMode::Insert)
        .await;
    let mut written = rows(&target, &[]);
    push(&mut written, &[Cell::Int(1), Cell::Text("first")], false);
    push(&mut written, &[Cell::Int(1), Cell::Absent], true);
    push(&mut written, &[Cell::Int(1), Cell::Text("second")], false);
    push(&mut written, &[Cell::Int(2), Cell::Text("gone")], false);
    push(&mut written, &[Cell::Int(2), Cell::Absent], true);
    write(&mut *session, vec![written]).await;
    assert_eq!(
        database.texts("SELECT t::text FROM t").await,
        ["(1,second)"]
    );
}

/// The sink compares keys by their bytes; only the table knows that these are the same.
#[tokio::test]
async fn keys_that_only_the_table_finds_equal_keep_the_log_order() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE padded (id char(3) PRIMARY KEY, a int4); \
             CREATE TABLE rounded (at timestamp(0) PRIMARY KEY, a int4)",
        )
        .await;
    let mut session = database.session().await;
    let padded = database
        .target(&mut *session, "padded", &["id", "a"], 1, WriteMode::Upsert)
        .await;
    let mut written = rows(&padded, &[]);
    push(&mut written, &[Cell::Text("k"), Cell::Int(1)], false);
    push(&mut written, &[Cell::Text("k "), Cell::Int(2)], false);
    push(&mut written, &[Cell::Text("m"), Cell::Int(3)], false);
    push(&mut written, &[Cell::Text("m  "), Cell::Absent], true);
    let rounded = database
        .target(&mut *session, "rounded", &["at", "a"], 1, WriteMode::Upsert)
        .await;
    let within_a_second: [&[Cell<'_>]; 2] = [
        &[timestamp(5, 400_000_000), Cell::Int(1)],
        &[timestamp(5, 100_000_000), Cell::Int(2)],
    ];
    write(
        &mut *session,
        vec![written, rows(&rounded, &within_a_second)],
    )
    .await;
    assert_eq!(
        database.texts("SELECT padded::text FROM padded").await,
        ["(\"k  \",2)"]
    );
    let text = "SELECT rounded::text FROM rounded";
    assert_eq!(database.texts(text).await, ["(\"1970-01-01 00:00:05\",2)"]);
}

#[tokio::test]
async fn many_tables_and_many_sets_of_columns_are_one_transaction() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE a (n int8 DEFAULT 7, m int8 DEFAULT 8); CREATE TABLE b (n int8); \
             CREATE TABLE c (id int8 PRIMARY KEY, n int8)",
        )
        .await;
    let mut session = database.session().await;
    let a = database
        .target(&mut *session, "a", &["n", "m"], 0, WriteMode::Insert)
        .await;
    let b = database
        .target(&mut *session, "b", &["n"], 0, WriteMode::Insert)
        .await;
    let c = database
        .target(&mut *session, "c", &["id", "n"], 1, WriteMode::Upsert)
        .await;
    let mut to_a = rows(&a, &[]);
    let mut to_b = rows(&b, &[]);
    let mut to_c = rows(&c, &[]);
    for n in 0..200 {
        let given = [Cell::Int(n), Cell::Absent];
        let (first, second) = (
            given[usize::from(n % 2 == 0)],
            given[usize::from(n % 3 == 0)],
        );
        push(&mut to_a, &[first, second], false);
        push(&mut to_b, &[Cell::Int(n)], false);
        push(&mut to_c, &[Cell::Int(n % 50), Cell::Int(n)], false);
    }
    write(&mut *session, vec![to_a, to_b, to_c]).await;
    let counts = "SELECT (SELECT count(*) FROM a) || ' ' || (SELECT count(*) FROM a WHERE n = 7) \
                  || ' ' || (SELECT count(*) FROM a WHERE m = 8) || ' ' || \
                  (SELECT sum(n) FROM b) || ' ' || (SELECT count(*) || ' ' || sum(n) FROM c)";
    let found: String = database.value(counts).await;
    assert_eq!(found, "200 101 68 19900 50 8725");
}

#[tokio::test]
async fn tables_that_cannot_be_copied_into_are_written_all_the_same() {
    let database = Database::new().await;
    let role = format!("{}_role", database.schema);
    database
        .run(&format!(
            "CREATE TABLE base (n int8, note text); \
             CREATE VIEW shown AS SELECT n FROM base; \
             CREATE TABLE ruled (n int8); \
             CREATE RULE doubled AS ON INSERT TO ruled DO ALSO INSERT INTO base VALUES (-1); \
             CREATE TABLE guarded (n int8); \
             CREATE TABLE parted (n int8) PARTITION BY RANGE (n); \
             CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (1000); \
             CREATE TABLE always (id int8 GENERATED ALWAYS AS IDENTITY, n int8, \
                                  twice int8 GENERATED ALWAYS AS (n * 2) STORED); \
             CREATE ROLE {role} LOGIN PASSWORD 'weak'; \
             GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}; \
             GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO {role}; \
             ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; \
             CREATE POLICY all_rows ON guarded USING (true)",
            schema = database.schema
        ))
        .await;
    let mut options = database.options();
    options.user = Some(role.clone());
    options.password = Some("weak".into());
    let mut session = super::database::open(options).await;
    for (table, column) in [
        ("shown", "n"),
        ("ruled", "n"),
        ("guarded", "n"),
        ("parted", "n"),
        ("always", "n"),
        ("always", "id"),
    ] {
        let target = database
            .target(&mut *session, table, &[column], 0, WriteMode::Insert)
            .await;
        for row_count in [2, MANY] {
            let mut written = rows(&target, &[]);
            for n in 0..row_count {
                push(
                    &mut written,
                    &[Cell::Int(i64::try_from(n).expect("few"))],
                    false,
                );
            }
            write(&mut *session, vec![written]).await;
        }
        let count = format!("SELECT count(*) FROM {table} WHERE {column} >= 0");
        let expected = if column == "id" { 84 } else { 42 };
        assert_eq!(
            database.value::<i64>(&count).await,
            expected,
            "{table} {column}"
        );
    }
    let from_rule = "SELECT count(*) FROM base WHERE n = -1";
    assert_eq!(database.value::<i64>(from_rule).await, 42);
    session.close().await;
    database
        .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

#[tokio::test]
async fn rows_without_any_column_are_rows_of_defaults() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE t (a int4 DEFAULT 5, b text)")
        .await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["a"], 0, WriteMode::Insert)
        .await;
    for row_count in [2, MANY] {
        let mut written = rows(&target, &[]);
        for _ in 0..row_count {
            push(&mut written, &[Cell::Absent], false);
        }
        write(&mut *session, vec![written]).await;
    }
    let count = "SELECT count(*) FROM t WHERE a = 5 AND b IS NULL";
    assert_eq!(database.value::<i64>(count).await, 42);
}

#[tokio::test]
async fn large_batches_go_out_in_pieces() {
    let database = Database::new().await;
    database.run("CREATE TABLE t (n int8, filler text)").await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["n", "filler"], 0, WriteMode::Insert)
        .await;
    let filler = "ü".repeat(1_000);
    let mut written = rows(&target, &[]);
    for n in 0..2_000 {
        push(&mut written, &[Cell::Int(n), Cell::Text(&filler)], false);
    }
    write(&mut *session, vec![written]).await;
    let sums = "SELECT count(*) || ' ' || sum(n) || ' ' || sum(length(filler)) FROM t";
    assert_eq!(database.value::<String>(sums).await, "2000 1999000 2000000");
}
