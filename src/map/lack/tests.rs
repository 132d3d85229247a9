//! What records of each kind lack.

use rowdock_connectors::{DefaultValue, Table, TableKind, TableName, WriteMode};

use super::*;
use crate::config::converter::JsonOptions;
use crate::decode::Format;
use crate::map::tests::{entries, keys};

fn format(schemas_enable: bool) -> Format {
    Format::json(&JsonOptions {
        schemas_enable,
        ..JsonOptions::default()
    })
}

fn decimal(precision: u32, scale: u32) -> ColumnType {
    ColumnType::Decimal {
        precision: Some(precision),
        scale: Some(scale),
    }
}

fn text(max_chars: Option<u32>) -> ColumnType {
    ColumnType::Text { max_chars }
}

/// Key `id`; a column for each kind of width.
fn target() -> Target {
    let columns = [
        ("id", ColumnType::Int32),
        ("small", ColumnType::Int16),
        ("amount", decimal(6, 2)),
        ("name", text(Some(5))),
        ("real", ColumnType::Float32),
        ("day", ColumnType::Date),
        ("doc", ColumnType::Json),
        ("raw", ColumnType::SizedBytes { max_bytes: 3 }),
    ];
    let columns: Vec<ColumnDef> = columns
        .into_iter()
        .map(|(name, column_type)| ColumnDef {
            name: name.to_owned(),
            column_type,
            native_type: String::new(),
            native_type_id: 0,
            nullable: true,
            has_default: false,
            generated: false,
            insert_only: false,
        })
        .collect();
    Target {
        written: (0..columns.len()).collect(),
        key: vec![0],
        mode: WriteMode::Upsert,
        guard: None,
        tombstones: None,
        table: Table {
            name: TableName::parse("t"),
            kind: TableKind::default(),
            columns,
            primary_key: vec!["id".to_owned()],
            unique_keys: Vec::new(),
            text_allows_nul: false,
            has_zero_dates: false,
        },
    }
}

fn record<'a>(key: Option<&'a str>, value: &'a str) -> RawRecord<'a> {
    RawRecord {
        topic: "t",
        partition: 0,
        offset: 0,
        timestamp_ms: None,
        key: key.map(str::as_bytes),
        value: Some(value.as_bytes()),
        headers: &(),
    }
}

fn evolution(schemas_enable: bool, exclude: &[&str]) -> Evolution {
    let mut keys = keys(KeyMode::RecordKey, &[]);
    keys.fields_exclude = entries(exclude);
    evolution_of(schemas_enable, &keys)
}

fn evolution_of(schemas_enable: bool, keys: &SinkKeys) -> Evolution {
    let decoder = RecordDecoder::new(format(false), format(schemas_enable));
    Evolution::new(decoder, keys, "t")
}

fn check(value: &str, expected: &[(&str, ColumnType)]) {
    let mut evolution = evolution(false, &["skipped"]);
    let found = evolution.lacking(&record(Some("1"), value), None, &target());
    let found: Vec<(String, ColumnType)> = found
        .expect("nothing is refused")
        .into_iter()
        .map(|column| (column.name, column.column_type))
        .collect();
    let expected: Vec<(String, ColumnType)> = expected
        .iter()
        .map(|(name, column_type)| ((*name).to_owned(), column_type.clone()))
        .collect();
    assert_eq!(found, expected, "{value}");
}

#[test]
fn missing_columns_are_lacking_unless_nothing_is_known_of_their_type() {
    check(
        r#"{"a":1,"b":1.5,"c":"x","d":true,"e":{"f":1},"skipped":1,"SMALL":3}"#,
        &[
            ("a", ColumnType::Int64),
            ("b", ColumnType::Float64),
            ("c", text(None)),
            ("d", ColumnType::Bool),
            ("e", ColumnType::Json),
        ],
    );
    check(r#"{"a":null}"#, &[]);
    // The key's value comes from the key.
    check(r#"{"id":99999999999}"#, &[]);
}

#[test]
fn columns_are_as_wide_as_the_value_needs() {
    check(
        r#"{"small":32767,"amount":1234.5,"name":"abcde","real":1}"#,
        &[],
    );
    check(r#"{"small":-32769}"#, &[("small", ColumnType::Int32)]);
    check(
        r#"{"small":9223372036854775807}"#,
        &[("small", ColumnType::Int64)],
    );
    check(
        r#"{"small":9223372036854775808}"#,
        &[("small", decimal(19, 0))],
    );
    check(r#"{"small":1.5}"#, &[]);
    check(r#"{"small":"x"}"#, &[]);
    check(r#"{"amount":12345.678}"#, &[("amount", decimal(8, 3))]);
    check(r#"{"amount":0.001}"#, &[("amount", decimal(3, 3))]);
    check(r#"{"name":"abcdef"}"#, &[("name", text(Some(32)))]);
    let long = "x".repeat(33);
    check(
        &format!(r#"{{"name":"{long}"}}"#),
        &[("name", text(Some(64)))],
    );
    check(r#"{"name":"a\u0000b"}"#, &[]);
    let bytes = |max_bytes| ColumnType::SizedBytes { max_bytes };
    check(r#"{"raw":"AAEC"}"#, &[]);
    check(r#"{"raw":"AAECAw=="}"#, &[("raw", bytes(32))]);
    let long = "AAEC".repeat(11);
    check(&format!(r#"{{"raw":"{long}"}}"#), &[("raw", bytes(64))]);
    check(r#"{"raw":"AAEC?"}"#, &[]);
    check(r#"{"real":1e39}"#, &[("real", ColumnType::Float64)]);
    check(r#"{"day":"soon"}"#, &[]);
    check("[1]", &[("record_value", ColumnType::Json)]);
    check("{", &[]);
}

/// As `auto.create` makes them.
#[test]
fn fields_are_what_the_config_says() {
    let keys = SinkKeys {
        change_events: true,
        timestamp_fields: vec!["paid_at".to_owned()],
        zoned_fields: vec![("sent_at".to_owned(), "zone".to_owned())],
        ..keys(KeyMode::RecordKey, &[])
    };
    let plain = r#"{"paid_at":1,"sent_at":1,"zone":"UTC","__deleted":"false","unset_at":null}"#;
    let of_schema = r#"{"schema":{"type":"struct","fields":[{"field":"paid_at","type":"int64"},
        {"field":"sent_at","type":"int64","optional":true},
        {"field":"__deleted","type":"string"}]},
        "payload":{"paid_at":1,"__deleted":"false"}}"#;
    for (schemas_enable, value) in [(false, plain), (true, of_schema)] {
        let mut evolution = evolution_of(schemas_enable, &keys);
        let found = evolution.lacking(&record(Some("1"), value), None, &target());
        let found = found.expect("nothing is refused").into_iter();
        let found: Vec<_> = found
            .map(|column| (column.name, column.column_type))
            .collect();
        let expected = [
            ("paid_at".to_owned(), ColumnType::Timestamp),
            ("sent_at".to_owned(), ColumnType::TimestampTz),
        ];
        assert_eq!(found, expected, "{value}");
    }
}

#[test]
fn names_that_are_one_column_are_asked_for_once() {
    for (columns_ignore_case, expected) in [(true, 1), (false, 2)] {
        let keys = SinkKeys {
            columns_ignore_case,
            ..keys(KeyMode::RecordKey, &[])
        };
        let mut evolution = evolution_of(false, &keys);
        let found = evolution.lacking(&record(Some("1"), r#"{"new":1,"New":2}"#), None, &target());
        assert_eq!(found.map(|columns| columns.len()), Ok(expected));
    }
}

#[test]
fn what_the_event_does_not_have_needs_no_room() {
    let keys = SinkKeys {
        change_events: true,
        ..keys(KeyMode::RecordKey, &[])
    };
    let mut evolution = evolution_of(false, &keys);
    let value = r#"{"name":"__debezium_unavailable_value","small":99999}"#;
    let found = evolution.lacking(&record(Some("1"), value), None, &target());
    let found = found.expect("nothing is refused").into_iter();
    let names: Vec<String> = found.map(|column| column.name).collect();
    assert_eq!(names, ["small"]);
}

#[test]
fn keys_are_widened_too() {
    let mut evolution = evolution(false, &[]);
    let mut lacking = |key| {
        let found = evolution.lacking(&record(Some(key), "{}"), None, &target());
        found.expect("nothing is refused").pop()
    };
    assert_eq!(lacking("7"), None);
    let wider = lacking("5000000000").map(|column| (column.name, column.column_type));
    assert_eq!(wider, Some(("id".to_owned(), ColumnType::Int64)));
    let wider = lacking(r#"{"id":5000000000,"more":1}"#);
    assert_eq!(wider.map(|column| column.name).as_deref(), Some("id"));
}

#[test]
fn a_schema_gives_type_and_default_of_new_columns() {
    let value = r#"{"schema":{"type":"struct","fields":[
        {"field":"a","type":"int16","default":7},{"field":"b","type":"string","optional":true}]},
        "payload":{"a":1,"b":null}}"#;
    let mut evolution = evolution(true, &[]);
    let found = evolution.lacking(&record(Some("1"), value), None, &target());
    let columns: Vec<_> = found
        .expect("nothing is refused")
        .into_iter()
        .map(|column| (column.column_type, column.default))
        .collect();
    let seven = Some(DefaultValue::Int(7));
    assert_eq!(columns, [(ColumnType::Int16, seven), (text(None), None)]);
    // With another default it is the same column, which cannot be had.
    let refused = NewColumn {
        name: "a".to_owned(),
        column_type: ColumnType::Int16,
        nullable: true,
        default: None,
    };
    evolution.refuse(vec![(refused, "no".to_owned())]);
    let again = evolution.lacking(&record(Some("1"), value), None, &target());
    assert_eq!(again, Err("no".to_owned()));
}

/// As the sinks of such databases create them.
#[test]
fn unsigned_columns_become_what_the_source_is() {
    let check = |source: &str, value: &str, expected: Option<ColumnType>| {
        let mut target = target();
        let unsigned = ColumnType::IntRange {
            low: 0,
            high: 65_535,
        };
        target.table.columns[1].column_type = unsigned;
        let value = format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"small","type":"int64",
            "parameters":{{"__debezium.source.column.type":"{source}"}}}}]}},
            "payload":{{"small":{value}}}}}"#
        );
        let mut evolution = evolution(true, &[]);
        let found = evolution.lacking(&record(Some("1"), &value), None, &target);
        let found = found.expect("nothing is refused").pop();
        let found = found.map(|column| column.column_type);
        assert_eq!(found, expected, "{source} {value}");
    };
    let wider = ColumnType::IntRange {
        low: 0,
        high: 4_294_967_295,
    };
    check("INT UNSIGNED", "65536", Some(wider));
    check("INT UNSIGNED", "65535", None);
    check("BIGINT UNSIGNED", "65536", Some(ColumnType::UInt64));
    check("BIGINT UNSIGNED", "-1", Some(ColumnType::UInt64));
    check("BIGINT", "65536", Some(ColumnType::Int32));
    check("BIGINT", "-1", Some(ColumnType::Int32));
}

#[test]
fn what_was_refused_is_not_asked_for_again() {
    let mut evolution = evolution(false, &[]);
    let refused = |name: &str, column_type| NewColumn {
        name: name.to_owned(),
        column_type,
        nullable: true,
        default: None,
    };
    evolution.refuse(vec![
        (refused("a", ColumnType::Int64), "no".to_owned()),
        (refused("amount", decimal(70, 0)), "too wide".to_owned()),
    ]);
    let mut lacking = |value: &str| {
        let found = evolution.lacking(&record(Some("1"), value), None, &target());
        found.map(|columns| columns.len())
    };
    assert_eq!(lacking(r#"{"a":1,"b":1}"#), Err("no".to_owned()));
    assert_eq!(lacking(r#"{"b":1}"#), Ok(1));
    let digits = "7".repeat(70);
    let too_wide = lacking(&format!(r#"{{"amount":{digits}}}"#));
    assert_eq!(too_wide, Err("too wide".to_owned()));
    // What is less wide may be had.
    assert_eq!(lacking(r#"{"amount":12345}"#), Ok(1));
}
