//! Schemas that change while rows are written.

use rowdock_connectors::{
    Cell, ColumnType, ErrorClass, NewColumn, NewTable, TableName, WriteOutcome,
};

use super::support::{batch, claimed, put, target};
use super::window::through;
use crate::conformance::databases::cassandra::Keyspace;
use crate::conformance::support::{claim, start};
use crate::services;
use crate::wire::Wire;

/// A field that a type has been given is written at once, though no table is any different.
#[tokio::test]
async fn a_type_is_given_a_field() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!("CREATE TYPE {name}.address (street text)"))
        .await;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, a frozen<address>, l frozen<list<address>>)"
        ))
        .await;
    let (mut session, claim_id) = claimed(&keyspace).await;
    let target = target(&mut *session, "t", 1).await;
    let street = Cell::Json(r#"{"street":"a"}"#);
    let first = [put(0, 1_000, &[Cell::Int(1), street, Cell::Null])];
    let first = batch(&target, claim_id, 0, &first);
    let outcome = session.write(&first).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let (with_zip, in_list) = (
        Cell::Json(r#"{"street":"b","zip":5}"#),
        Cell::Json(r#"[{"zip":6}]"#),
    );
    let second = [put(1, 1_001, &[Cell::Int(2), with_zip, in_list])];
    let second = batch(&target, claim_id, 1, &second);
    let error = session.write(&second).await.expect_err("no such field yet");
    assert_eq!(error.class(), ErrorClass::Record, "{error}");

    keyspace
        .run(&format!("ALTER TYPE {name}.address ADD zip int"))
        .await;
    let outcome = session.write(&second).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    let zips = keyspace
        .texts(&format!("SELECT id, a.zip, a.street FROM {name}.t"))
        .await;
    assert_eq!(zips, ["1,null,a", "2,5,b"]);
}

/// What one node has refused may be a change that another has not heard of: it is described once all agree.
#[tokio::test]
async fn a_refusal_is_looked_into_once_all_nodes_agree() {
    let keyspace = Keyspace::new().await;
    let name = &keyspace.name;
    keyspace
        .run(&format!(
            "CREATE TABLE {name}.t (id int PRIMARY KEY, n int, note text)"
        ))
        .await;
    let wire = Wire::to(&services::address("ROWDOCK_TEST_CASSANDRA")).await;
    let mut session = through(&wire, &keyspace).await;
    start(&mut *session, 1).await;
    let claim_id = claim(&mut *session, &[0]).await;
    let target = target(&mut *session, "t", 1).await;
    let row = |offset| {
        put(
            offset,
            1_000,
            &[Cell::Int(1), Cell::Int(2), Cell::Text("x")],
        )
    };
    let first = batch(&target, claim_id, 0, &[row(0)]);
    let outcome = session.write(&first).await.expect("written");
    assert_eq!(outcome, WriteOutcome::Committed);
    keyspace
        .run(&format!("ALTER TABLE {name}.t DROP note"))
        .await;
    let second = batch(&target, claim_id, 1, &[row(1)]);
    let error = session.write(&second).await.expect_err("no such column");
    assert!(error.table_changed(), "{error}");
    let asked = || wire.times_said(b"schema_version");
    let table = TableName::parse("t");
    for agrees in [true, false] {
        let before = asked();
        let described = session.describe_table(&table).await.expect("described");
        assert_eq!(described.expect("there").columns.len(), 2);
        assert_eq!(asked() > before, agrees, "once");
    }
}

/// A table that cannot be created is no record's fault.
#[tokio::test]
async fn a_table_in_no_keyspace_stops_the_task() {
    let keyspace = Keyspace::new().await;
    let (mut session, _) = claimed(&keyspace).await;
    let wanted = NewTable {
        name: TableName::parse("no_such_keyspace.t"),
        columns: vec![NewColumn {
            name: "id".to_owned(),
            column_type: ColumnType::Int32,
            nullable: false,
            default: None,
        }],
        primary_key: vec!["id".to_owned()],
    };
    let error = session.create_table(&wanted).await.expect_err("refused");
    assert_eq!(error.class(), ErrorClass::Stop, "{error}");
    assert!(error.to_string().contains("run by hand"), "{error}");
}
