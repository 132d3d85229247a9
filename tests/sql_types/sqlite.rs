//! The same for SQLite, where a column's declared type only says what it is meant to hold.

use super::columns::{self, Fitting, Unfit};
use super::harness::Harness;
use crate::support::engine::Engine;

const FITTING: &[Fitting] = &[
    ("BOOLEAN", "true", "typeof(c) || c", "integer1"),
    ("BOOL", "0", "c", "0"),
    ("INTEGER", "9223372036854775807", "c", "9223372036854775807"),
    (
        "BIGINT",
        "-9223372036854775808",
        "c",
        "-9223372036854775808",
    ),
    ("INT", "true", "c", "1"),
    ("REAL", "5e-324", "c > 0", "1"),
    ("DOUBLE PRECISION", "\"-Infinity\"", "c", "-Inf"),
    ("FLOAT", "1.5", "typeof(c) || c", "real1.5"),
    ("DECIMAL(10,2)", "12.5", "c", "12.5"),
    ("NUMERIC(18,0)", "1e3", "typeof(c) || c", "integer1000"),
    (
        "DECIMAL_TEXT",
        "-99999999999999999999999999999999999.888888888888888888888888888888",
        "c",
        "-99999999999999999999999999999999999.888888888888888888888888888888",
    ),
    ("TEXT", "\"\"", "'<' || c || '>'", "<>"),
    (
        "VARCHAR(2)",
        r#""äö😀 'q' \"x\" \\ \n""#,
        "c",
        "äö😀 'q' \"x\" \\ \n",
    ),
    ("TEXT", r#""a\u0000b""#, "hex(c)", "610062"),
    ("CLOB", "1.50", "typeof(c) || c", "text1.50"),
    ("TEXT", "{\"a\":[1]}", "json_extract(c, '$.a[0]')", "1"),
    ("", "\"untyped\"", "c", "untyped"),
    ("BLOB", "\"AAH/\"", "typeof(c) || hex(c)", "blob0001FF"),
    ("VARBINARY(9)", "\"\"", "length(c)", "0"),
    ("DATE", "\"9999-12-31\"", "c", "9999-12-31"),
    ("DATE", "\"0001-01-01\"", "c", "0001-01-01"),
    ("TIME", "\"10:15:30.5\"", "c", "10:15:30.500000"),
    ("TIME", "\"24:00:00\"", "c", "24:00:00.000000"),
    (
        "TIMESTAMP",
        "\"2026-11-21T10:15:30.123456789Z\"",
        "c",
        "2026-11-21 10:15:30.123456789",
    ),
    (
        "DATETIME",
        "\"2016-12-31T23:59:60Z\"",
        "c",
        "2017-01-01 00:00:00.000000",
    ),
    ("TIMESTAMP", "1000", "c", "1970-01-01 00:00:01.000000"),
    (
        "TIMESTAMPTZ",
        "\"2026-11-21T10:15:30+02:00\"",
        "c",
        "2026-11-21 08:15:30.000000Z",
    ),
    (
        "UUID",
        "\"AB000000-0000-0000-0000-000000000001\"",
        "c",
        "ab000000-0000-0000-0000-000000000001",
    ),
    ("JSON", "{\"b\":[1,null]}", "json_extract(c, '$.b[0]')", "1"),
    ("JSON", "\"x\"", "c", "\"x\""),
    (
        "JSON",
        r#""{\"b\": [1]}""#,
        "json_extract(c, '$.b[0]')",
        "1",
    ),
    ("STRING", "\"word\"", "c", "word"),
    ("INTEGER", "null", "c IS NULL", "1"),
];

const UNFIT: &[Unfit] = &[
    ("BOOLEAN", "2", "only true and false"),
    (
        "INTEGER",
        "9223372036854775808",
        "out of the column's range",
    ),
    ("INTEGER", "1.5", "has a fraction"),
    ("DECIMAL(4,2)", "100.00", "2 digits before the point"),
    ("BLOB", "\"?\"", "not base64"),
    ("DATE", "\"0000-00-00\"", "only dates"),
    ("TIME", "\"24:00:01\"", "only times"),
    ("TIMESTAMP", "\"2026-02-30 00:00:00\"", "only timestamps"),
    ("UUID", "\"x\"", "only UUIDs"),
];

/// What SQLite would change in silence, or refuses by itself.
const REFUSED_LATER: &[(&str, &str)] = &[
    ("REAL", "\"NaN\""),
    ("DECIMAL(40,20)", "12345678901234567.890123"),
    ("STRING", "\"007\""),
    ("DATE", "\"infinity\""),
    ("INTEGER CHECK (c < 100)", "4711"),
    ("INTEGER UNIQUE", "4711"),
];

#[tokio::test]
async fn every_type_of_sqlite_there_and_back() {
    let harness = Harness::of(Engine::Sqlite).await;
    columns::there_and_back(&harness, FITTING, &["insert", "upsert"]).await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_sqlite_sees_it() {
    let harness = Harness::of(Engine::Sqlite).await;
    columns::refused_by_rule(&harness, UNFIT).await;
}

#[tokio::test]
async fn what_sqlite_would_change_is_a_record_error() {
    let harness = Harness::of(Engine::Sqlite).await;
    columns::refused_later(&harness, REFUSED_LATER).await;
}

#[tokio::test]
async fn values_of_16_mib() {
    let harness = Harness::of(Engine::Sqlite).await;
    harness
        .run("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b BLOB, c JSON)")
        .await;
    let large = "x".repeat(16 * 1024 * 1024);
    let bytes = "AAAA".repeat(16 * 1024 * 1024 / 3 + 1);
    let records = [format!(
        "{{\"id\":1,\"a\":\"{large}\",\"b\":\"{bytes}\",\"c\":[\"{large}\"]}}"
    )];
    let refused = harness.write("t", &[], &records).await;
    assert_eq!(refused, Vec::<String>::new());
    let lengths = "SELECT concat(length(a), ' ', length(b), ' ', length(c)) FROM t";
    assert_eq!(harness.text(lengths).await, "16777216 16777218 16777220");
}
