//! Records into rows, by key mode, format and table.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rowdock_connectors::{
    Cell, ColumnDef, ColumnType, Notation, Table, TableKind, TableName, WriteMode,
};

use super::*;
use crate::config::connector::{FieldEntry, TopicDots};
use crate::config::converter::{Converter, HeaderConverter, JsonOptions, Primitive};
use crate::decode::Formats;
use crate::decode::sides::RecordDecoder;

mod asides;
mod deletes;
mod rivals;
mod tables;
mod unavailable;

const SCHEMALESS: Converter = Converter::Json(JsonOptions {
    schemas_enable: false,
    schemas_cache_size: 10,
    default_for_null: true,
});
const ENVELOPE: Converter = Converter::Json(JsonOptions {
    schemas_enable: true,
    schemas_cache_size: 10,
    default_for_null: true,
});
const NULLS_KEPT: Converter = Converter::Json(JsonOptions {
    schemas_enable: true,
    schemas_cache_size: 10,
    default_for_null: false,
});
/// A format that has no registry.
fn format(converter: &Converter) -> Format {
    Formats::start(converter, converter, |_| {})
        .unwrap()
        .value()
}

const TEXT: Converter = Converter::Primitive(Primitive::Text);

fn column(name: &str, column_type: ColumnType, nullable: bool) -> ColumnDef {
    ColumnDef {
        name: name.into(),
        native_type: column_type.to_string(),
        column_type,
        native_type_id: 0,
        nullable,
        has_default: false,
        generated: false,
        insert_only: false,
    }
}

fn orders() -> Table {
    Table {
        name: TableName::parse("orders"),
        kind: TableKind::default(),
        columns: vec![
            column("id", ColumnType::Int64, false),
            column("note", ColumnType::Text { max_chars: None }, true),
            column(
                "price",
                ColumnType::Decimal {
                    precision: Some(6),
                    scale: Some(2),
                },
                true,
            ),
        ],
        primary_key: vec!["id".into()],
        unique_keys: Vec::new(),
        text_allows_nul: false,
        has_zero_dates: false,
    }
}

pub(super) fn keys(key_mode: KeyMode, key_fields: &[&str]) -> SinkKeys {
    SinkKeys {
        url: String::new(),
        user: None,
        password: None,
        insert_mode: if key_mode == KeyMode::None {
            WriteMode::Insert
        } else {
            WriteMode::Upsert
        },
        key_mode,
        key_fields: key_fields.iter().map(|&field| field.to_owned()).collect(),
        delete_enabled: key_mode == KeyMode::RecordKey,
        change_events: false,
        truncate_enabled: false,
        unavailable_value: "__debezium_unavailable_value".to_owned(),
        soft_delete_field: None,
        guard_field: None,
        tombstone_table: None,
        auto_create: true,
        auto_evolve: false,
        table_name_format: "${topic}".into(),
        table_name_normalize: false,
        tables_of_topics: BTreeMap::new(),
        topic_dots: TopicDots::Keep,
        fields_include: Vec::new(),
        fields_exclude: Vec::new(),
        single_value_column: "record_value".into(),
        unknown_fields: UnknownFields::Fail,
        header_converter: HeaderConverter::Simple,
        zoned_fields: Vec::new(),
        timestamp_fields: Vec::new(),
        timestamp_parts: 1_000_000,
        table_kinds: Vec::new(),
        folds_names: false,
        columns_ignore_case: false,
        zone: None,
        progress_table: "rowdock_progress".into(),
        cassandra: rowdock_connectors::cassandra::CassandraSettings::default(),
        mappings: Vec::new(),
        deletes_by_prefix: false,
    }
}

/// Of `fields.whitelist` or `fields.exclude.list`.
pub(super) fn entries(entries: &[&str]) -> Vec<FieldEntry> {
    let parsed = entries.iter().map(|entry| FieldEntry::parse(entry));
    parsed.map(Result::unwrap).collect()
}

struct Mapping {
    mapper: TopicMapper,
    rows: TableRows,
}

impl Mapping {
    fn new(table: Table, keys: &SinkKeys, key: &Converter, value: &Converter) -> Self {
        let target = Arc::new(plan::target(table, keys, "orders").unwrap());
        Self {
            mapper: TopicMapper::new(
                Arc::clone(&target),
                keys,
                "orders",
                format(key),
                format(value),
            ),
            rows: TableRows::new(target),
        }
    }

    fn map(&mut self, key: Option<&str>, value: Option<&str>) -> Result<Vec<Cell<'_>>, String> {
        let record = RawRecord {
            topic: "orders",
            partition: 2,
            offset: 7,
            timestamp_ms: None,
            key: key.map(str::as_bytes),
            value: value.map(str::as_bytes),
            headers: &(),
        };
        let origin = Origin {
            position: 0,
            offset: 7,
            kind: RowKind::Write,
        };
        let before = self.rows.len();
        match self.mapper.map(&record, None, origin, &mut self.rows) {
            Ok(()) => Ok(self
                .rows
                .columns
                .iter()
                .map(|column| column.get(before))
                .collect()),
            Err(error) => {
                assert_eq!(self.rows.len(), before, "a bad record leaves no row");
                assert!(
                    self.rows
                        .columns
                        .iter()
                        .all(|column| column.len() == before)
                );
                match error {
                    Unmapped::Bad(error) => Err(error.to_string()),
                    Unmapped::Lacking(columns) => Err(format!("lacks {columns:?}")),
                }
            }
        }
    }
}

fn plain() -> Mapping {
    Mapping::new(orders(), &keys(KeyMode::None, &[]), &TEXT, &SCHEMALESS)
}

#[test]
fn schemaless_fields_go_to_the_columns_of_their_name() {
    let mut mapping = plain();
    let row = mapping
        .map(None, Some(r#"{"note":"a","id":1,"price":1.50}"#))
        .unwrap();
    assert_eq!(row, [Cell::Int(1), Cell::Text("a"), Cell::Decimal("1.50")]);
    let row = mapping.map(None, Some(r#"{"id":2,"note":null}"#)).unwrap();
    assert_eq!(row, [Cell::Int(2), Cell::Null, Cell::Absent]);
    let row = mapping.map(None, Some(r#"{"ID":3,"Note":"x"}"#)).unwrap();
    assert_eq!(row, [Cell::Int(3), Cell::Text("x"), Cell::Absent]);
    let row = mapping.map(None, Some(r#"{"id":4,"id":5}"#)).unwrap();
    assert_eq!(
        row[0],
        Cell::Int(5),
        "of a repeated field the last one counts"
    );
}

#[test]
fn bad_records_say_which_field_and_why() {
    let mut mapping = plain();
    let mut check = |value: &str, expected: &str| {
        let reason = mapping.map(None, Some(value)).unwrap_err();
        assert!(reason.contains(expected), "{value}: {reason}");
    };
    check(
        r#"{"id":"x"}"#,
        "field \"id\": a text does not fit column \"id\" (64-bit integer)",
    );
    check(
        r#"{"id":1,"price":1.234}"#,
        "more than 2 digits after the point",
    );
    check(
        r#"{"note":"x"}"#,
        "no value for column \"id\" of orders, which is NOT NULL",
    );
    check(r#"{"id":null}"#, "no value for column \"id\"");
    check(
        r#"{"id":1,"other":2}"#,
        "field \"other\" has no column in orders",
    );
    check(r#"{"id":1"#, "ends too early");
    check("[1]", "is not an object");
    check("7", "is not an object");
    check("null", "the record has no value");
}

#[test]
fn record_keys_fill_key_columns_and_win_over_value_fields() {
    let keys = keys(KeyMode::RecordKey, &["id"]);
    let mut mapping = Mapping::new(orders(), &keys, &SCHEMALESS, &SCHEMALESS);
    let row = mapping
        .map(Some("1"), Some(r#"{"id":9,"note":"a"}"#))
        .unwrap();
    assert_eq!(row, [Cell::Int(1), Cell::Text("a"), Cell::Absent]);
    let row = mapping
        .map(Some(r#"{"id":2,"more":3}"#), Some("{}"))
        .unwrap();
    assert_eq!(row[0], Cell::Int(2));
    mapping.map(Some("3"), None).unwrap();
    assert_eq!(mapping.rows.origins[2].kind, RowKind::Delete);
    mapping.map(Some("4"), Some("null")).unwrap();
    assert_eq!(
        mapping.rows.origins[3].kind,
        RowKind::Delete,
        "a JSON null is a tombstone too"
    );
    let refused = mapping.map(None, Some("{}")).unwrap_err();
    assert!(refused.contains("the record has no key"), "{refused}");
    let refused = mapping.map(Some("null"), Some("{}")).unwrap_err();
    assert!(refused.contains("is part of the key"), "{refused}");
    let refused = mapping.map(Some(r#"{"other":1}"#), None).unwrap_err();
    assert!(refused.contains("is part of the key"), "{refused}");
}

#[test]
fn text_keys_are_texts() {
    let mut table = orders();
    table.primary_key = vec!["note".into()];
    table.columns[0].nullable = true;
    table.columns[1].nullable = false;
    let keys = keys(KeyMode::RecordKey, &[]);
    let mut mapping = Mapping::new(table, &keys, &TEXT, &SCHEMALESS);
    let row = mapping.map(Some("k-1"), Some(r#"{"price":2}"#)).unwrap();
    assert_eq!(row, [Cell::Absent, Cell::Text("k-1"), Cell::Decimal("2")]);
}

#[test]
fn single_values_have_a_column_of_their_own() {
    let mut table = orders();
    table.columns[0].nullable = true;
    let mut keys = keys(KeyMode::None, &[]);
    keys.single_value_column = "note".into();
    let mut mapping = Mapping::new(table.clone(), &keys, &TEXT, &TEXT);
    let row = mapping.map(None, Some("null")).unwrap();
    assert_eq!(row, [Cell::Absent, Cell::Text("null"), Cell::Absent]);
    let mut mapping = Mapping::new(table.clone(), &keys, &TEXT, &SCHEMALESS);
    let row = mapping.map(None, Some(r#" "a" "#)).unwrap();
    assert_eq!(row[1], Cell::Text("a"));
    let row = mapping.map(None, Some(r#"{"price":1}"#)).unwrap();
    assert_eq!(row, [Cell::Absent, Cell::Absent, Cell::Decimal("1")]);
    keys.single_value_column = "id".into();
    let long = Converter::Primitive(Primitive::Long);
    let mut mapping = Mapping::new(table, &keys, &TEXT, &long);
    let row = mapping.map(None, Some("\0\0\0\0\0\0\0\u{7}")).unwrap();
    assert_eq!(row[0], Cell::Int(7));
    let reason = mapping.map(None, Some("7")).unwrap_err();
    assert_eq!(reason, "1 bytes, but a 64-bit integer has 8");
}

#[test]
fn change_events_write_delete_and_truncate() {
    let mut keys = keys(KeyMode::RecordKey, &["id"]);
    keys.change_events = true;
    keys.truncate_enabled = true;
    let check = |keys: &SinkKeys, key: &str, value: Option<&str>, expected: Option<RowKind>| {
        let formats = Formats::start(&SCHEMALESS, &SCHEMALESS, |_| {}).unwrap();
        let formats = formats.with_change_events(keys.change_events);
        let target = Arc::new(plan::target(orders(), keys, "orders").unwrap());
        let mut rows = TableRows::new(Arc::clone(&target));
        let mut mapper = TopicMapper::new(target, keys, "orders", formats.key(), formats.value());
        let record = RawRecord {
            topic: "orders",
            partition: 0,
            offset: 1,
            timestamp_ms: None,
            key: Some(key.as_bytes()),
            value: value.map(str::as_bytes),
            headers: &(),
        };
        let origin = Origin {
            position: 0,
            offset: 1,
            kind: RowKind::Write,
        };
        // Once out of the bytes, once as what transforms leave of it.
        let mut decoder = RecordDecoder::new(formats.key(), formats.value());
        let mut whole = decoder.decode(&record).unwrap();
        decoder.unwrap(&mut whole).unwrap();
        mapper.map(&record, None, origin, &mut rows).unwrap();
        mapper
            .map(&record, Some(&whole), origin, &mut rows)
            .unwrap();
        let kinds: Vec<RowKind> = rows.origins.iter().map(|origin| origin.kind).collect();
        let expected: Vec<RowKind> = expected.into_iter().collect();
        assert_eq!(kinds, [expected.clone(), expected].concat(), "{value:?}");
    };
    let key = r#"{"id":1}"#;
    let write = r#"{"before":null,"after":{"id":1,"note":"a"},"source":{"db":"x"},"op":"u"}"#;
    let delete = r#"{"before":{"id":1,"other":2},"after":null,"op":"d"}"#;
    let truncate = r#"{"source":{},"op":"t"}"#;
    check(&keys, key, Some(write), Some(RowKind::Write));
    check(&keys, key, Some(delete), Some(RowKind::Delete));
    check(&keys, key, None, Some(RowKind::Delete));
    check(&keys, "null", Some(truncate), Some(RowKind::Truncate));
    check(&keys, key, Some(r#"{"ts_ms":5}"#), None);
    keys.delete_enabled = false;
    keys.truncate_enabled = false;
    check(&keys, key, Some(delete), None);
    check(&keys, key, None, None);
    check(&keys, key, Some(truncate), None);
    keys.key_mode = KeyMode::RecordValue;
    keys.delete_enabled = true;
    let told = r#"{"before":{"id":1},"after":null,"op":"d"}"#;
    check(&keys, "null", Some(told), Some(RowKind::Delete));
    // What follows it for the log's compaction.
    check(&keys, key, None, None);
    let mut plain = keys;
    plain.change_events = false;
    let mut mapping = Mapping::new(orders(), &plain, &SCHEMALESS, &SCHEMALESS);
    let refused = mapping.map(Some(key), None).unwrap_err();
    assert!(refused.contains("is part of the key"), "{refused}");
}

#[test]
fn kafka_coordinates_are_a_key() {
    let mut table = orders();
    table
        .columns
        .push(column("t", ColumnType::Text { max_chars: None }, false));
    table.columns.push(column("p", ColumnType::Int32, false));
    table.columns.push(column("o", ColumnType::Int64, false));
    table.primary_key = vec!["t".into(), "p".into(), "o".into()];
    let keys = keys(KeyMode::Kafka, &["t", "p", "o"]);
    let mut mapping = Mapping::new(table, &keys, &TEXT, &SCHEMALESS);
    let row = mapping.map(None, Some(r#"{"id":1}"#)).unwrap();
    assert_eq!(row[3..], [Cell::Text("orders"), Cell::Int(2), Cell::Int(7)]);
}

#[test]
fn envelopes_bring_types_defaults_and_nulls() {
    let keys = keys(KeyMode::RecordValue, &["id"]);
    let mut mapping = Mapping::new(orders(), &keys, &TEXT, &ENVELOPE);
    let schema = r#"{"type":"struct","fields":[{"type":"int64","field":"id"},
        {"type":"string","optional":true,"default":"none","field":"note"},
        {"type":"bytes","optional":true,"name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"},"field":"price"}]}"#;
    let envelope = |payload: &str| format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
    for _ in 0..2 {
        let row = mapping.map(
            None,
            Some(&envelope(r#"{"id":1,"note":"a","price":"BNI="}"#)),
        );
        assert_eq!(
            row.unwrap(),
            [Cell::Int(1), Cell::Text("a"), Cell::Decimal("12.34")]
        );
        let row = mapping.map(None, Some(&envelope(r#"{"id":1}"#)));
        assert_eq!(row.unwrap(), [Cell::Int(1), Cell::Text("none"), Cell::Null]);
    }
    let reason = mapping
        .map(None, Some(&envelope(r#"{"note":"a"}"#)))
        .unwrap_err();
    assert!(
        reason.contains("field \"id\": null, but the schema requires a value"),
        "{reason}"
    );
    let reason = mapping.map(None, Some(r#"{"id":1}"#)).unwrap_err();
    assert!(reason.contains("set schemas.enable=false"), "{reason}");
    let reason = mapping.map(None, Some(&envelope("null"))).unwrap_err();
    assert_eq!(reason, "null, but the schema requires a value");
    let other = envelope(r#"{"id":2}"#).replace("\"fields\":[", "\"version\":2,\"fields\":[");
    assert_eq!(
        mapping.map(None, Some(&other)).unwrap()[0],
        Cell::Int(2),
        "a second schema version"
    );
}

#[test]
fn left_out_fields_are_not_unknown() {
    let mut only_note = keys(KeyMode::None, &[]);
    only_note.fields_include = entries(&["id", "note"]);
    let mut mapping = Mapping::new(orders(), &only_note, &TEXT, &SCHEMALESS);
    let row = mapping
        .map(None, Some(r#"{"id":1,"note":"a","price":5,"more":6}"#))
        .unwrap();
    assert_eq!(row, [Cell::Int(1), Cell::Text("a")]);
    let mut ignoring = keys(KeyMode::None, &[]);
    ignoring.unknown_fields = UnknownFields::Ignore;
    let mut mapping = Mapping::new(orders(), &ignoring, &TEXT, &SCHEMALESS);
    assert!(mapping.map(None, Some(r#"{"id":1,"more":6}"#)).is_ok());
}

/// Whatever the lists of fields say of them.
#[test]
fn key_fields_of_a_value_are_written() {
    let mut keys = keys(KeyMode::RecordValue, &["id"]);
    let value = r#"{"id":1,"note":"a","price":5}"#;
    keys.fields_include = entries(&["note"]);
    let mut mapping = Mapping::new(orders(), &keys, &TEXT, &SCHEMALESS);
    let row = mapping.map(None, Some(value)).unwrap();
    assert_eq!(row, [Cell::Int(1), Cell::Text("a")]);
    keys.fields_include = Vec::new();
    keys.fields_exclude = entries(&["id", "price"]);
    let mut mapping = Mapping::new(orders(), &keys, &TEXT, &SCHEMALESS);
    let row = mapping.map(None, Some(value)).unwrap();
    assert_eq!(row, [Cell::Int(1), Cell::Text("a")]);
}

#[test]
fn negative_longs_are_unsigned_where_the_source_says_so() {
    let mut table = orders();
    table.columns[0].column_type = ColumnType::UInt64;
    let mapped = |source: &str, id: i64| {
        let keys = keys(KeyMode::RecordValue, &["id"]);
        let mut mapping = Mapping::new(table.clone(), &keys, &SCHEMALESS, &ENVELOPE);
        let envelope = format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"id","type":"int64",
                "parameters":{{"__debezium.source.column.type":"{source}"}}}}]}},"payload":{{"id":{id}}}}}"#
        );
        let row = mapping.map(None, Some(&envelope));
        row.map(|row| format!("{:?}", row[0])).map_err(drop)
    };
    let found = mapped("BIGINT UNSIGNED", -1);
    assert_eq!(found.as_deref(), Ok("Decimal(\"18446744073709551615\")"));
    let found = mapped("bigint unsigned zerofill", i64::MIN);
    assert_eq!(found.as_deref(), Ok("Decimal(\"9223372036854775808\")"));
    let found = mapped("BIGINT UNSIGNED", 7);
    assert_eq!(found.as_deref(), Ok("Decimal(\"7\")"));
    assert_eq!(mapped("BIGINT", -1), Err(()));
}

proptest! {
    #[test]
    fn any_bytes_are_a_row_or_a_reason(key in ".{0,20}", value in r#"[\{\}\[\]":,0-9a-z\\ .-]{0,60}"#) {
        let keys = keys(KeyMode::RecordKey, &["id"]);
        for (key_format, value_format) in [(&SCHEMALESS, &SCHEMALESS), (&ENVELOPE, &ENVELOPE)] {
            let mut mapping = Mapping::new(orders(), &keys, key_format, value_format);
            let mapped = mapping.map(Some(&key), Some(&value)).is_ok();
            prop_assert_eq!(mapping.rows.len(), usize::from(mapped));
        }
    }

    #[test]
    fn what_fits_arrives_as_it_was(id: i64, note in "\\PC{0,20}", price in 0..999_999_i64) {
        let price = format!("{}.{:02}", price / 100, price % 100);
        let note_json = serde_json::to_string(&note).unwrap();
        let value = format!(r#"{{"price":{price},"id":{id},"note":{note_json}}}"#);
        let mut mapping = plain();
        let row = mapping.map(None, Some(&value)).unwrap();
        prop_assert_eq!(row, vec![Cell::Int(id), Cell::Text(&note), Cell::Decimal(&price)]);
    }
}

/// Whatever converter reads it, a record that goes through a tree ends in the same cells as one
/// that is read field by field.
#[test]
fn owned_records_are_mapped_like_their_bytes() {
    let schema = r#"{"type":"struct","fields":[{"type":"int64","field":"id"},
        {"type":"string","optional":true,"field":"note","default":"none"}]}"#;
    let envelope = format!(r#"{{"schema":{schema},"payload":{{"id":4}}}}"#);
    let null = format!(r#"{{"schema":{schema},"payload":{{"id":4,"note":null}}}}"#);
    let cases: [(&Converter, Option<&str>); 9] = [
        (&SCHEMALESS, Some(r#"{"id":1,"note":"a","price":1.50}"#)),
        (
            &SCHEMALESS,
            Some(r#"{"id":2,"note":{"x":[1.50]},"price":12e1}"#),
        ),
        (&SCHEMALESS, Some(r#"{"id":"x"}"#)),
        (&SCHEMALESS, Some(r#"{"id":3,"more":1}"#)),
        (&SCHEMALESS, None),
        (&ENVELOPE, Some(&envelope)),
        (&ENVELOPE, Some(&null)),
        (&NULLS_KEPT, Some(&envelope)),
        (&NULLS_KEPT, Some(&null)),
    ];
    for (converter, value) in cases {
        let keys = keys(KeyMode::None, &[]);
        let mut direct = Mapping::new(orders(), &keys, &SCHEMALESS, converter);
        let mut owned = Mapping::new(orders(), &keys, &SCHEMALESS, converter);
        let raw = RawRecord {
            topic: "orders",
            partition: 2,
            offset: 7,
            timestamp_ms: None,
            key: None,
            value: value.map(str::as_bytes),
            headers: &(),
        };
        let whole = RecordDecoder::new(format(&SCHEMALESS), format(converter))
            .decode(&raw)
            .unwrap();
        let origin = Origin {
            position: 0,
            offset: 7,
            kind: RowKind::Write,
        };
        let one = direct.mapper.map(&raw, None, origin, &mut direct.rows);
        let other = owned
            .mapper
            .map(&raw, Some(&whole), origin, &mut owned.rows);
        assert_eq!(one, other, "{value:?}");
        let cells = |rows: &TableRows| format!("{:?}", rows.columns);
        assert_eq!(cells(&direct.rows), cells(&owned.rows), "{value:?}");
        let keeps_nulls = converter == &NULLS_KEPT;
        let note = &owned.rows.columns[1];
        if keeps_nulls {
            assert_eq!(note.state(0), CellState::Null, "{value:?}");
        } else if converter == &ENVELOPE {
            assert_eq!(note.state(0), CellState::Value, "{value:?}");
        }
    }
}

/// Whatever a database made of a request: the same is not asked of the same table again.
#[test]
fn what_was_asked_for_and_is_lacking_still_is_a_bad_record() {
    let keys = keys(KeyMode::None, &[]);
    let mut mapping = plain();
    let value = format(&SCHEMALESS);
    let decoder = RecordDecoder::new(format(&TEXT), value);
    mapping.mapper = mapping.mapper.evolving(decoder, &keys, "orders");
    let lacking = r#"{"id":3,"new":1}"#;
    let lacks = mapping.map(None, Some(lacking)).unwrap_err();
    assert!(lacks.starts_with("lacks "), "{lacks}");
    let asked = NewColumn {
        name: "new".to_owned(),
        column_type: ColumnType::Int64,
        nullable: true,
        default: None,
    };
    mapping.mapper.evolution_answered(vec![asked]);
    let refused = mapping.map(None, Some(lacking)).unwrap_err();
    let expected = "the record needs column \"new\" of table orders to hold 64-bit integer";
    assert!(refused.contains(expected), "{refused}");
    mapping.map(None, Some(r#"{"id":3}"#)).unwrap();
    let other = mapping.map(None, Some(r#"{"id":3,"other":1}"#));
    assert!(other.unwrap_err().starts_with("lacks "));
}

#[test]
fn durations_count_what_their_schema_says() {
    let check = |schema_name: &str, expected: &str| {
        let mut table = orders();
        let interval = ColumnType::Literal(Notation::Interval);
        table.columns.push(column("took", interval, true));
        let keys = keys(KeyMode::None, &[]);
        let mut mapping = Mapping::new(table, &keys, &TEXT, &ENVELOPE);
        let value = format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"id","type":"int64"}},
                {{"field":"took","type":"int64","name":"{schema_name}"}}]}},
                "payload":{{"id":1,"took":-1500000}}}}"#
        );
        let row = mapping.map(None, Some(&value)).unwrap();
        assert_eq!(row[3], Cell::Text(expected), "{schema_name}");
    };
    check("io.debezium.time.NanoDuration", "-1500 microseconds");
    check("io.debezium.time.MicroDuration", "-1500000 microseconds");
}
