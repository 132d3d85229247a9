//! Tables that are created.

use rowdock_connectors::{ColumnType, NewColumn, NewTable, TableName};

use super::Database;
use super::support::{Outside, check_columns, int, put, rows, rows_only, session, table, upserted};

fn wanted() -> NewTable {
    let column = |(name, column_type): (&str, ColumnType)| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    };
    let columns = [
        ("id", ColumnType::Text { max_chars: None }),
        ("odd \"name` of it", ColumnType::Int64),
        ("at", ColumnType::Timestamp),
    ];
    NewTable {
        name: TableName::parse("created"),
        columns: columns.into_iter().map(column).collect(),
        primary_key: vec!["id".to_owned()],
    }
}

pub(crate) async fn many_create_one_table(database: &impl Database) {
    drop(session(database).await);
    let mut creating = Vec::new();
    for _ in 0..6 {
        let mut session = session(database).await;
        creating.push(tokio::spawn(async move {
            session.create_table(&wanted()).await
        }));
    }
    for created in creating {
        let table = created.await.expect("joined").expect("created");
        check_columns(database, &table, &["id", "odd \"name` of it", "at"]);
        assert_eq!(table.primary_key, ["id"]);
        let odd = table.column_index("odd \"name` of it").expect("a column");
        assert!(!table.columns[0].nullable);
        assert!(table.columns[odd].nullable);
        assert_eq!(table.columns[odd].column_type, ColumnType::Int64);
    }
    let mut session = session(database).await;
    let described = session
        .describe_table(&wanted().name)
        .await
        .expect("described");
    assert!(described.is_some());
    let absent = session.describe_table(&TableName::parse("absent")).await;
    assert_eq!(absent.expect("looked"), None);
}

/// Several workers add the same columns, and widen one.
pub(crate) async fn many_evolve_one_table(database: &impl Database) {
    let column = |name: &str, column_type: ColumnType| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    };
    let mut session = session(database).await;
    table(&mut *session, "t", true).await;
    let wanted = [
        column("id", ColumnType::Int64),
        column("extra", ColumnType::Timestamp),
        column(
            "more",
            ColumnType::Decimal {
                precision: Some(12),
                scale: Some(2),
            },
        ),
    ];
    let mut evolving = Vec::new();
    for _ in 0..4 {
        let mut session = super::support::session(database).await;
        let wanted = wanted.clone();
        evolving.push(tokio::spawn(async move {
            session.evolve_table(&TableName::parse("t"), &wanted).await
        }));
    }
    for evolved in evolving {
        let table = evolved.await.expect("joined").expect("evolved");
        check_columns(database, &table, &["id", "n", "note", "extra", "more"]);
        let extra = table.column_index("extra").expect("a column");
        assert!(table.columns[extra].nullable);
    }
    let absent = session
        .evolve_table(&TableName::parse("absent"), &wanted)
        .await;
    assert!(absent.expect_err("no table").table_changed());
}

/// A table that is dropped or changed under the sink is told from a row that is refused.
pub(crate) async fn a_changed_table_is_told(database: &impl Outside) {
    let mut session = session(database).await;
    let target = upserted(&mut *session, "t").await;
    let written = rows_only(vec![rows(
        &target,
        &[put(1, int(1), rowdock_connectors::Cell::Null)],
    )]);
    session.write(&written).await.expect("written");
    database.execute("ALTER TABLE t DROP COLUMN note").await;
    let error = session.write(&written).await.expect_err("no such column");
    assert!(error.table_changed() && !error.connection_lost(), "{error}");
    database.execute("DROP TABLE t").await;
    let error = session.write(&written).await.expect_err("no such table");
    assert!(error.table_changed() && !error.connection_lost(), "{error}");
    let target = upserted(&mut *session, "t").await;
    let written = rows_only(vec![rows(
        &target,
        &[put(1, int(1), rowdock_connectors::Cell::Null)],
    )]);
    session.write(&written).await.expect("written");
    assert_eq!(database.rows("t", &["id"]).await, ["1"]);
}
