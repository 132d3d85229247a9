//! Chains as configs describe them, over schemaless records. The comparison with the real classes
//! covers types and schemas; here is what a chain does with its parts.

use super::*;
use crate::config::RawConfig;
use crate::config::connector::ConnectorConfig;
use crate::config::worker::WorkerSettings;
use crate::decode::Formats;
use crate::decode::sides::RecordDecoder;
use crate::record::{RawHeader, json};

/// What becomes of one record: topic, key and value as JSON.
fn apply(
    config: &[(&str, &str)],
    key: &str,
    value: Option<&str>,
) -> Result<Option<[String; 3]>, String> {
    let base = [
        ("name", "chain"),
        ("connector.class", "SqliteSink"),
        ("connection.url", "sqlite:chain.db"),
        ("topics", "orders"),
        ("key.converter", "JsonConverter"),
        ("key.converter.schemas.enable", "false"),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
    ];
    let raw: RawConfig = base
        .iter()
        .chain(config)
        .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
        .collect();
    let config = ConnectorConfig::parse(&raw, &WorkerSettings::default()).unwrap();
    let mut chain = Chain::new(&config.transforms, config.header_converter).unwrap();
    let headers: Vec<RawHeader> = vec![("source".into(), Some(b"web".to_vec()))];
    let raw = RawRecord {
        topic: "orders",
        partition: 3,
        offset: 7,
        timestamp_ms: Some(1_795_957_445_067),
        key: Some(key.as_bytes()),
        value: value.map(str::as_bytes),
        headers: &headers,
    };
    let formats = Formats::start(&config.key_converter, &config.value_converter, |_| {}).unwrap();
    let record = RecordDecoder::new(formats.key(), formats.value())
        .decode(&raw)
        .unwrap();
    let origin = record.origin().clone();
    let applied = chain.apply(record, &raw).map_err(|error| {
        assert_eq!(error.stage, Stage::Transformation);
        error.reason
    })?;
    Ok(applied.map(|changed| {
        assert_eq!(*changed.origin(), origin, "where it was read never changes");
        [
            changed.topic.to_string(),
            json::text(&changed.key.datum, None).unwrap(),
            json::text(&changed.value.datum, None).unwrap(),
        ]
    }))
}

#[test]
fn transforms_apply_in_their_order() {
    let config = [
        ("transforms", "hoist,key,route"),
        ("transforms.hoist.type", "HoistField$Value"),
        ("transforms.hoist.field", "order"),
        ("transforms.key.type", "ValueToKey"),
        ("transforms.key.fields", "order"),
        ("transforms.route.type", "TimestampRouter"),
        ("transforms.route.timestamp.format", "yyyyMM"),
    ];
    let value = r#"{"id":12345678901234567890,"price":1.50}"#;
    let hoisted = format!("{{\"order\":{value}}}");
    assert_eq!(
        apply(&config, "1", Some(value)),
        Ok(Some(["orders-202611".into(), hoisted.clone(), hoisted]))
    );
}

#[test]
fn predicates_choose_records() {
    let filter = |predicate: &[(&'static str, &'static str)], negate: &'static str| {
        let mut config = vec![
            ("transforms", "f"),
            ("transforms.f.type", "Filter"),
            ("transforms.f.predicate", "p"),
            ("transforms.f.negate", negate),
            ("predicates", "p"),
        ];
        config.extend_from_slice(predicate);
        config
    };
    let tombstone = [("predicates.p.type", "RecordIsTombstone")];
    let header = |name| {
        [
            ("predicates.p.type", "HasHeaderKey"),
            ("predicates.p.name", name),
        ]
    };
    let topic = |pattern| {
        let kind = ("predicates.p.type", "TopicNameMatches");
        [kind, ("predicates.p.pattern", pattern)]
    };
    let check = |config: Vec<(&str, &str)>, value: Option<&str>, dropped: bool| {
        assert_eq!(
            apply(&config, "1", value).unwrap().is_none(),
            dropped,
            "{config:?}"
        );
    };
    check(filter(&tombstone, "false"), None, true);
    check(filter(&tombstone, "false"), Some("{}"), false);
    check(filter(&tombstone, "true"), Some("{}"), true);
    check(filter(&header("source"), "false"), Some("{}"), true);
    check(filter(&header("other"), "false"), Some("{}"), false);
    check(filter(&topic("ord.*"), "false"), Some("{}"), true);
    check(filter(&topic("ord"), "false"), Some("{}"), false);
}

/// As Kafka Connect, whose transforms see nothing else.
#[test]
fn times_of_debezium_are_numbers_to_transforms() {
    let check = |name: &str, kind: &str, number: i64, options: &[(&str, &str)], expected: &str| {
        let value = format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"at","type":"{kind}",
                "name":"io.debezium.time.{name}"}}]}},"payload":{{"at":{number}}}}}"#
        );
        let mut config = vec![
            ("value.converter.schemas.enable", "true"),
            ("transforms", "t"),
        ];
        config.extend_from_slice(options);
        let applied = apply(&config, "1", Some(&value)).unwrap();
        let [_, _, found] = applied.unwrap();
        assert_eq!(found, expected, "{name} {options:?}");
    };
    let micros = 1_700_000_000_123_456;
    let mut converted = vec![
        ("transforms.t.type", "TimestampConverter$Value"),
        ("transforms.t.field", "at"),
        ("transforms.t.target.type", "Timestamp"),
        ("transforms.t.unix.precision", "microseconds"),
    ];
    let expected = r#"{"at":"2023-11-14T22:13:20.123456Z"}"#;
    check("MicroTimestamp", "int64", micros, &converted, expected);
    converted[3].1 = "milliseconds";
    let expected = r#"{"at":"2023-11-14T22:13:20.123Z"}"#;
    let millis = micros / 1_000;
    check("Timestamp", "int64", millis, &converted, expected);
    let cast = |spec| {
        let kind = ("transforms.t.type", "Cast$Value");
        [kind, ("transforms.t.spec", spec)]
    };
    let number = |number: i64| format!("{{\"at\":{number}}}");
    let text = |number: i64| format!("{{\"at\":\"{number}\"}}");
    for (name, kind, sample) in [
        ("MicroTimestamp", "int64", micros),
        ("NanoTimestamp", "int64", -1),
        ("Timestamp", "int64", 1_700_000_000_123),
        ("MicroTime", "int64", 86_399_000_001),
        ("NanoTime", "int64", 1),
        ("Time", "int32", 1_001),
        ("Date", "int32", -7),
    ] {
        check(name, kind, sample, &cast("at:int64"), &number(sample));
        check(name, kind, sample, &cast("at:string"), &text(sample));
    }
    let mask = [
        ("transforms.t.type", "MaskField$Value"),
        ("transforms.t.fields", "at"),
        ("transforms.t.replacement", "42"),
    ];
    check("Date", "int32", 1, &mask, r#"{"at":"1970-02-12"}"#);
    let expected = r#"{"at":"1970-01-01T00:00:00.000042"}"#;
    check("MicroTimestamp", "int64", micros, &mask, expected);
}

#[test]
fn failures_name_the_transform_and_the_field_but_no_value() {
    let config = [
        ("transforms", "cast"),
        ("transforms.cast.type", "Cast$Value"),
        ("transforms.cast.spec", "age:int8"),
    ];
    let reason = apply(&config, "1", Some(r#"{"age":"secret"}"#)).unwrap_err();
    assert!(
        reason.starts_with("transform \"cast\": field \"age\": "),
        "{reason}"
    );
    assert!(!reason.contains("secret"), "{reason}");
}

/// What `ExtractNewRecordState` leaves of an event with this payload; `None`: it is dropped.
fn unwrapped(keys: &[(&str, &str)], payload: Option<&str>) -> Option<[String; 3]> {
    const ROW: &str = r#"{"type":"struct","optional":true,"fields":[
        {"field":"id","type":"int64"},
        {"field":"note","type":"string","optional":true,"default":"none"}]}"#;
    let row = |name: &str| format!(r#"{{"field":"{name}",{}"#, &ROW[1..]);
    let schema = format!(
        r#"{{"type":"struct","name":"s.t.Envelope","fields":[{},{},{{"field":"op","type":"string"}},
        {{"field":"source","type":"struct","fields":[{{"field":"table","type":"string"}}]}}]}}"#,
        row("before"),
        row("after")
    );
    let value = payload.map(|payload| format!(r#"{{"schema":{schema},"payload":{payload}}}"#));
    let mut config = vec![
        ("value.converter.schemas.enable", "true"),
        ("value.converter.replace.null.with.default", "false"),
        ("transforms", "unwrap"),
        ("transforms.unwrap.type", "ExtractNewRecordState"),
    ];
    config.extend_from_slice(keys);
    apply(&config, "1", value.as_deref()).unwrap()
}

const UPDATE: &str =
    r#"{"before":null,"after":{"id":1,"note":null},"op":"u","source":{"table":"t"}}"#;
const DELETE: &str =
    r#"{"before":{"id":1,"note":"n"},"after":null,"op":"d","source":{"table":"t"}}"#;
const TRUNCATE: &str = r#"{"op":"t","source":{"table":"t"}}"#;

#[test]
fn change_events_become_rows() {
    let check = |keys: &[(&str, &str)], payload: Option<&str>, expected: Option<&str>| {
        let value = unwrapped(keys, payload).map(|[_, _, value]| value);
        assert_eq!(value.as_deref(), expected, "{keys:?} {payload:?}");
    };
    check(&[], Some(UPDATE), Some(r#"{"id":1,"note":null}"#));
    check(&[], Some(DELETE), Some("null"));
    check(&[], Some(TRUNCATE), None);
    check(&[], None, None);
    let rewrite = (
        "transforms.unwrap.delete.tombstone.handling.mode",
        "rewrite",
    );
    let updated = r#"{"id":1,"note":"none","__deleted":"false"}"#;
    check(&[rewrite], Some(UPDATE), Some(updated));
    let deleted = r#"{"id":1,"note":"n","__deleted":"true"}"#;
    check(&[rewrite], Some(DELETE), Some(deleted));
    check(&[rewrite], None, None);
    let added = ("transforms.unwrap.add.fields", "op:what,table");
    let expected = r#"{"id":1,"note":null,"__what":"u","__table":"t"}"#;
    check(&[added], Some(UPDATE), Some(expected));
}

#[test]
fn change_events_are_handled_as_older_configs_say() {
    let check = |keys: &[(&str, &str)], delete: Option<&str>, tombstone: bool| {
        let value = |payload| unwrapped(keys, payload).map(|[_, _, value]| value);
        assert_eq!(value(Some(DELETE)).as_deref(), delete, "{keys:?}");
        assert_eq!(value(None).is_some(), tombstone, "{keys:?}");
    };
    let old = |mode| ("transforms.unwrap.delete.handling.mode", mode);
    let keep = ("transforms.unwrap.drop.tombstones", "false");
    let deleted = r#"{"id":1,"note":"n","__deleted":"true"}"#;
    check(&[old("none")], Some("null"), false);
    check(&[old("none"), keep], Some("null"), true);
    check(&[old("drop")], None, false);
    check(&[old("rewrite"), keep], Some(deleted), true);
    check(&[keep], None, true);
    let new = (
        "transforms.unwrap.delete.tombstone.handling.mode",
        "rewrite-with-tombstone",
    );
    check(&[new, old("drop")], Some(deleted), true);
}
