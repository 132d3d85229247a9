//! Which tables records go to, which tables can take them, and those that are made for them.

use super::*;

#[test]
fn hopeless_targets_are_refused_with_advice() {
    let check = |table: Table, keys: &SinkKeys, expected: &str| {
        let reason = plan::target(table, keys, "orders").unwrap_err();
        assert!(reason.contains(expected), "{reason}");
    };
    check(
        orders(),
        &keys(KeyMode::RecordValue, &["nope"]),
        "key column \"nope\" is not in table orders",
    );
    check(
        orders(),
        &keys(KeyMode::RecordValue, &["note"]),
        "ALTER TABLE orders ADD UNIQUE (\"note\")",
    );
    let mut keyless = orders();
    keyless.primary_key.clear();
    check(
        keyless,
        &keys(KeyMode::RecordValue, &[]),
        "pk.fields must name the key's columns",
    );
    let mut without_id = keys(KeyMode::None, &[]);
    without_id.fields_include = entries(&["note"]);
    check(orders(), &without_id, "fields.whitelist");
    let mut of_another = keys(KeyMode::None, &[]);
    of_another.fields_include = entries(&["payments:note"]);
    check(
        orders(),
        &of_another,
        "no column of table orders is written",
    );
}

/// Whether a view finds rows by a key, the database must say.
#[test]
fn keys_of_views_are_left_to_the_database() {
    let view = |kind| {
        let mut table = orders();
        table.kind = kind;
        table.primary_key.clear();
        table.unique_keys.clear();
        table
    };
    let mut keys = keys(KeyMode::RecordValue, &["id"]);
    for kind in TableKind::ALL {
        let is_view = matches!(kind, TableKind::View | TableKind::Foreign);
        for mode in [WriteMode::Upsert, WriteMode::InsertIgnore] {
            keys.insert_mode = mode;
            let target = plan::target(view(kind), &keys, "orders");
            assert_eq!(target.is_ok(), is_view, "{kind:?}");
            assert!(target.is_ok_and(|target| plan::has_unknown_key(&target)) == is_view);
        }
        keys.insert_mode = WriteMode::Update;
        let target = plan::target(view(kind), &keys, "orders").unwrap();
        assert!(!plan::has_unknown_key(&target), "{kind:?}");
    }
}

#[test]
fn tables_are_named_by_format() {
    let check = |format: &str, topic: &str, expected: (Option<&str>, &str)| {
        let mut keys = keys(KeyMode::None, &[]);
        keys.table_name_format = format.into();
        let name = plan::table_name(&keys, topic);
        assert_eq!((name.schema.as_deref(), name.name.as_str()), expected);
    };
    check("${topic}", "a.b", (None, "a.b"));
    check("shop.${topic}", "a.b", (Some("shop"), "a.b"));
    check("kafka_${topic}_v1", "t", (None, "kafka_t_v1"));
    let check = |dots: TopicDots, format: &str, topic: &str, expected: (Option<&str>, &str)| {
        let mut keys = keys(KeyMode::None, &[]);
        keys.table_name_format = format.into();
        keys.topic_dots = dots;
        let name = plan::table_name(&keys, topic);
        assert_eq!((name.schema.as_deref(), name.name.as_str()), expected);
    };
    check(TopicDots::Underscore, "${topic}", "a.b", (None, "a_b"));
    check(
        TopicDots::Underscore,
        "s.${topic}",
        "a.b",
        (Some("s"), "a_b"),
    );
    check(TopicDots::Schema, "${topic}", "a.b", (Some("a"), "b"));
    check(TopicDots::Schema, "${topic}", "db.a.b", (Some("a"), "b"));
    check(TopicDots::Schema, "${topic}_v1", "b", (None, "b_v1"));
    check(TopicDots::Schema, "${topic}", "b.", (None, "b."));
    let quoted = r#"shop."${topic}""#;
    check(TopicDots::Schema, quoted, "a.b", (Some("shop"), "a.b"));
    check(TopicDots::Schema, "`${topic}`", "a", (None, "a"));
    let mut keys = keys(KeyMode::None, &[]);
    keys.table_name_format = "s.${topic}_v1".into();
    keys.table_name_normalize = true;
    let name = plan::table_name(&keys, "a.b-ü");
    assert_eq!((name.schema, name.name.as_str()), (None, "s_a_b___v1"));
    keys.tables_of_topics = BTreeMap::from([("t".into(), "shop.orders".into())]);
    let name = plan::table_name(&keys, "t");
    assert_eq!(
        (name.schema.as_deref(), name.name.as_str()),
        (Some("shop"), "orders")
    );
    keys.topic_dots = TopicDots::Schema;
    keys.tables_of_topics = BTreeMap::from([("t".into(), r#""shop"."a.b""#.into())]);
    let name = plan::table_name(&keys, "t");
    assert_eq!((name.schema.as_deref(), &*name.name), (Some("shop"), "a.b"));
    assert!(plan::check_mapped(&keys, "t").is_ok());
    let refused = plan::check_mapped(&keys, "u").unwrap_err();
    assert!(refused.contains("topic u has no table"), "{refused}");
}

#[test]
fn tables_are_designed_from_the_first_records() {
    let design = |key_mode,
                  fields: &[&str],
                  key: &Converter,
                  value: &Converter,
                  records: &[(&str, &str)]| {
        let records: Vec<RawRecord<'_>> = records
            .iter()
            .map(|(key, value)| RawRecord {
                topic: "t",
                partition: 0,
                offset: 0,
                timestamp_ms: None,
                key: Some(key.as_bytes()),
                value: Some(value.as_bytes()),
                headers: &(),
            })
            .collect();
        infer::table(
            "t",
            &records,
            &keys(key_mode, fields),
            &mut format(key),
            &mut format(value),
        )
        .map(|table| {
            let columns: Vec<String> = table
                .columns
                .iter()
                .map(|column| {
                    format!(
                        "{} {}{}",
                        column.name,
                        column.column_type,
                        if column.nullable { "" } else { "!" }
                    )
                })
                .collect();
            format!("{} / {}", columns.join(", "), table.primary_key.join(","))
        })
    };
    let made = design(
        KeyMode::None,
        &[],
        &TEXT,
        &SCHEMALESS,
        &[
            ("", r#"{"a":1,"b":null,"c":[1],"d":true}"#),
            ("", r#"{"a":1.5,"e":"x"}"#),
            ("", "broken"),
        ],
    );
    assert_eq!(
        made.unwrap(),
        "a 64-bit float, b text, c json, d boolean, e text / "
    );
    let made = design(
        KeyMode::RecordKey,
        &["k"],
        &TEXT,
        &SCHEMALESS,
        &[("x", r#"{"a":1}"#)],
    );
    assert_eq!(made.unwrap(), "k text!, a 64-bit integer / k");
    let made = design(KeyMode::None, &[], &TEXT, &TEXT, &[("", "any")]);
    assert_eq!(made.unwrap(), "record_value text / ");
    let made = design(
        KeyMode::RecordKey,
        &[],
        &SCHEMALESS,
        &SCHEMALESS,
        &[(r#"{"k":1}"#, r#"{"a":1}"#)],
    );
    assert_eq!(made.unwrap(), "k 64-bit integer!, a 64-bit integer / k");
    let made = design(
        KeyMode::Kafka,
        &[],
        &TEXT,
        &SCHEMALESS,
        &[("", r#"{"a":1}"#)],
    );
    assert!(
        made.unwrap()
            .starts_with("__connect_topic text!, __connect_partition 32-bit integer!")
    );
    let envelope = r#"{"schema":{"type":"struct","fields":[{"type":"int16","field":"a"},{"type":"string","optional":true,"field":"b"}]},"payload":{"a":1}}"#;
    let made = design(
        KeyMode::RecordValue,
        &["a"],
        &TEXT,
        &ENVELOPE,
        &[("", envelope)],
    );
    assert_eq!(made.unwrap(), "a 16-bit integer!, b text / a");
    // Of special types, those of a key are plain but for integers.
    let inet = r#""type":"string","parameters":{"__debezium.source.column.type":"INET"}"#;
    let envelope = format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"type":"int8","field":"a"}},{{{inet},"field":"b"}},{{{inet},"field":"c"}}]}},"payload":{{"a":1,"b":"::1","c":"::1"}}}}"#
    );
    let made = design(
        KeyMode::RecordValue,
        &["a", "b"],
        &TEXT,
        &ENVELOPE,
        &[("", &envelope)],
    );
    assert_eq!(
        made.unwrap(),
        "a integer from -128 to 127!, b text!, c network address! / a,b"
    );
    assert!(design(KeyMode::None, &[], &TEXT, &SCHEMALESS, &[("", "[]")]).is_err());
    assert!(
        design(
            KeyMode::RecordValue,
            &["z"],
            &TEXT,
            &SCHEMALESS,
            &[("", r#"{"a":1}"#)]
        )
        .is_err()
    );
}

/// What says something of other fields, or of the record, has no column.
#[test]
fn fields_that_are_no_columns_are_not_designed() {
    let mut keys = keys(KeyMode::RecordKey, &["k"]);
    let check = |keys: &SinkKeys, expected: &str| {
        let record = RawRecord {
            topic: "t",
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: Some(b"1"),
            value: Some(br#"{"at":1,"zone":"UTC","a":1,"__deleted":"true"}"#),
            headers: &(),
        };
        let (mut key, mut value) = (format(&SCHEMALESS), format(&SCHEMALESS));
        let table = infer::table("t", &[record], keys, &mut key, &mut value).unwrap();
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|column| format!("{} {}", column.name, column.column_type))
            .collect();
        let expected = expected.split(", ").collect::<Vec<_>>();
        assert_eq!(columns[1..], expected);
    };
    check(
        &keys,
        "at 64-bit integer, zone text, a 64-bit integer, __deleted text",
    );
    keys.timestamp_fields = vec!["at".into()];
    keys.change_events = true;
    check(&keys, "at timestamp, zone text, a 64-bit integer");
    keys.timestamp_fields = Vec::new();
    keys.zoned_fields = vec![("at".into(), "zone".into())];
    keys.delete_enabled = false;
    check(
        &keys,
        "at timestamp with time zone, a 64-bit integer, __deleted text",
    );
}

#[test]
fn fields_that_are_one_column_are_designed_once() {
    let mut keys = keys(KeyMode::RecordValue, &["ID"]);
    let mut check = |columns_ignore_case: bool, expected: &str| {
        keys.columns_ignore_case = columns_ignore_case;
        let record = RawRecord {
            topic: "t",
            partition: 0,
            offset: 0,
            timestamp_ms: None,
            key: None,
            value: Some(br#"{"ID":1,"id":"x","a":1,"A":1.5}"#),
            headers: &(),
        };
        let (mut key, mut value) = (format(&SCHEMALESS), format(&SCHEMALESS));
        let table = infer::table("t", &[record], &keys, &mut key, &mut value).unwrap();
        let columns = table.columns.iter();
        let columns = columns.map(|column| format!("{} {}", column.name, column.column_type));
        assert_eq!(columns.collect::<Vec<_>>().join(", "), expected);
    };
    check(true, "ID 64-bit integer, a 64-bit float");
    check(
        false,
        "ID 64-bit integer, id text, a 64-bit integer, A 64-bit float",
    );
}
