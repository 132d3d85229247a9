//! The same for MySQL and MariaDB: JSON records into every type of column, and back.

use super::columns::{self, Fitting, Unfit};
use super::harness::{Harness, keyed};
use crate::support::engine::Engine;

const ENGINES: [Engine; 2] = [Engine::MySql, Engine::MariaDb];

const FITTING: &[Fitting] = &[
    // Numbers, booleans and their extremes.
    ("tinyint(1)", "true", "c", "1"),
    ("tinyint(1)", "0", "c", "0"),
    ("tinyint(1)", "-7", "c", "-7"),
    ("bit(1)", "true", "c + 0", "1"),
    ("tinyint", "-128", "c", "-128"),
    ("tinyint unsigned", "255", "c", "255"),
    ("smallint", "true", "c", "1"),
    ("smallint unsigned", "65535", "c", "65535"),
    ("mediumint", "-8388608", "c", "-8388608"),
    ("mediumint unsigned", "16777215", "c", "16777215"),
    ("int", "1e3", "c", "1000"),
    ("int unsigned", "4294967295", "c", "4294967295"),
    (
        "bigint",
        "-9223372036854775808",
        "c",
        "-9223372036854775808",
    ),
    ("bigint", "9223372036854775807", "c", "9223372036854775807"),
    (
        "bigint unsigned",
        "18446744073709551615",
        "c",
        "18446744073709551615",
    ),
    ("year", "2155", "c", "2155"),
    ("bit(9)", "\"000000101\"", "c + 0", "5"),
    ("bit(12)", "2748", "HEX(c)", "ABC"),
    ("float", "1.5", "c", "1.5"),
    ("double", "-0.1", "c", "-0.1"),
    (
        "double",
        "2.2250738585072014e-308",
        "c",
        "2.2250738585072014e-308",
    ),
    (
        "decimal(65,30)",
        "-99999999999999999999999999999999999.888888888888888888888888888888",
        "c",
        "-99999999999999999999999999999999999.888888888888888888888888888888",
    ),
    ("decimal(10,2)", "\"1.5\"", "c", "1.50"),
    // Texts.
    ("varchar(3)", "\"a😀ü\"", "c", "a😀ü"),
    ("varchar(3)", "\"\"", "CONCAT('<', c, '>')", "<>"),
    (
        "varchar(12)",
        r#""a\u0000'\"\\b""#,
        "HEX(c)",
        "610027225C62",
    ),
    ("varchar(9)", "1.50", "c", "1.50"),
    ("varchar(9)", "true", "c", "true"),
    ("char(3)", "\"é\"", "c", "é"),
    ("varchar(3) CHARACTER SET latin1", "\"é\"", "HEX(c)", "E9"),
    ("tinytext", "\"😀\"", "c", "😀"),
    ("longtext", "{\"a\":[1]}", "c", "{\"a\":[1]}"),
    ("enum('a','it''s')", "\"it's\"", "c + 0", "2"),
    ("set('a','b','c')", "\"a,c\"", "c + 0", "5"),
    // Bytes.
    ("binary(3)", "\"Bw==\"", "HEX(c)", "070000"),
    ("varbinary(4)", "\"AP+AJw==\"", "HEX(c)", "00FF8027"),
    ("longblob", "\"\"", "LENGTH(c)", "0"),
    // Dates and times.
    ("date", "\"0001-01-01\"", "c", "0001-01-01"),
    ("date", "\"9999-12-31\"", "c", "9999-12-31"),
    ("date", "\"0000-00-00\"", "c", "0000-00-00"),
    ("date", "\"2026-11-21T00:00:00\"", "c", "2026-11-21"),
    ("datetime", "\"2026-11-21\"", "c", "2026-11-21 00:00:00"),
    (
        "datetime(3)",
        "\"0000-00-00T00:00:00\"",
        "c",
        "0000-00-00 00:00:00.000",
    ),
    (
        "timestamp NULL",
        "\"0000-00-00 00:00:00Z\"",
        "c",
        "0000-00-00 00:00:00",
    ),
    ("time(6)", "\"10:15:30.123456789\"", "c", "10:15:30.123456"),
    ("time", "\"24:00:00\"", "c", "24:00:00"),
    ("time", "\"-838:59:59\"", "c", "-838:59:59"),
    (
        "datetime(6)",
        "\"2026-11-21T10:15:30.123456789Z\"",
        "c",
        "2026-11-21 10:15:30.123456",
    ),
    ("datetime", "1000", "c", "1970-01-01 00:00:01"),
    (
        "datetime",
        "\"2016-12-31T23:59:60Z\"",
        "c",
        "2017-01-01 00:00:00",
    ),
    (
        "datetime",
        "\"0001-01-01T00:00:00Z\"",
        "c",
        "0001-01-01 00:00:00",
    ),
    (
        "datetime(6)",
        "\"9999-12-31 23:59:59.999999\"",
        "c",
        "9999-12-31 23:59:59.999999",
    ),
    (
        "timestamp(3)",
        "\"2026-11-21T10:15:30.5+02:00\"",
        "c",
        "2026-11-21 08:15:30.500",
    ),
    // Documents and shapes.
    ("json", "{\"b\":[1,null]}", "JSON_EXTRACT(c, '$.b[0]')", "1"),
    ("json", "\"x\"", "JSON_UNQUOTE(c)", "x"),
    (
        "json",
        r#""{\"b\": [1]}""#,
        "JSON_EXTRACT(c, '$.b[0]')",
        "1",
    ),
    (
        "point",
        "\"AQEAAAAAAAAAAAAkQAAAAAAAADRA\"",
        "ST_AsText(c)",
        "POINT(10 20)",
    ),
    (
        "geometry",
        "{\"wkb\":\"AQEAAAAAAAAAAAAkQAAAAAAAADRA\",\"srid\":null}",
        "ST_AsText(c)",
        "POINT(10 20)",
    ),
    ("int", "null", "c IS NULL", "1"),
];

/// Of MariaDB alone.
const OF_MARIADB: &[Fitting] = &[
    (
        "uuid",
        "\"AB000000-0000-0000-0000-000000000001\"",
        "c",
        "ab000000-0000-0000-0000-000000000001",
    ),
    ("inet6", "\"2001:db8::7\"", "c", "2001:db8::7"),
];

const UNFIT: &[Unfit] = &[
    ("tinyint(1)", "128", "out of the column's range"),
    ("bit(1)", "2", "only true and false"),
    ("tinyint", "128", "out of the column's range"),
    ("int unsigned", "-1", "out of the column's range"),
    ("int", "1.5", "has a fraction"),
    (
        "bigint unsigned",
        "18446744073709551616",
        "out of the column's range",
    ),
    ("year", "2156", "out of the column's range"),
    ("bit(3)", "8", "at most 3 bits"),
    ("float", "1e39", "out of the column's range"),
    ("decimal(4,2)", "100.00", "2 digits before the point"),
    ("varchar(2)", "\"abc\"", "longer than 2 characters"),
    ("varbinary(1)", "\"AQI=\"", "more than 1 bytes"),
    ("longblob", "\"?\"", "not base64"),
    ("date", "\"2026-00-00\"", "only dates"),
    ("time", "\"839:00:00\"", "only times"),
    ("datetime", "\"2026-02-30 00:00:00\"", "only timestamps"),
];

/// What only the server can tell, or what would be bent by it.
const REFUSED_BY_THE_SERVER: &[(&str, &str)] = &[
    ("year", "26"),
    ("double", "\"Infinity\""),
    ("varchar(9) CHARACTER SET latin1", "\"😀\""),
    ("enum('a','b')", "\"angry\""),
    ("set('a','b')", "\"a,strange\""),
    ("timestamp", "\"2039-01-01T00:00:00Z\""),
    ("datetime", "\"infinity\""),
    ("int CHECK (c < 100)", "4711"),
    ("int UNIQUE", "4711"),
];

#[tokio::test]
async fn every_type_of_mysql_there_and_back() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        let own = OF_MARIADB.iter().filter(|_| engine == Engine::MariaDb);
        let cases: Vec<Fitting> = FITTING.iter().chain(own).copied().collect();
        columns::there_and_back(&harness, &cases, &["insert", "upsert", "update"]).await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_mysql_sees_it() {
    let harness = Harness::of(Engine::MySql).await;
    columns::refused_by_rule(&harness, UNFIT).await;
}

#[tokio::test]
async fn what_only_mysql_can_tell_is_a_record_error() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        columns::refused_later(&harness, REFUSED_BY_THE_SERVER).await;
    }
}

/// A server that was less strict has let such rows in; other columns of theirs can be written.
#[tokio::test]
async fn rows_with_zero_dates_can_be_updated() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        harness
            .run(
                "CREATE TABLE t (id int PRIMARY KEY, n int, day date, at datetime); \
                 SET SESSION sql_mode = 'ANSI_QUOTES'; \
                 INSERT INTO t VALUES (1, 1, '0000-00-00', '0000-00-00'), (2, 1, '2026-00-00', NULL)",
            )
            .await;
        for (mode, n) in [("upsert", 2), ("update", 3)] {
            let records = [1, 2].map(|id| format!("{{\"id\":{id},\"n\":{n}}}"));
            let refused = harness.write("t", &keyed(mode, "id"), &records).await;
            assert_eq!(refused, Vec::<String>::new(), "{engine:?}, {mode}");
            let rows = "SELECT GROUP_CONCAT(CONCAT_WS(' ', n, day, at) ORDER BY id) FROM t";
            let expected = format!("{n} 0000-00-00 0000-00-00 00:00:00,{n} 2026-00-00");
            assert_eq!(harness.text(rows).await, expected, "{engine:?}, {mode}");
        }
    }
}

/// As Debezium gives a `time` that is no time of day.
#[tokio::test]
async fn spans_of_time_go_from_mysql_to_mysql() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        let keys = [
            ("auto.create", "true"),
            ("value.converter.schemas.enable", "true"),
        ];
        let record = |micros: i64| {
            format!(
                r#"{{"schema":{{"type":"struct","fields":[{{"field":"took","type":"int64",
                    "name":"io.debezium.time.MicroTime"}}]}},"payload":{{"took":{micros}}}}}"#
            )
        };
        let records = [-3_600_000_000, 360_000_000_000, 3_020_399_000_001].map(record);
        let refused = harness.write("spans", &keys, &records).await;
        assert_eq!(refused.len(), 1, "{engine:?}: {refused:?}");
        assert!(refused[0].contains("up to 838:59:59"), "{refused:?}");
        let rows =
            "SELECT GROUP_CONCAT(CAST(TIME_TO_SEC(took) AS SIGNED) ORDER BY took) FROM spans";
        assert_eq!(harness.text(rows).await, "-3600,360000", "{engine:?}");
    }
}

/// MySQL 9 has a type for them, MariaDB 10 has none.
#[tokio::test]
async fn vectors_are_vectors_where_there_are_any() {
    for (engine, made, shown) in [
        (Engine::MySql, "vector(16383)", "VECTOR_TO_STRING(v)"),
        (Engine::MariaDb, "longtext", "v"),
    ] {
        let harness = Harness::of(engine).await;
        let record = r#"{"schema":{"type":"struct","fields":[{"field":"v","type":"array",
            "items":{"type":"float"},"name":"io.debezium.data.FloatVector"}]},
            "payload":{"v":[1.5,-2,0.25]}}"#;
        let keys = [
            ("auto.create", "true"),
            ("value.converter.schemas.enable", "true"),
        ];
        harness.stored("vectors", &keys, &[record]).await;
        let types = "SELECT COLUMN_TYPE FROM information_schema.COLUMNS \
                     WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'vectors'";
        assert_eq!(harness.text(types).await, made);
        let text = harness.text(&format!("SELECT {shown} FROM vectors")).await;
        let numbers: Vec<f64> = serde_json::from_str(&text).expect("a list");
        assert_eq!(numbers, [1.5, -2.0, 0.25], "{engine:?}");
    }
}

/// Views of tables with transactions, tables in partitions, generated columns, and numbers that the
/// server gives.
#[tokio::test]
async fn tables_of_mysql_that_are_not_plain() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        harness
            .run(
                "CREATE TABLE base (id int PRIMARY KEY AUTO_INCREMENT, n int DEFAULT 7, \
                     twice int AS (n * 2) STORED); \
                 CREATE VIEW shown AS SELECT id, n FROM base; \
                 CREATE TABLE parted (id int, n int, day date, PRIMARY KEY (id, day)) \
                     PARTITION BY RANGE (YEAR(day)) \
                     (PARTITION old VALUES LESS THAN (2026), PARTITION this VALUES LESS THAN (2027))",
            )
            .await;
        // What the server computes is left out, whatever the record says.
        let records = [r#"{"id":1,"n":5,"twice":99}"#, r#"{"id":2,"twice":1}"#];
        for mode in ["insert", "upsert", "update"] {
            harness.stored("base", &keyed(mode, "id"), &records).await;
        }
        // A number is given.
        harness.stored("base", &[], &[r#"{"n":1}"#]).await;
        // By a view.
        harness.stored("shown", &[], &[r#"{"id":9,"n":6}"#]).await;
        let rows = "SELECT GROUP_CONCAT(CONCAT_WS(' ', id, n, twice) ORDER BY id) FROM base";
        assert_eq!(
            harness.text(rows).await,
            "1 5 10,2 7 14,3 1 2,9 6 12",
            "{engine:?}"
        );
        for n in 1..=2 {
            let record = format!(r#"{{"id":1,"day":"2026-05-01","n":{n}}}"#);
            harness
                .stored("parted", &keyed("upsert", "id,day"), &[&record])
                .await;
        }
        assert_eq!(harness.text("SELECT n FROM parted").await, "2");
        let outside = r#"{"id":1,"day":"2030-05-01","n":1}"#.to_owned();
        let refused = harness
            .write("parted", &keyed("upsert", "id,day"), &[outside])
            .await;
        assert_eq!(refused.len(), 1, "{engine:?}: {refused:?}");
    }
}
