//! Whole configs, as people have them.

use super::*;
use crate::config::connector::FieldEntry;

#[test]
fn whole_configs_come_out_as_they_were_meant() {
    let fields = |entries: &[&str]| {
        let parsed = entries.iter().map(|entry| FieldEntry::parse(entry));
        parsed.collect::<Result<Vec<_>, String>>().unwrap()
    };
    let read = |file: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/config/dialect/tests/wild")
            .join(file);
        let request = connector_json::parse(&std::fs::read(path).unwrap()).unwrap();
        let mut config = request.config;
        if let Some(name) = request.name {
            config.insert("name".to_owned(), Some(name));
        }
        config
    };
    let parse = |file: &str| {
        let config = read(file);
        match ConnectorConfig::parse(&config, &worker()) {
            Ok(parsed) => (parsed, ConnectorConfig::warnings(&config, &worker())),
            Err(refused) => panic!("{file}: {refused}"),
        }
    };
    let (orders, warnings) = parse("confluent_upsert.json");
    assert_eq!(orders.sink.insert_mode, WriteMode::Upsert);
    assert_eq!(orders.sink.key_mode, KeyMode::RecordKey);
    assert_eq!((orders.tasks_max, orders.batch.max_rows), (4, 3000));
    assert!(orders.sink.auto_create && orders.sink.delete_enabled);
    assert!(
        orders.sink.url.ends_with("?sslmode=require"),
        "{}",
        orders.sink.url
    );
    assert_eq!(warnings.len(), 1, "{warnings:?}");

    let (log, warnings) = parse("confluent_append.json");
    assert_eq!(log.sink.key_mode, KeyMode::Kafka);
    assert_eq!(log.sink.key_fields, ["t", "p", "o"]);
    assert!(log.errors.tolerate && log.errors.dead_letter.is_some());
    assert_eq!(warnings.len(), 1, "{warnings:?}");

    let (local, _) = parse("confluent_sqlite.json");
    assert_eq!(local.class, SinkClass::Sqlite);
    assert_eq!(local.topics, TopicSelection::Regex("shop\\..*".to_owned()));

    let (aiven, warnings) = parse("aiven_multi.json");
    assert_eq!(aiven.sink.insert_mode, WriteMode::Insert);
    assert_eq!(aiven.batch.max_rows, 1000);
    assert!(warnings.is_empty(), "{warnings:?}");

    let (aiven, _) = parse("aiven_upsert.json");
    assert_eq!(aiven.sink.key_mode, KeyMode::RecordValue);
    assert_eq!(aiven.sink.fields_include, fields(&["id", "total"]));

    let (many, _) = parse("aiven_mapping.json");
    assert_eq!(many.sink.tables_of_topics["us.orders"], "orders_us");
    assert!(many.sink.table_name_normalize);

    let (debezium, warnings) = parse("debezium_upsert.json");
    assert_eq!(debezium.sink.user.as_deref(), Some("shop"));
    assert_eq!(debezium.sink.insert_mode, WriteMode::Upsert);
    assert!(debezium.sink.delete_enabled);
    assert_eq!(debezium.sink.table_name_format, "public.${topic}");
    assert_eq!(warnings.len(), 3, "{warnings:?}");

    let (debezium, _) = parse("debezium_append.json");
    let of_topic = fields(&["payments:id", "payments:amount"]);
    assert_eq!(debezium.sink.fields_include, of_topic);
    assert_eq!(debezium.consumer_overrides["max.poll.records"], "1000");

    let refused = |file: &str| {
        let errors = errors(&read(file));
        errors.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(refused("confluent_oracle.json"), ["connection.url"]);
    assert_eq!(refused("debezium_naming.json"), ["column.naming.strategy"]);
}
