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
        let expected = [
            Cell::Int(2),
            Cell::Absent,
            Cell::Decimal("3"),
            Cell::Absent,
        ];
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
