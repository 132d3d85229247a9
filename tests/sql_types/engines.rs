//! Options of the mapping in the engines that [`options`](super::options) does not look at.

use super::harness::{Given, Harness};
use crate::support::engine::Engine;

const ENGINES: [Engine; 3] = [Engine::MySql, Engine::MariaDb, Engine::Sqlite];
const ALL: [Engine; 4] = [
    Engine::Postgres,
    Engine::MySql,
    Engine::MariaDb,
    Engine::Sqlite,
];

/// Reserved words, capitals, quotes, other letters, blanks and dots are parts of names like all others.
#[tokio::test]
async fn names_are_kept_whatever_they_are() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        let record = r#"{"Id":1,"select":2,"größe":3,"a b\"c`d":4}"#;
        let keys = [
            ("auto.create", "true"),
            ("insert.mode", "upsert"),
            ("pk.mode", "record_value"),
            ("pk.fields", "Id"),
        ];
        for topic in ["select", "orders.new"] {
            for _ in 0..2 {
                harness.stored(topic, &keys, &[record]).await;
            }
            let rows = format!(
                "SELECT count(*) FROM \"{topic}\" \
                 WHERE \"Id\" = 1 AND \"select\" = 2 AND \"größe\" = 3 AND \"a b\"\"c`d\" = 4"
            );
            assert_eq!(harness.text(&rows).await, "1", "{engine:?}");
        }
    }
}

#[tokio::test]
async fn keys_in_headers_and_their_deletes() {
    let given = |value: &str, id: &str, part: Option<&str>| Given {
        value: value.to_owned(),
        headers: [("id", Some(id)), ("part", part), ("other", Some("x"))]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), Some(value?.as_bytes().to_vec()))))
            .collect(),
        ..Given::default()
    };
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        let keys = [
            ("pk.mode", "record_header"),
            ("pk.fields", "id,part"),
            ("insert.mode", "upsert"),
            ("delete.enabled", "true"),
            ("auto.create", "true"),
        ];
        let records = [
            given(r#"{"note":"a"}"#, "1", Some("eu")),
            given(r#"{"note":"b"}"#, "2", Some("eu")),
            given(r#"{"note":"c","id":9}"#, "1", Some("eu")),
            given("", "2", Some("eu")),
            given(r#"{"note":"d"}"#, "3", None),
        ];
        let refused = harness.write_given("t", &keys, &records).await;
        assert_eq!(refused.len(), 1, "{engine:?}: {refused:?}");
        assert!(refused[0].contains("\"part\""), "{refused:?}");
        for (column, expected) in [("id", "1"), ("part", "eu"), ("note", "c")] {
            let found = harness.text(&format!("SELECT {column} FROM t")).await;
            assert_eq!(found, expected, "{engine:?}");
        }
    }
}

/// Keys of several fields, of one value, and the record's coordinates: what comes again is the same row,
/// and a record without a value deletes where its key is.
#[tokio::test]
async fn keys_of_every_kind_are_upserted_and_deleted() {
    let composite = [
        (r#"{"a":1,"b":"x"}"#, r#"{"n":1}"#),
        (r#"{"a":1,"b":"y"}"#, r#"{"n":2}"#),
        (r#"{"a":1,"b":"x"}"#, r#"{"n":3}"#),
        (r#"{"a":1,"b":"y"}"#, ""),
    ];
    let single = [("7", r#"{"n":1}"#), ("8", r#"{"n":3}"#), ("7", "")];
    // The test's records are all at the same place.
    let placed = [("7", r#"{"n":1}"#), ("8", r#"{"n":3}"#)];
    for engine in ALL {
        let harness = Harness::of(engine).await;
        for (topic, mode, fields, records, row) in [
            (
                "composite",
                "record_key",
                "a,b",
                &composite[..],
                "a = 1 AND b = 'x'",
            ),
            ("single", "record_key", "id", &single[..], "id = 8"),
            ("placed", "kafka", "t,p,o", &placed[..], "t = 'placed'"),
        ] {
            let deletes = if mode == "kafka" { "false" } else { "true" };
            let keys = [
                ("auto.create", "true"),
                ("insert.mode", "upsert"),
                ("delete.enabled", deletes),
                ("pk.mode", mode),
                ("pk.fields", fields),
            ];
            let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
            let records: Vec<_> = records.iter().map(owned).collect();
            let refused = harness.write_keyed(topic, &keys, &records).await;
            assert_eq!(refused, Vec::<String>::new(), "{engine:?}, {topic}");
            let rows = format!("{topic} WHERE {row} AND n = 3");
            let counted = (harness.count(topic).await, harness.count(&rows).await);
            assert_eq!(counted, (1, 1), "{engine:?}, {topic}");
        }
    }
}

/// The row's key may be a part of the record's; without deletes a row stays whatever comes.
#[tokio::test]
async fn a_part_of_the_key_is_deleted_by_and_only_where_deletes_are_on() {
    let records = [
        (r#"{"a":1,"b":"x"}"#, r#"{"n":1}"#),
        (r#"{"a":2,"b":"x"}"#, r#"{"n":2}"#),
        (r#"{"a":1,"b":"another"}"#, ""),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()));
    for engine in ALL {
        let harness = Harness::of(engine).await;
        for (topic, deletes, left, bad) in [("part", "true", 1, 0), ("kept", "false", 2, 1)] {
            let keys = [
                ("auto.create", "true"),
                ("insert.mode", "upsert"),
                ("delete.enabled", deletes),
                ("pk.mode", "record_key"),
                ("pk.fields", "a"),
            ];
            let refused = harness.write_keyed(topic, &keys, &records).await;
            assert_eq!(refused.len(), bad, "{engine:?}, {topic}: {refused:?}");
            assert!(
                refused.iter().all(|why| why.contains("delete.enabled")),
                "{refused:?}"
            );
            assert_eq!(harness.count(topic).await, left, "{engine:?}, {topic}");
            let other = format!("{topic} WHERE a = 2 AND n = 2");
            assert_eq!(harness.count(&other).await, 1, "{engine:?}, {topic}");
        }
    }
}

#[tokio::test]
async fn fields_that_are_not_wanted_are_no_columns() {
    for engine in ALL {
        let harness = Harness::of(engine).await;
        let keys = [
            ("auto.create", "true"),
            ("pk.mode", "record_value"),
            ("pk.fields", "id"),
            ("fields.whitelist", "a,b"),
            ("fields.exclude.list", "b"),
        ];
        let record = r#"{"id":1,"a":2,"b":3,"c":4}"#;
        harness.stored("t", &keys, &[record]).await;
        // It has two columns, or this is refused.
        harness.run("INSERT INTO t VALUES (2, 2)").await;
        assert_eq!(harness.count("t WHERE a = 2").await, 2, "{engine:?}");
    }
}

#[tokio::test]
async fn zones_of_the_database_and_of_the_record() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        let instant = match engine {
            Engine::Sqlite => "TIMESTAMPTZ",
            _ => "timestamp(6) NULL",
        };
        harness
            .run(&format!(
                "CREATE TABLE t (id int, local datetime, instant {instant}, day date)"
            ))
            .await;
        let keys = [
            ("db.timezone", "Europe/Berlin"),
            ("timezone.fields", "instant:zone"),
        ];
        let records = [
            r#"{"id":1,"local":"2026-07-01T10:00:00Z","instant":"2026-07-01T10:00:00","day":"2026-07-01"}"#,
            r#"{"id":2,"local":"2026-07-01 10:00","instant":"2026-07-01T10:00:00","zone":"-03:30"}"#,
        ];
        harness.stored("t", &keys, &records).await;
        for (id, column, expected) in [
            (1, "local", "2026-07-01 12:00:00"),
            (1, "instant", "2026-07-01 08:00:00"),
            (1, "day", "2026-07-01"),
            (2, "local", "2026-07-01 10:00:00"),
            (2, "instant", "2026-07-01 13:30:00"),
        ] {
            let found = harness
                .text(&format!("SELECT {column} FROM t WHERE id = {id}"))
                .await;
            assert!(found.starts_with(expected), "{engine:?}, {column}: {found}");
        }
    }
}

/// Also those that are numbers, and in zones far from each other.
#[tokio::test]
async fn days_stay_days_in_every_zone() {
    for engine in [Engine::Postgres].into_iter().chain(ENGINES) {
        let harness = Harness::of(engine).await;
        let record = r#"{"schema":{"type":"struct","fields":[
            {"field":"connect","type":"int32","name":"org.apache.kafka.connect.data.Date"},
            {"field":"debezium","type":"int32","name":"io.debezium.time.Date"}]},
            "payload":{"connect":20635,"debezium":20635}}"#;
        for zone in ["Pacific/Auckland", "Pacific/Honolulu", "UTC"] {
            let keys = [
                ("db.timezone", zone),
                ("auto.create", "true"),
                ("value.converter.schemas.enable", "true"),
            ];
            harness.stored("days", &keys, &[record]).await;
        }
        for column in ["connect", "debezium"] {
            let day = match engine {
                Engine::Postgres => format!("{column}::text"),
                _ => column.to_owned(),
            };
            let days = format!("SELECT {day} FROM (SELECT DISTINCT {column} FROM days) found");
            assert_eq!(
                harness.text(&days).await,
                "2026-07-01",
                "{engine:?}, {column}"
            );
        }
    }
}

#[tokio::test]
async fn change_events_tell_which_row_was_deleted() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        harness
            .run("CREATE TABLE t (id int PRIMARY KEY, note varchar(9))")
            .await;
        let keys = [
            ("change.events", "debezium"),
            ("pk.mode", "record_value"),
            ("pk.fields", "id"),
            ("insert.mode", "upsert"),
            ("delete.enabled", "true"),
        ];
        let records = [
            r#"{"op":"c","before":null,"after":{"id":1,"note":"a"}}"#,
            r#"{"op":"r","before":null,"after":{"id":2,"note":"b"}}"#,
            r#"{"op":"u","before":{"id":2,"note":"b"},"after":{"id":2,"note":"c"}}"#,
            r#"{"op":"d","before":{"id":1,"note":"a"},"after":null}"#,
        ];
        harness.stored("t", &keys, &records).await;
        let rows = "SELECT GROUP_CONCAT(note) FROM t";
        assert_eq!(harness.text(rows).await, "c", "{engine:?}");
    }
}
