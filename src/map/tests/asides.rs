//! Fields that are set aside until a record has been read.

use super::*;

fn timed() -> Table {
    let mut table = orders();
    table
        .columns
        .push(column("at", ColumnType::Timestamp, true));
    table
}

fn keys_with(change: impl FnOnce(&mut SinkKeys)) -> SinkKeys {
    let mut keys = keys(KeyMode::RecordKey, &["id"]);
    change(&mut keys);
    keys
}

#[test]
fn nothing_is_left_of_a_record_that_was_refused() {
    let check = |keys: &SinkKeys, refused: &str| {
        let mut mapping = Mapping::new(timed(), keys, &SCHEMALESS, &SCHEMALESS);
        assert!(mapping.map(Some("1"), Some(refused)).is_err(), "{refused}");
        let row = mapping.map(Some("2"), Some(r#"{"price":3}"#)).unwrap();
        let expected = [Cell::Int(2), Cell::Absent, Cell::Decimal("3"), Cell::Absent];
        assert_eq!(row, expected, "{refused}");
        assert_eq!(mapping.rows.origins[0].kind, RowKind::Write, "{refused}");
    };
    let counted = keys_with(|keys| keys.timestamp_fields = vec!["at".to_owned()]);
    check(&counted, r#"{"at":1700000000000000,"price":"abc"}"#);
    check(&counted, r#"{"at":1700000000000000,"price":"#);
    let zoned = keys_with(|keys| {
        keys.zoned_fields = vec![("at".to_owned(), "zone".to_owned())];
    });
    let of_berlin = r#"{"at":"2026-11-21T10:15:30Z","zone":"Europe/Berlin","price":"abc"}"#;
    check(&zoned, of_berlin);
    let two = keys_with(|keys| {
        keys.zoned_fields = vec![("paid".to_owned(), "zone".to_owned())];
        keys.timestamp_fields = vec!["at".to_owned()];
    });
    check(&two, r#"{"at":1700000000000000,"zone":7}"#);
    let events = keys_with(|keys| keys.change_events = true);
    check(&events, r#"{"__deleted":"true","price":"abc"}"#);
}

#[test]
fn a_flattened_delete_deletes_whatever_the_columns_are() {
    let check = |column_type: Option<ColumnType>, value: &str, expected: Result<RowKind, &str>| {
        let mut table = orders();
        if let Some(column_type) = column_type {
            table.columns.push(column("__deleted", column_type, true));
        }
        let keys = keys_with(|keys| keys.change_events = true);
        let mut mapping = Mapping::new(table, &keys, &SCHEMALESS, &SCHEMALESS);
        let mapped = mapping.map(Some("1"), Some(value));
        let shown = mapped.as_ref().ok().and_then(|row| row.get(3).copied());
        let shown = shown.map(|cell| format!("{cell:?}"));
        match (mapped.map(|_| ()), expected) {
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
            (mapped, expected) => {
                assert_eq!(mapped, Ok(()), "{value}");
                assert_eq!(Ok(mapping.rows.origins[0].kind), expected, "{value}");
            }
        }
        shown
    };
    let text = || Some(ColumnType::Text { max_chars: None });
    let delete = Ok(RowKind::Delete);
    let write = Ok(RowKind::Write);
    for column_type in [None, text(), Some(ColumnType::Bool)] {
        check(column_type.clone(), r#"{"__deleted":"true"}"#, delete);
        check(column_type.clone(), r#"{"__deleted":true}"#, delete);
        check(column_type.clone(), r#"{"__deleted":"false"}"#, write);
        check(column_type.clone(), r#"{"__deleted":null}"#, write);
        let refused = Err("tell whether a row was deleted");
        check(column_type.clone(), r#"{"__deleted":"yes"}"#, refused);
        check(column_type, r#"{"__deleted":1}"#, refused);
    }
    let shown = check(text(), r#"{"__deleted":"false"}"#, write);
    assert_eq!(shown.as_deref(), Some("Text(\"false\")"));
    let shown = check(Some(ColumnType::Bool), r#"{"__deleted":"false"}"#, write);
    assert_eq!(shown.as_deref(), Some("Bool(false)"));
    let shown = check(text(), r#"{"__deleted":null}"#, write);
    assert_eq!(shown.as_deref(), Some("Null"));
}
