//! Every mode against rows that are there: update, insert_ignore, the guard, truncate, and tables
//! that are changed to hold more.

use super::*;
use crate::row::RowKind;
use crate::row::fixture::push_kind;
use crate::table::{ColumnType, NewColumn};

const DDL: &str = "CREATE TABLE t (id TEXT PRIMARY KEY, version INTEGER, a TEXT NOT NULL, \
                   b TEXT UNIQUE); \
                   INSERT INTO t VALUES ('1', 5, 'old', 'b1'), ('2', NULL, 'old', 'b2')";
const COLUMNS: [&str; 4] = ["id", "version", "a", "b"];
const ABSENT: Cell<'static> = Cell::Absent;

async fn check(
    mode: WriteMode,
    guard: Option<usize>,
    records: &[[Cell<'_>; 4]],
    expected: &[&str],
) {
    let database = Database::new(DDL).await;
    let target = database.target("t", &["id"], mode).await;
    let target = Arc::new(Target {
        guard,
        ..(*target).clone()
    });
    let records: Vec<(&[Cell<'_>], bool)> = records
        .iter()
        .map(|cells| (cells.as_slice(), false))
        .collect();
    let rows = rows_of(&target, &records);
    let mut session = database.session().await;
    write_rows_only(&mut session, rows).await.unwrap();
    let found = database.query(&COLUMNS, "FROM t ORDER BY id").await;
    assert_eq!(found, expected, "{mode:?} {guard:?}");
}

#[tokio::test]
async fn rows_that_are_there_are_met_as_the_mode_says() {
    let (int, text) = (Cell::Int, Cell::Text);
    check(
        WriteMode::Update,
        None,
        &[
            [text("1"), int(9), ABSENT, Cell::Null],
            [text("2"), ABSENT, text("new"), ABSENT],
            [text("3"), int(9), text("new"), ABSENT],
            [text("1"), ABSENT, text("last"), ABSENT],
            [text("2"), ABSENT, ABSENT, ABSENT],
        ],
        &["'1'|9|'last'|NULL", "'2'|NULL|'new'|'b2'"],
    )
    .await;
    check(
        WriteMode::InsertIgnore,
        None,
        &[
            [text("1"), int(9), text("new"), ABSENT],
            [text("3"), int(9), text("new"), ABSENT],
            [text("3"), int(10), text("newer"), ABSENT],
        ],
        &[
            "'1'|5|'old'|'b1'",
            "'2'|NULL|'old'|'b2'",
            "'3'|9|'new'|NULL",
        ],
    )
    .await;
    // 3 is older than what is there, so its a must not get in with 10.
    let guarded = [
        [text("1"), int(3), text("new"), ABSENT],
        [text("1"), int(10), text("newest"), text("new")],
        [text("2"), int(1), text("new"), ABSENT],
        [text("2"), int(1), text("same"), ABSENT],
        [text("3"), int(1), text("new"), ABSENT],
    ];
    let changed = ["'1'|10|'newest'|'new'", "'2'|1|'new'|'b2'"];
    check(WriteMode::Update, Some(1), &guarded, &changed).await;
    let all = [changed[0], changed[1], "'3'|1|'new'|NULL"];
    check(WriteMode::Upsert, Some(1), &guarded, &all).await;
    let late = [[text("1"), int(4), text("late"), text("late")]];
    let before = ["'1'|5|'old'|'b1'", "'2'|NULL|'old'|'b2'"];
    check(WriteMode::Upsert, Some(1), &late, &before).await;
}

#[tokio::test]
async fn other_conflicts_than_the_keys_are_record_errors() {
    let database = Database::new(DDL).await;
    let target = database.target("t", &["id"], WriteMode::InsertIgnore).await;
    for bad in [
        [Cell::Text("3"), ABSENT, Cell::Text("x"), Cell::Text("b1")],
        [Cell::Text("3"), ABSENT, Cell::Null, Cell::Text("b3")],
    ] {
        let rows = rows_of(&target, &[(&bad, false)]);
        let refused = write_rows_only(&mut database.session().await, rows).await;
        assert_eq!(refused.unwrap_err().class(), ErrorClass::Record);
    }
    assert_eq!(database.count("t").await, 2);
}

#[tokio::test]
async fn a_truncate_has_its_place_among_the_records() {
    let database =
        Database::new("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (7)").await;
    let target = database.target("t", &["id"], WriteMode::Upsert).await;
    let mut rows = TableRows::new(target);
    push_row(&mut rows, &[Cell::Int(1)], false);
    push_kind(&mut rows, &[], RowKind::Truncate);
    push_row(&mut rows, &[Cell::Int(2)], false);
    write_rows_only(&mut database.session().await, rows)
        .await
        .unwrap();
    assert_eq!(database.query(&["id"], "FROM t").await, ["2"]);
}

fn column(name: &str, column_type: ColumnType) -> NewColumn {
    NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: false,
        default: None,
    }
}

#[tokio::test]
async fn columns_are_added_by_several_at_once() {
    let database =
        Database::new("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)").await;
    let name = TableName::parse("t");
    let wanted = [
        column("id", ColumnType::Int64),
        column("say \"hi\"", ColumnType::Json),
        column(
            "amount",
            ColumnType::Decimal {
                precision: None,
                scale: None,
            },
        ),
    ];
    let (mut one, mut other) = (database.session().await, database.session().await);
    let (one, other) = tokio::join!(
        one.evolve_table(&name, &wanted),
        other.evolve_table(&name, &wanted)
    );
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_eq!(one, other);
    let types: Vec<&str> = one
        .columns
        .iter()
        .map(|column| column.native_type.as_str())
        .collect();
    assert_eq!(types, ["INTEGER", "JSON", "DECIMAL_TEXT"]);
    assert!(one.columns[1].nullable);
    assert_eq!(database.count("t").await, 1);
}

#[tokio::test]
async fn a_type_that_cannot_be_changed_is_told() {
    let database = Database::new("CREATE TABLE t (amount DECIMAL(5,2))").await;
    let wide = ColumnType::Decimal {
        precision: Some(12),
        scale: Some(2),
    };
    let mut session = database.session().await;
    let name = TableName::parse("t");
    let refused = session.evolve_table(&name, &[column("amount", wide)]).await;
    let error = refused.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Record);
    for part in [
        "\"amount\"",
        "DECIMAL(5,2)",
        "decimal(12,2)",
        "ALTER TABLE .. RENAME",
    ] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let gone = session.evolve_table(&TableName::parse("gone"), &[]).await;
    assert!(gone.unwrap_err().table_changed());
}

/// SQLite's tables have 2,000 columns at most.
#[tokio::test]
async fn a_column_that_cannot_be_added_is_told() {
    let columns: Vec<String> = (0..2_000).map(|number| format!("c{number}")).collect();
    let database = Database::new(&format!("CREATE TABLE t ({})", columns.join(", "))).await;
    let mut session = database.session().await;
    let more = [column("more", ColumnType::Bool)];
    let refused = session.evolve_table(&TableName::parse("t"), &more).await;
    let error = refused.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Record);
    for part in ["\"more\"", "boolean", "too many columns", "ADD COLUMN"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    // The session is as good as before.
    let unchanged = session.evolve_table(&TableName::parse("t"), &[]).await;
    assert_eq!(unchanged.unwrap().columns.len(), 2_000);
}

#[tokio::test]
async fn a_table_that_changed_is_noticed() {
    for change in [
        "DROP TABLE t",
        "ALTER TABLE t DROP COLUMN n",
        "DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
    ] {
        let database = Database::new("CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT)").await;
        for mode in [WriteMode::Insert, WriteMode::Upsert, WriteMode::Update] {
            let target = database.target("t", &["id"], mode).await;
            let rows = rows_of(&target, &[(&[Cell::Int(1), Cell::Text("x")], false)]);
            let mut session = database.session().await;
            write_rows_only(&mut session, rows.clone()).await.unwrap();
            if mode == WriteMode::Insert {
                continue;
            }
            database.run(change).await;
            let error = write_rows_only(&mut session, rows).await.unwrap_err();
            assert!(error.table_changed(), "{change}: {error}");
            database
                .run("DROP TABLE IF EXISTS t; CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT)")
                .await;
        }
    }
}
