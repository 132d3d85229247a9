//! Describing and creating tables.

use super::*;
use crate::table::{ColumnType, NewColumn};

async fn described(database: &Database, name: &str) -> Option<Table> {
    let mut session = database.session().await;
    session
        .describe_table(&TableName::parse(name))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_table_is_described_with_keys_defaults_and_generated_columns() {
    let ddl = "CREATE TABLE Orders (
            region TEXT NOT NULL, id BIGINT, total DECIMAL(10,2) DEFAULT 0, note TEXT,
            twice INTEGER AS (id * 2), email TEXT UNIQUE, code TEXT, PRIMARY KEY (id, region),
            UNIQUE (code, region));
        CREATE UNIQUE INDEX by_note ON Orders (note);
        CREATE UNIQUE INDEX some ON Orders (note) WHERE total > 0;
        CREATE UNIQUE INDEX lowered ON Orders (lower(note), code);
        CREATE INDEX plain ON Orders (total);";
    let database = Database::new(ddl).await;
    assert_eq!(described(&database, "missing").await, None);
    let table = described(&database, "orders").await.unwrap();
    assert_eq!(table.name, TableName::parse("orders"));
    assert_eq!(table.primary_key, ["id", "region"]);
    let mut unique_keys = table.unique_keys.clone();
    unique_keys.sort();
    assert_eq!(
        unique_keys,
        [vec!["code", "region"], vec!["email"], vec!["note"]]
    );
    let columns: Vec<_> = table
        .columns
        .iter()
        .map(|column| {
            let flags = (column.nullable, column.has_default, column.generated);
            (column.name.as_str(), column.native_type.as_str(), flags)
        })
        .collect();
    assert_eq!(
        columns,
        [
            ("region", "TEXT", (false, false, false)),
            ("id", "BIGINT", (true, false, false)),
            ("total", "DECIMAL(10,2)", (true, true, false)),
            ("note", "TEXT", (true, false, false)),
            ("twice", "INTEGER", (true, true, true)),
            ("email", "TEXT", (true, false, false)),
            ("code", "TEXT", (true, false, false)),
        ]
    );
    assert_eq!(table.columns[1].column_type, ColumnType::Int64);
}

#[tokio::test]
async fn only_a_row_number_key_gives_itself_out() {
    let check = async |ddl: &str, expected: bool| {
        let database = Database::new(ddl).await;
        let table = described(&database, "t").await.unwrap();
        assert_eq!(table.primary_key, ["k"], "{ddl}");
        assert_eq!(table.columns[0].has_default, expected, "{ddl}");
    };
    check("CREATE TABLE t (k INTEGER PRIMARY KEY)", true).await;
    check("CREATE TABLE t (k integer, PRIMARY KEY (k))", true).await;
    check("CREATE TABLE t (k INTEGER PRIMARY KEY DESC)", false).await;
    check("CREATE TABLE t (k BIGINT PRIMARY KEY)", false).await;
    check(
        "CREATE TABLE t (k INTEGER PRIMARY KEY) WITHOUT ROWID",
        false,
    )
    .await;
    check("CREATE TABLE t (k TEXT PRIMARY KEY)", false).await;
}

#[tokio::test]
async fn dots_belong_to_the_name_and_views_are_refused() {
    let database =
        Database::new("CREATE TABLE \"shop.orders\" (a); CREATE VIEW v AS SELECT 1 AS a").await;
    assert!(described(&database, "shop.orders").await.is_some());
    assert!(described(&database, "main.shop.orders").await.is_some());
    let mut session = database.session().await;
    let error = session
        .describe_table(&TableName::parse("v"))
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Stop);
}

fn wanted(columns: &[(&str, ColumnType)]) -> NewTable {
    let column = |(name, column_type): &(&str, ColumnType)| NewColumn {
        name: (*name).to_owned(),
        column_type: column_type.clone(),
        nullable: true,
        default: None,
    };
    NewTable {
        name: TableName::parse("made \"here\""),
        columns: columns.iter().map(column).collect(),
        primary_key: vec!["id".to_owned()],
    }
}

#[tokio::test]
async fn eight_creators_get_one_table() {
    let database = Database::new("").await;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..8 {
        let mut session = database.session().await;
        tasks.spawn(async move {
            let extra = format!("extra_{number}");
            let text = ColumnType::Text { max_chars: None };
            let table = wanted(&[("id", ColumnType::Int64), (&extra, text)]);
            session.create_table(&table).await.unwrap()
        });
    }
    let tables = tasks.join_all().await;
    assert!(tables.iter().all(|table| *table == tables[0]), "{tables:?}");
    assert_eq!(tables[0].columns.len(), 2);
    assert!(!tables[0].columns[0].nullable);
}

#[tokio::test]
async fn a_created_table_can_be_written_to() {
    let database = Database::new("").await;
    let mut session = database.session().await;
    let decimal = ColumnType::Decimal {
        precision: Some(38),
        scale: Some(2),
    };
    let table = session
        .create_table(&wanted(&[("id", ColumnType::Uuid), ("d", decimal.clone())]))
        .await
        .unwrap();
    assert_eq!(table.columns[1].column_type, decimal);
    let target = target_of(table, &["id"], WriteMode::Upsert);
    let long = "999999999999999999999999999999999999.99";
    let rows = rows_of(
        &target,
        &[(&[Cell::Uuid([1; 16]), Cell::Decimal(long)], false)],
    );
    write_rows_only(&mut session, rows).await.unwrap();
    let found = database.query(&["d"], "FROM \"made \"\"here\"\"\"").await;
    assert_eq!(found, [format!("'{long}'")]);
}

#[tokio::test]
async fn an_unsupported_type_cannot_be_created() {
    let database = Database::new("").await;
    let mut session = database.session().await;
    let unsupported = wanted(&[("id", ColumnType::Unsupported)]);
    let error = session.create_table(&unsupported).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Stop);
    // The session is as good as before.
    session
        .create_table(&wanted(&[("id", ColumnType::Int64)]))
        .await
        .unwrap();
}
