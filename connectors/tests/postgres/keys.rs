//! Identity columns, which an update may not set; keys that the table rounds; and keys that no catalog
//! tells: those of views.

use std::sync::Arc;

use rowdock_connectors::{
    Batch, Cell, ErrorClass, Session, SinkError, TableRows, Target, Timestamp, WriteMode,
    WriteOutcome,
};

use super::database::{Database, push, rows, rows_only};

async fn write(session: &mut dyn Session, rows: TableRows) {
    let outcome = session.write(&rows_only(vec![rows])).await;
    assert_eq!(outcome.expect("written"), WriteOutcome::Committed);
}

/// As many rows as are copied, and fewer: `id`, an identity and a number.
fn numbered(target: &Arc<Target>, ids: std::ops::Range<i64>, identity: i64, n: i64) -> TableRows {
    let mut written = rows(target, &[]);
    for id in ids {
        let cells = [Cell::Int(id), Cell::Int(identity + id), Cell::Int(n)];
        push(&mut written, &cells, false);
    }
    written
}

#[tokio::test]
async fn an_identity_that_is_always_generated_is_set_with_a_new_row_and_kept() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE t (id int8 PRIMARY KEY, \
                 number int8 GENERATED ALWAYS AS IDENTITY UNIQUE, n int8)",
        )
        .await;
    let mut session = database.session().await;
    let columns = ["id", "number", "n"];
    let told = "SELECT string_agg(DISTINCT concat_ws(' ', number - id, n), ',') FROM t";
    let modes = [
        (WriteMode::Insert, 1_000, 1, "1000 1"),
        (WriteMode::Upsert, 2_000, 2, "1000 2"),
        (WriteMode::InsertIgnore, 3_000, 3, "1000 2"),
        (WriteMode::Update, 4_000, 4, "1000 4"),
    ];
    for (mode, identity, n, expected) in modes {
        let target = database.target(&mut *session, "t", &columns, 1, mode).await;
        for ids in [0..2, 2..52] {
            let written = numbered(&target, ids, identity, n);
            write(&mut *session, written).await;
        }
        assert_eq!(database.value::<String>(told).await, expected, "{mode:?}");
        assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 52);
    }
    // Nothing is left to be changed.
    let target = database
        .target(&mut *session, "t", &columns[..2], 1, WriteMode::Update)
        .await;
    let written = rows(&target, &[&[Cell::Int(1), Cell::Int(7)]]);
    write(&mut *session, written).await;
    assert_eq!(database.value::<String>(told).await, "1000 4");

    // Of several records of a new row the first one's counts, as when they come one by one.
    let target = database
        .target(&mut *session, "t", &columns, 1, WriteMode::Upsert)
        .await;
    let int = Cell::Int;
    let records: [&[Cell<'_>]; 4] = [
        &[int(100), int(7_000), int(1)],
        &[int(100), int(8_000), int(2)],
        &[int(101), int(7_001), int(1)],
        &[int(101), Cell::Absent, int(2)],
    ];
    write(&mut *session, rows(&target, &records)).await;
    let found = "SELECT t::text FROM t WHERE id >= 100 ORDER BY id";
    assert_eq!(
        database.texts(found).await,
        ["(100,7000,2)", "(101,7001,2)"]
    );
}

#[tokio::test]
async fn a_key_may_be_an_identity_that_is_always_generated() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE t (id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n int8)")
        .await;
    let mut session = database.session().await;
    for (mode, n, expected) in [
        (WriteMode::Upsert, 1, "(1,1) (2,1)"),
        (WriteMode::Upsert, 2, "(1,2) (2,2)"),
        (WriteMode::Update, 3, "(1,3) (2,3)"),
    ] {
        let target = database
            .target(&mut *session, "t", &["id", "n"], 1, mode)
            .await;
        let cells = [[Cell::Int(1), Cell::Int(n)], [Cell::Int(2), Cell::Int(n)]];
        let written = rows(&target, &[&cells[0], &cells[1]]);
        write(&mut *session, written).await;
        let found = "SELECT string_agg(t::text, ' ' ORDER BY id) FROM t";
        assert_eq!(database.value::<String>(found).await, expected, "{mode:?}");
    }
    let target = database
        .target(&mut *session, "t", &["id", "n"], 1, WriteMode::Upsert)
        .await;
    let mut written = rows(&target, &[]);
    push(&mut written, &[Cell::Int(1), Cell::Absent], true);
    write(&mut *session, written).await;
    assert_eq!(database.value::<i64>("SELECT count(*) FROM t").await, 1);
}

/// Times that a record has more exactly than the column.
#[tokio::test]
async fn a_key_that_is_rounded_is_found_again() {
    let database = Database::new().await;
    database
        .run("CREATE DOMAIN moment AS timestamp(2); CREATE DOMAIN instant AS timestamptz")
        .await;
    let at = |nanos| Cell::Timestamp(Timestamp { seconds: 5, nanos });
    let time = |nanos: i64| Cell::Time(5_000_000_000 + nanos);
    // Two keys that the table makes one of, and another one.
    let cases = [
        (
            "time(0)",
            [time(300_000_000), time(400_000_000), time(600_000_000)],
        ),
        (
            "timestamp(3)",
            [at(100_300_000), at(99_700_000), at(700_000_000)],
        ),
        (
            "timestamptz(3)",
            [at(100_300_000), at(99_700_000), at(700_000_000)],
        ),
        ("timestamp", [at(1_100), at(1_900), at(2_000)]),
        ("moment", [at(101_000_000), at(99_000_000), at(700_000_000)]),
        ("instant", [at(1_100), at(1_900), at(2_000)]),
    ];
    for (number, (type_name, keys)) in cases.into_iter().enumerate() {
        let table = format!("t{number}");
        let create = format!("CREATE TABLE {table} (at {type_name} PRIMARY KEY, n int8)");
        database.run(&create).await;
        let mut session = database.session().await;
        rounded_keys(&database, &mut *session, &table, keys).await;
    }
}

async fn rounded_keys(
    database: &Database,
    session: &mut dyn Session,
    table: &str,
    [first, same, other]: [Cell<'static>; 3],
) {
    let int = Cell::Int;
    let found = format!("SELECT n::text FROM {table} ORDER BY n");
    let numbers = async || database.texts(&found).await;
    let columns = ["at", "n"];
    let upserts = database
        .target(session, table, &columns, 1, WriteMode::Upsert)
        .await;
    let records: [&[Cell<'_>]; 3] = [&[first, int(1)], &[other, int(2)], &[same, int(3)]];
    write(session, rows(&upserts, &records)).await;
    assert_eq!(numbers().await, ["2", "3"], "{table}");
    let updates = database
        .target(session, table, &columns, 1, WriteMode::Update)
        .await;
    let records: [&[Cell<'_>]; 2] = [&[same, int(4)], &[first, int(5)]];
    write(session, rows(&updates, &records)).await;
    assert_eq!(numbers().await, ["2", "5"], "{table}");
    let inserts = database
        .target(session, table, &columns, 1, WriteMode::Insert)
        .await;
    let mut records = rows(&inserts, &[]);
    push(&mut records, &[first, Cell::Absent], true);
    push(&mut records, &[same, int(6)], false);
    push(&mut records, &[first, Cell::Absent], true);
    push(&mut records, &[first, int(7)], false);
    push(&mut records, &[other, Cell::Absent], true);
    write(session, records).await;
    assert_eq!(numbers().await, ["7"], "{table}");
    let mut records = rows(&upserts, &[]);
    push(&mut records, &[same, Cell::Absent], true);
    write(session, records).await;
    assert_eq!(numbers().await, [""; 0], "{table}");
}

/// What is stored is 5, of a record that has a bit more.
#[tokio::test]
async fn a_guard_that_is_rounded_is_not_older_than_itself() {
    let database = Database::new().await;
    database
        .run("CREATE TABLE t (id int8 PRIMARY KEY, at timestamp(0), n int8)")
        .await;
    let mut session = database.session().await;
    let at = |nanos| Cell::Timestamp(Timestamp { seconds: 5, nanos });
    for mode in [WriteMode::Upsert, WriteMode::Update] {
        let target = database
            .target(&mut *session, "t", &["id", "at", "n"], 1, mode)
            .await;
        let target = Arc::new(Target {
            guard: Some(1),
            ..Target::clone(&target)
        });
        for (nanos, n) in [(400_000_000, 1), (300_000_000, 2)] {
            let record = [Cell::Int(1), at(nanos), Cell::Int(n)];
            write(&mut *session, rows(&target, &[&record])).await;
        }
        let found: i64 = database.value("SELECT n FROM t").await;
        assert_eq!(found, 1, "{mode:?}");
    }
}

async fn confirmed(
    database: &Database,
    session: &mut dyn Session,
    table: &str,
    mode: WriteMode,
) -> Result<Arc<Target>, SinkError> {
    let target = database.target(session, table, &["id", "n"], 1, mode).await;
    session.confirm_key(&target).await.map(|()| target)
}

#[tokio::test]
async fn a_view_is_upserted_by_a_key_of_the_table_behind_it() {
    let database = Database::new().await;
    database
        .run(
            "CREATE TABLE base (id int8 PRIMARY KEY, n int8, note text DEFAULT 'none'); \
             CREATE VIEW shown AS SELECT id, n, n * 2 AS twice FROM base WHERE n > 0 \
                 WITH CHECK OPTION; \
             CREATE VIEW over AS SELECT id, n FROM shown",
        )
        .await;
    let mut session = database.session().await;
    for (table, mode, n, expected) in [
        ("shown", WriteMode::Upsert, 1, "(1,1,none) (2,1,none)"),
        ("over", WriteMode::Upsert, 2, "(1,2,none) (2,2,none)"),
        ("over", WriteMode::InsertIgnore, 3, "(1,2,none) (2,2,none)"),
    ] {
        let target = confirmed(&database, &mut *session, table, mode).await;
        let cells = [[Cell::Int(1), Cell::Int(n)], [Cell::Int(2), Cell::Int(n)]];
        let written = rows(&target.expect("confirmed"), &[&cells[0], &cells[1]]);
        write(&mut *session, written).await;
        let found = "SELECT string_agg(base::text, ' ' ORDER BY id) FROM base";
        assert_eq!(database.value::<String>(found).await, expected, "{table}");
    }
    let target = confirmed(&database, &mut *session, "shown", WriteMode::Upsert).await;
    let hidden = rows(
        &target.expect("confirmed"),
        &[&[Cell::Int(3), Cell::Int(0)]],
    );
    let error = session.write(&rows_only(vec![hidden])).await;
    let error = error.expect_err("the view would not show it");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");
}

#[tokio::test]
async fn a_view_without_such_a_key_is_refused_with_advice() {
    let database = Database::new().await;
    let role = format!("{}_role", database.schema);
    database
        .run(&format!(
            "CREATE TABLE keyless (id int8, n int8); CREATE TABLE base (id int8 PRIMARY KEY, n int8); \
             CREATE VIEW open AS SELECT id, n FROM keyless; \
             CREATE VIEW joined AS SELECT id, base.n FROM base JOIN keyless USING (id); \
             CREATE VIEW ruled AS SELECT id, n FROM base; \
             CREATE RULE instead AS ON INSERT TO ruled \
                 DO INSTEAD INSERT INTO base VALUES (NEW.id, NEW.n); \
             CREATE VIEW triggered AS SELECT id, n FROM base; \
             CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER instead INSTEAD OF INSERT ON triggered \
                 FOR EACH ROW EXECUTE FUNCTION nothing(); \
             CREATE VIEW shown AS SELECT id, n FROM base; \
             CREATE ROLE {role} LOGIN PASSWORD 'weak'; GRANT USAGE ON SCHEMA {} TO {role}",
            database.schema
        ))
        .await;
    let mut session = database.session().await;
    for table in ["open", "joined", "ruled", "triggered"] {
        for mode in [WriteMode::Upsert, WriteMode::InsertIgnore] {
            let refused = confirmed(&database, &mut *session, table, mode).await;
            let error = refused.expect_err(table);
            assert_eq!(error.class(), ErrorClass::Stop, "{error}");
            let message = error.to_string();
            for part in [table, "a VIEW", "(\"id\")", "the table behind it"] {
                assert!(message.contains(part), "{part} in {message}");
            }
            assert!(!message.contains("ALTER TABLE"), "{message}");
        }
    }
    let mut options = database.options();
    options.user = Some(role.clone());
    options.password = Some("weak".into());
    options.stores_positions = false;
    let mut session = super::database::open(options).await;
    let refused = confirmed(&database, &mut *session, "shown", WriteMode::Upsert).await;
    let error = refused.expect_err("no right");
    assert!(error.lacks_right(), "{error}");
    session.close().await;
    database
        .run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"))
        .await;
}

/// A sequence counts what is rolled back, too.
#[tokio::test]
async fn a_refused_row_among_those_that_go_one_by_one_is_found_in_few_writes() {
    const ROWS: usize = 1_000;
    let database = Database::new().await;
    database
        .run(
            "CREATE SEQUENCE writes; CREATE TABLE t (id char(8) PRIMARY KEY, n int8 CHECK (n >= 0)); \
             CREATE FUNCTION count_write() RETURNS trigger LANGUAGE plpgsql AS \
                 $$BEGIN PERFORM nextval('writes'); RETURN NEW; END$$; \
             CREATE TRIGGER counts BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION count_write()",
        )
        .await;
    let mut session = database.session().await;
    let target = database
        .target(&mut *session, "t", &["id", "n"], 1, WriteMode::Upsert)
        .await;
    for bad in [0, ROWS / 3, ROWS - 1] {
        let mut written = rows(&target, &[]);
        for id in 0..ROWS {
            let n = if id == bad { -1 } else { 1 };
            let cells = [Cell::Text(&id.to_string()), Cell::Int(n)];
            push(&mut written, &cells, false);
        }
        let batch: Batch = rows_only(vec![written]);
        let refused = session.write(&batch).await.expect_err("refused");
        assert_eq!(refused.class(), ErrorClass::Record, "{refused}");
        database.run("ALTER SEQUENCE writes RESTART").await;
        let found = session.find_rejects(&batch).await.expect("found");
        let found: Vec<usize> = found.iter().map(|reject| reject.row).collect();
        assert_eq!(found, [bad]);
        let writes: i64 = database.value("SELECT nextval('writes') - 1").await;
        let writes = usize::try_from(writes).expect("counted");
        assert!((ROWS..=3 * ROWS).contains(&writes), "{writes} of {ROWS}");
    }
}
