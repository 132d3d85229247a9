//! Values that a change event does not have.

use super::*;

fn columns() -> Table {
    let mut table = orders();
    table.columns.push(column("doc", ColumnType::Json, true));
    table.columns.push(column("raw", ColumnType::Bytes, true));
    let array = ColumnType::Array(Box::new(ColumnType::Text { max_chars: None }));
    table.columns.push(column("list", array, true));
    table
}

const EVENT: &str = r#"{"note":"__debezium_unavailable_value","price":2,
    "doc":"__debezium_unavailable_value","raw":"X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==",
    "list":["__debezium_unavailable_value"]}"#;

fn mapping(table: Table, change: impl FnOnce(&mut SinkKeys)) -> Mapping {
    let mut keys = keys(KeyMode::RecordKey, &["id"]);
    keys.change_events = true;
    change(&mut keys);
    Mapping::new(table, &keys, &SCHEMALESS, &SCHEMALESS)
}

#[test]
fn they_are_not_in_the_row() {
    let mut events = mapping(columns(), |_| {});
    let row = events.map(Some("1"), Some(EVENT)).unwrap();
    assert_eq!(row[..3], [Cell::Int(1), Cell::Absent, Cell::Decimal("2")]);
    assert_eq!(row[3..], [Cell::Absent; 3]);
    let whole = r#"{"note":"__debezium_available_value","doc":["__debezium_unavailable_value",1]}"#;
    let row = events.map(Some("1"), Some(whole)).unwrap();
    assert_eq!(row[1], Cell::Text("__debezium_available_value"));
    assert!(matches!(row[3], Cell::Json(_)));
    // Of one of the same length, and of the last of a repeated field.
    let twice = r#"{"note":"a","note":"__debezium_unavailable_value"}"#;
    let row = events.map(Some("1"), Some(twice)).unwrap();
    assert_eq!(row[1], Cell::Absent);
    let other = r#"{"note":"__debezium_unavailable_valuE"}"#;
    let row = events.map(Some("1"), Some(other)).unwrap();
    assert_eq!(row[1], Cell::Text("__debezium_unavailable_valuE"));
}

#[test]
fn what_stands_for_them_is_what_the_config_says() {
    let is_there = |change: &dyn Fn(&mut SinkKeys), text: &str| {
        let mut mapping = mapping(columns(), |keys| change(keys));
        let value = format!(r#"{{"note":"{text}"}}"#);
        mapping.map(Some("1"), Some(&value)).unwrap()[1] == Cell::Text(text)
    };
    let usual = "__debezium_unavailable_value";
    let other = |keys: &mut SinkKeys| keys.unavailable_value = "?".to_owned();
    assert!(is_there(&other, usual) && !is_there(&other, "?"));
    let none = |keys: &mut SinkKeys| keys.unavailable_value = String::new();
    assert!(is_there(&none, usual) && is_there(&none, ""));
    let no_events = |keys: &mut SinkKeys| keys.change_events = false;
    assert!(is_there(&no_events, usual));
}

#[test]
fn a_column_that_must_have_one_says_how() {
    let mut table = columns();
    table.columns[1].nullable = false;
    let mut upserting = mapping(table.clone(), |_| {});
    let refused = upserting.map(Some("1"), Some(EVENT)).unwrap_err();
    assert!(refused.contains("insert.mode=update only"), "{refused}");
    let refused = upserting.map(Some("1"), Some("{}")).unwrap_err();
    assert!(!refused.contains("insert.mode"), "{refused}");
    let update = |keys: &mut SinkKeys| keys.insert_mode = WriteMode::Update;
    let mut updating = mapping(table, update);
    assert!(updating.map(Some("1"), Some(EVENT)).is_ok());
}
