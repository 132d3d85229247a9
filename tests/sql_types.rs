//! JSON records into every type of column that PostgreSQL has, and back: what fits arrives as it was
//! meant, what does not is refused before the database sees it, with the rule that it breaks.
//!
//! The same for options of the mapping that only a real table shows: zones, keys in headers, folded
//! names, generated and identity columns, views and partitions.
//!
//! The other SQL engines have rooms of their own for their types; what records with a schema make of a
//! table, and the options, is run against all of them.

mod columns;
mod defaults;
mod engines;
mod harness;
mod mysql;
mod options;
mod routing;
mod schemas;
mod sources;
mod sqlite;

use columns::{Fitting, Unfit};
use harness::{Harness, servers};

/// Types of the test's own.
const TYPES: &str = "\
    CREATE TYPE mood AS ENUM ('sad', 'it''s fine'); \
    CREATE TYPE pair AS (a int, b text); \
    CREATE DOMAIN small AS int4 CHECK (VALUE < 100); \
    CREATE DOMAIN host AS inet; \
    CREATE DOMAIN codes AS varchar(3)[]";

/// Definition, JSON, and the column's text afterwards.
const FITTING: &[(&str, &str, &str)] = &[
    // Numbers, booleans and their extremes.
    ("bool", "1", "true"),
    ("bool", "false", "false"),
    ("int2", "true", "1"),
    ("int8", "9223372036854775807", "9223372036854775807"),
    ("int8", "-9223372036854775808", "-9223372036854775808"),
    ("oid", "4294967295", "4294967295"),
    ("real", "\"NaN\"", "NaN"),
    ("float8", "\"-Infinity\"", "-Infinity"),
    ("float8", "5e-324", "5e-324"),
    ("numeric", "\"NaN\"", "NaN"),
    ("numeric(9,2)", "\"NaN\"", "NaN"),
    ("numeric", "\"Infinity\"", "Infinity"),
    ("numeric", "\"-Infinity\"", "-Infinity"),
    ("numeric[]", "[1.5, \"-Infinity\"]", "{1.5,-Infinity}"),
    (
        "numeric(65,30)",
        "-99999999999999999999999999999999999.888888888888888888888888888888",
        "-99999999999999999999999999999999999.888888888888888888888888888888",
    ),
    ("money", "1234.5", "$1,234.50"),
    ("small", "99", "99"),
    // Texts.
    ("text", "\"\"", ""),
    ("text", r#""äö😀 'q' \"x\" \\ \n""#, "äö😀 'q' \"x\" \\ \n"),
    // Blanks at the end do not count.
    ("char(4)", "\"ab\"", "ab"),
    ("varchar(2)", "\"😀ü\"", "😀ü"),
    ("name", "\"Name\"", "Name"),
    ("\"char\"", "\"x\"", "x"),
    ("citext", "\"MiXed\"", "MiXed"),
    ("mood", "\"it's fine\"", "it's fine"),
    ("xml", "\"<a>1</a>\"", "<a>1</a>"),
    (
        "json",
        "{\"b\": 1, \"a\": [null]}",
        "{\"b\": 1, \"a\": [null]}",
    ),
    ("jsonb", "\"x\"", "\"x\""),
    // JSON in a text, as `?::jsonb` takes it.
    ("jsonb", r#""{\"b\": 1}""#, r#"{"b": 1}"#),
    ("json", r#""[1]""#, "[1]"),
    ("jsonb", "\"5\"", "5"),
    (
        "uuid",
        "\"AB000000-0000-0000-0000-000000000001\"",
        "ab000000-0000-0000-0000-000000000001",
    ),
    ("bytea", "\"AAH/\"", "\\x0001ff"),
    ("bytea", "\"\"", "\\x"),
    // Dates and times.
    ("date", "\"0001-01-01\"", "0001-01-01"),
    ("date", "\"9999-12-31\"", "9999-12-31"),
    ("date", "\"infinity\"", "infinity"),
    ("date", "\"2026-11-21T00:00:00Z\"", "2026-11-21"),
    ("timestamp", "\"2026-11-21\"", "2026-11-21 00:00:00"),
    ("time", "\"24:00:00\"", "24:00:00"),
    ("time", "\"10:15:30.123456789\"", "10:15:30.123456"),
    ("timetz", "\"10:15:30.5+02:00\"", "10:15:30.5+02"),
    ("timetz", "\"24:00:00Z\"", "24:00:00+00"),
    (
        "timestamp",
        "\"0001-01-01T00:00:00Z\"",
        "0001-01-01 00:00:00",
    ),
    (
        "timestamp",
        "\"9999-12-31 23:59:59.999999\"",
        "9999-12-31 23:59:59.999999",
    ),
    (
        "timestamp",
        "\"2016-12-31T23:59:60Z\"",
        "2017-01-01 00:00:00",
    ),
    ("timestamptz", "\"infinity\"", "infinity"),
    ("timestamptz", "\"-infinity\"", "-infinity"),
    (
        "timestamptz",
        "\"2026-11-21T10:15:30+02:00\"",
        "2026-11-21 08:15:30+00",
    ),
    ("timestamptz", "1000", "1970-01-01 00:00:01+00"),
    (
        "interval",
        "\"P1Y2M3DT4H5M6.789S\"",
        "1 year 2 mons 3 days 04:05:06.789",
    ),
    ("interval", "\"-1 day 02:03:04\"", "-1 days +02:03:04"),
    ("interval", "-1500000", "-00:00:01.5"),
    // Networks and bits.
    ("inet", "\"192.0.2.7/24\"", "192.0.2.7/24"),
    ("inet", "\"2001:db8::7\"", "2001:db8::7/128"),
    ("host", "\"192.0.2.7\"", "192.0.2.7/32"),
    ("cidr", "\"2001:db8::/32\"", "2001:db8::/32"),
    ("macaddr", "\"08-00-2B-01-02-03\"", "08:00:2b:01:02:03"),
    (
        "macaddr8",
        "\"08002b0102030405\"",
        "08:00:2b:01:02:03:04:05",
    ),
    ("bit(3)", "\"101\"", "101"),
    ("bit(3)", "5", "101"),
    ("bit", "true", "1"),
    ("bit varying(9)", "\"\"", ""),
    ("varbit", "\"10101\"", "10101"),
    // Ranges.
    ("int4range", "\"[1,10]\"", "[1,11)"),
    ("int8range", "\"(,)\"", "(,)"),
    ("numrange", "\"[1.5,2.50)\"", "[1.5,2.50)"),
    (
        "daterange",
        "\"[2026-01-01,infinity)\"",
        "[2026-01-01,infinity)",
    ),
    (
        "tstzrange",
        "\"[2026-01-01T00:00:00+01:00,)\"",
        "[\"2025-12-31 23:00:00+00\",)",
    ),
    ("tsrange", "\"empty\"", "empty"),
    ("int4multirange", "\"{[1,2), [5,9)}\"", "{[1,2),[5,9)}"),
    ("int4multirange", "[\"[1,2)\",\"[5,9)\"]", "{[1,2),[5,9)}"),
    // Maps, and types that only the database knows.
    (
        "hstore",
        r#"{"a":"x\"y\\","b":null,"c":1.50,"d":[1]}"#,
        r#""a"=>"x\"y\\", "b"=>NULL, "c"=>"1.50", "d"=>"[1]""#,
    ),
    ("point", "\"(1,2)\"", "(1,2)"),
    ("point", "{\"x\":1.5,\"y\":-2,\"wkb\":\"\"}", "(1.5,-2)"),
    ("tsvector", "\"fat cat\"", "'cat' 'fat'"),
    ("ltree", "\"Top.Science\"", "Top.Science"),
    ("pg_lsn", "\"16/B374D848\"", "16/B374D848"),
    ("pair", "\"(1,\\\"x, y\\\")\"", "(1,\"x, y\")"),
    // Arrays.
    ("int4[]", "[]", "{}"),
    ("int4[]", "[1, null, -3]", "{1,NULL,-3}"),
    ("int4[]", "[[1,2],[3,4]]", "{{1,2},{3,4}}"),
    ("int4[][]", "[[[1]],[[2]]]", "{{{1}},{{2}}}"),
    (
        "text[]",
        r#"["a\"b","NULL","","{,}","c\\"]"#,
        r#"{"a\"b","NULL","","{,}","c\\"}"#,
    ),
    ("varchar(3)[]", "[\"abc\"]", "{abc}"),
    ("codes", "[\"abc\",null]", "{abc,NULL}"),
    ("numeric(6,2)[]", "[1.5, 2]", "{1.50,2.00}"),
    ("bool[]", "[true, 0]", "{t,f}"),
    ("float8[]", "[1.5, \"NaN\"]", "{1.5,NaN}"),
    ("mood[]", "[\"sad\",\"it's fine\"]", "{sad,\"it's fine\"}"),
    (
        "uuid[]",
        "[\"ab000000-0000-0000-0000-000000000001\"]",
        "{ab000000-0000-0000-0000-000000000001}",
    ),
    ("bytea[]", "[\"AAH/\",\"\"]", r#"{"\\x0001ff","\\x"}"#),
    ("jsonb[]", "[{\"a\": 1},[2]]", r#"{"{\"a\": 1}",[2]}"#),
    (
        "date[]",
        "[\"2026-01-01\",\"infinity\"]",
        "{2026-01-01,infinity}",
    ),
    (
        "timestamptz[]",
        "[\"2026-01-01T00:00:00Z\"]",
        "{\"2026-01-01 00:00:00+00\"}",
    ),
    ("interval[]", "[\"PT1H\",1000000]", "{01:00:00,00:00:01}"),
    ("inet[]", "[\"192.0.2.7\"]", "{192.0.2.7}"),
    ("int4range[]", "[\"[1,3)\"]", "{\"[1,3)\"}"),
    ("hstore[]", "[{\"a\":\"1\"}]", r#"{"\"a\"=>\"1\""}"#),
    (
        "real[]",
        "[0.1, \"-Infinity\", null]",
        "{0.1,-Infinity,NULL}",
    ),
    ("char(3)[]", "[\"ab\",\"abc\"]", "{\"ab \",abc}"),
    (
        "time[]",
        "[\"24:00:00\",\"10:15:30.123456\"]",
        "{24:00:00,10:15:30.123456}",
    ),
    ("timetz[]", "[\"10:15:30+02:00\"]", "{10:15:30+02}"),
    (
        "timestamp[]",
        "[\"2026-01-01T00:00:00.5Z\",\"infinity\"]",
        "{\"2026-01-01 00:00:00.5\",infinity}",
    ),
    ("cidr[]", "[\"192.0.2.0/24\"]", "{192.0.2.0/24}"),
    (
        "macaddr[]",
        "[\"08-00-2B-01-02-03\"]",
        "{08:00:2b:01:02:03}",
    ),
    ("bit(3)[]", "[\"101\",5]", "{101,101}"),
    ("varbit[]", "[\"\",\"10\"]", "{\"\",10}"),
    ("xml[]", "[\"<a>1</a>\"]", "{<a>1</a>}"),
    ("json[]", "[{\"a\": 1},\"x\"]", r#"{"{\"a\": 1}","\"x\""}"#),
    ("money[]", "[1234.5, -1]", "{\"$1,234.50\",-$1.00}"),
];

const UNFIT: &[Unfit] = &[
    ("bool", "2", "only true and false"),
    ("int2", "32768", "out of the column's range"),
    ("oid", "-1", "out of the column's range"),
    ("int4", "1.5", "has a fraction"),
    ("real", "1e39", "out of the column's range"),
    ("numeric(4,2)", "100.00", "2 digits before the point"),
    ("text", "\"a\\u0000b\"", "U+0000"),
    ("char(2)", "\"abc\"", "longer than 2 characters"),
    ("\"char\"", "\"é\"", "single character"),
    ("uuid", "\"x\"", "only UUIDs"),
    ("bytea", "\"?\"", "not base64"),
    ("date", "\"0000-00-00\"", "only dates"),
    ("time", "\"24:00:01\"", "only times"),
    ("timetz", "\"10:15 Europe/Berlin\"", "only times"),
    ("timestamp", "\"2026-02-30 00:00:00\"", "only timestamps"),
    ("interval", "\"soon\"", "only durations"),
    ("inet", "\"192.0.2.256\"", "only addresses"),
    ("cidr", "\"192.0.2.7/24\"", "bits set behind"),
    ("macaddr", "\"08:00\"", "hardware addresses of 6 bytes"),
    ("bit(3)", "8", "at most 3 bits"),
    ("bit(3)", "\"1\"", "exactly 3 bits"),
    ("int4range", "\"[1,2147483648)\"", "a bound"),
    ("daterange", "\"2026-01-01\"", "only ranges"),
    ("int4multirange", "\"{[1,2)\"", "only ranges"),
    ("hstore", "[1]", "only objects"),
    ("int4[]", "1", "only arrays"),
    ("int4[]", "[[1],[2,3]]", "one length"),
    ("int4[]", "[1,\"x\"]", "element 2: only whole numbers"),
    ("varchar(3)[]", "[\"abcd\"]", "longer than 3 characters"),
    ("codes", "[\"abcd\"]", "longer than 3 characters"),
];

/// What only the database can tell.
const REFUSED_BY_THE_DATABASE: &[(&str, &str)] = &[
    ("mood", "\"angry\""),
    ("small", "100"),
    ("xml", "\"<a>\""),
    ("point", "\"here\""),
    ("int4range", "\"[3,1]\""),
    ("pair", "\"(x,y)\""),
    ("money", "92233720368547759"),
];

#[tokio::test]
async fn every_type_of_postgres_there_and_back() {
    for server in servers() {
        let harness = Harness::new(server).await;
        harness.run(TYPES).await;
        let cases = FITTING.iter();
        let cases: Vec<Fitting> = cases
            .map(|(definition, json, text)| (*definition, *json, "c::text", *text))
            .collect();
        columns::there_and_back(&harness, &cases, &["insert", "upsert"]).await;
        // Many at once, which is another way in for types that can be copied.
        harness.run("TRUNCATE t").await;
        let many: Vec<String> = (0..40)
            .map(|id| format!("{{\"id\":{id},\"c0\":1,\"c3\":{id},\"c5\":{id},\"c10\":{id}.5}}"))
            .collect();
        let refused = harness.write("t", &[], &many).await;
        assert_eq!(refused, Vec::<String>::new());
        let sums = "SELECT concat_ws(' ', count(c0), sum(c3), sum(c5::int8), sum(c10)) FROM t";
        assert_eq!(
            harness.text(sums).await.trim_end_matches('0'),
            "40 780 780 800."
        );
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_before_the_database_sees_it() {
    for server in servers() {
        let harness = Harness::new(server).await;
        harness.run(TYPES).await;
        columns::refused_by_rule(&harness, UNFIT).await;
    }
}

#[tokio::test]
async fn what_only_the_database_can_tell_is_a_record_error() {
    let harness = Harness::new(servers()[0]).await;
    harness.run(TYPES).await;
    columns::refused_later(&harness, REFUSED_BY_THE_DATABASE).await;
}

/// Keys of types whose values the table may find equal though their texts differ.
#[tokio::test]
async fn keys_of_every_notation_are_upserted_and_deleted() {
    let harness = Harness::new(servers()[0]).await;
    for (definition, first, same, other) in [
        ("inet", "\"192.0.2.7\"", "\"192.0.2.7/32\"", "\"192.0.2.8\""),
        ("interval", "\"P1D\"", "\"24:00:00\"", "\"P2D\""),
        ("int4range", "\"[1,2]\"", "\"[1,3)\"", "\"[1,2)\""),
        ("int4[]", "[1,2]", "[1, 2]", "[2,1]"),
        ("bit(3)", "5", "\"101\"", "\"100\""),
        ("numeric", "1.0", "1.00", "1.01"),
        ("money", "1.5", "1.50", "1.51"),
        ("oid", "7", "7", "8"),
        ("citext", "\"a\"", "\"A\"", "\"b\""),
    ] {
        harness.run("DROP TABLE IF EXISTS t").await;
        harness
            .run(&format!(
                "CREATE TABLE t (k {definition} PRIMARY KEY, n int)"
            ))
            .await;
        let keys = [
            ("insert.mode", "upsert"),
            ("pk.mode", "record_key"),
            ("delete.enabled", "true"),
        ];
        let record = |key: &str, value: &str| (format!("{{\"k\":{key}}}"), value.to_owned());
        let records = [
            record(first, "{\"n\":1}"),
            record(other, "{\"n\":2}"),
            record(same, "{\"n\":3}"),
        ];
        let refused = harness.write_keyed("t", &keys, &records).await;
        assert_eq!(refused, Vec::<String>::new(), "{definition}");
        let rows = "SELECT string_agg(n::text, ',' ORDER BY n) FROM t";
        assert_eq!(harness.text(rows).await, "2,3", "{definition}");
        let refused = harness.write_keyed("t", &keys, &[record(first, "")]).await;
        assert_eq!(refused, Vec::<String>::new(), "{definition}");
        assert_eq!(harness.text(rows).await, "2", "{definition}");
    }
}

#[tokio::test]
async fn values_of_16_mib_and_empty_ones() {
    let harness = Harness::new(servers()[0]).await;
    harness
        .run("CREATE TABLE t (id int8, a text, b bytea, c jsonb, d text[])")
        .await;
    let large = "x".repeat(16 * 1024 * 1024);
    let records = [
        format!("{{\"id\":1,\"a\":\"{large}\",\"d\":[\"{large}\"]}}"),
        "{\"id\":2,\"a\":\"\",\"b\":\"\",\"c\":\"\",\"d\":[\"\"]}".to_owned(),
        format!(
            "{{\"id\":3,\"b\":\"{}\",\"c\":[\"{large}\"]}}",
            "AAAA".repeat(4 * 1024 * 1024)
        ),
    ];
    let refused = harness.write("t", &[], &records).await;
    assert_eq!(refused, Vec::<String>::new());
    let lengths = "SELECT string_agg(concat_ws(' ', id, length(a), length(b), length(c::text), \
                   length(d[1])), ',' ORDER BY id) FROM t";
    assert_eq!(
        harness.text(lengths).await,
        "1 16777216 16777216,2 0 0 2 0,3 12582912 16777220"
    );
}
