//! Values of which Debezium tells more than Connect's types do: by the names of their schemas, and by what
//! their columns were at home. Tables that are created have columns of that kind where the engine has such
//! a type, and so have columns that are added.

use super::harness::Harness;
use super::schemas::{ENGINES, Field, check, field};
use crate::support::engine::Engine;

/// By the names of schemas.
pub(super) const NAMED: &[Field] = &[
    field(
        r#""type":"string","name":"io.debezium.time.ZonedTime","version":1"#,
        r#""10:15:30.5+02:00""#,
        ("time with time zone", "10:15:30.5+02"),
        ("longtext", "10:15:30.5+02:00"),
        ("TEXT", "10:15:30.5+02:00"),
    ),
    field(
        r#""type":"string","name":"io.debezium.time.Interval","version":1"#,
        r#""P1Y2M3DT4H5M6.789S""#,
        ("interval", "1 year 2 mons 3 days 04:05:06.789"),
        ("longtext", "P1Y2M3DT4H5M6.789S"),
        ("TEXT", "P1Y2M3DT4H5M6.789S"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.MicroDuration","version":1"#,
        "-1500000",
        ("interval", "-00:00:01.5"),
        ("bigint", "-1500000"),
        ("INTEGER", "-1500000"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.NanoDuration","version":1"#,
        "5",
        ("bigint", "5"),
        ("bigint", "5"),
        ("INTEGER", "5"),
    ),
    field(
        r#""type":"int32","name":"io.debezium.time.Year","version":1"#,
        "2026",
        ("integer", "2026"),
        ("year", "2026"),
        ("INTEGER", "2026"),
    ),
    field(
        r#""type":"bytes","name":"io.debezium.data.Bits","version":1,"parameters":{"length":"9"}"#,
        r#""BQE=""#,
        ("bit(9)", "100000101"),
        ("bit(9)", "100000101"),
        ("BLOB", "0501"),
    ),
    field(
        r#""type":"bytes","name":"io.debezium.data.Bits","version":1,"parameters":{"length":"2147483647"}"#,
        r#""BQ==""#,
        ("bit varying", "00000101"),
        ("longblob", "05"),
        ("BLOB", "05"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Enum","version":1,"parameters":{"allowed":"small,it's\\,big"}"#,
        r#""it's,big""#,
        ("text", "it's,big"),
        ("enum('small','it''s,big')", "it's,big"),
        ("TEXT", "it's,big"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.EnumSet","version":1,"parameters":{"allowed":"a,B,b"}"#,
        r#""a,b""#,
        ("text", "a,b"),
        ("set('a','B','b')", "a,b"),
        ("TEXT", "a,b"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Xml","version":1"#,
        r#""<a>1</a>""#,
        ("xml", "<a>1</a>"),
        ("longtext", "<a>1</a>"),
        ("TEXT", "<a>1</a>"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Tsvector","version":1"#,
        r#""'cat' 'fat'""#,
        ("tsvector", "'cat' 'fat'"),
        ("longtext", "'cat' 'fat'"),
        ("TEXT", "'cat' 'fat'"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Ltree","version":1"#,
        r#""Top.Science""#,
        ("ltree", "Top.Science"),
        ("longtext", "Top.Science"),
        ("TEXT", "Top.Science"),
    ),
    field(
        r#""type":"struct","name":"io.debezium.data.geometry.Point","version":1,"fields":[{"field":"x","type":"double"},{"field":"y","type":"double"},{"field":"wkb","type":"bytes","optional":true},{"field":"srid","type":"int32","optional":true}]"#,
        r#"{"x":1.5,"y":-2.0,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAADA","srid":null}"#,
        ("point", "(1.5,-2)"),
        ("point", "POINT(1.5 -2)"),
        (
            "JSON",
            r#"{"x":1.5,"y":-2,"wkb":"AQEAAAAAAAAAAAD4PwAAAAAAAADA","srid":null}"#,
        ),
    ),
    field(
        r#""type":"struct","name":"io.debezium.data.geometry.Geometry","version":1,"fields":[{"field":"wkb","type":"bytes"},{"field":"srid","type":"int32","optional":true}]"#,
        r#"{"wkb":"AQEAACDmEAAAAAAAAAAA+D8AAAAAAAAAwA==","srid":4326}"#,
        (
            "jsonb",
            r#"{"wkb": "AQEAACDmEAAAAAAAAAAA+D8AAAAAAAAAwA==", "srid": 4326}"#,
        ),
        ("geometry", "POINT(1.5 -2)"),
        (
            "JSON",
            r#"{"wkb":"AQEAACDmEAAAAAAAAAAA+D8AAAAAAAAAwA==","srid":4326}"#,
        ),
    ),
    field(
        r#""type":"struct","name":"io.debezium.time.StructuredDuration","version":1,"fields":[{"field":"days","type":"int32"},{"field":"seconds","type":"int64"}]"#,
        r#"{"days":3,"seconds":90}"#,
        ("interval", "3 days 00:01:30"),
        ("longtext", "P0Y0M3DT0H0M90S"),
        ("TEXT", "P0Y0M3DT0H0M90S"),
    ),
    field(
        r#""type":"struct","name":"io.debezium.time.StructuredZonedTime","version":1,"fields":[{"field":"hour","type":"int8"},{"field":"offsetSeconds","type":"int32"}]"#,
        r#"{"hour":24,"offsetSeconds":0}"#,
        ("time with time zone", "24:00:00+00"),
        ("longtext", "24:00:00+00:00"),
        ("TEXT", "24:00:00+00:00"),
    ),
    field(
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}"#,
        r#""DiwRpsv5WzAJYr/VZRWmQkTN""#,
        ("numeric", "12345678901234567890123456789012345678901.25"),
        (
            "decimal(65,2)",
            "12345678901234567890123456789012345678901.25",
        ),
        (
            "DECIMAL_TEXT",
            "12345678901234567890123456789012345678901.25",
        ),
    ),
];

/// By what the source tells of its columns.
pub(super) const TOLD: &[Field] = &[
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"INET"}"#,
        r#""192.0.2.7/24""#,
        ("inet", "192.0.2.7/24"),
        ("longtext", "192.0.2.7/24"),
        ("TEXT", "192.0.2.7/24"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"CIDR"}"#,
        r#""2001:db8::/32""#,
        ("cidr", "2001:db8::/32"),
        ("longtext", "2001:db8::/32"),
        ("TEXT", "2001:db8::/32"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"MACADDR"}"#,
        r#""08:00:2b:01:02:03""#,
        ("macaddr", "08:00:2b:01:02:03"),
        ("longtext", "08:00:2b:01:02:03"),
        ("TEXT", "08:00:2b:01:02:03"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"MACADDR8"}"#,
        r#""08:00:2b:01:02:03:04:05""#,
        ("macaddr8", "08:00:2b:01:02:03:04:05"),
        ("longtext", "08:00:2b:01:02:03:04:05"),
        ("TEXT", "08:00:2b:01:02:03:04:05"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"INT4RANGE"}"#,
        r#""[1,10)""#,
        ("int4range", "[1,10)"),
        ("longtext", "[1,10)"),
        ("TEXT", "[1,10)"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"INT8RANGE"}"#,
        r#""[1,10)""#,
        ("int8range", "[1,10)"),
        ("longtext", "[1,10)"),
        ("TEXT", "[1,10)"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"NUMRANGE"}"#,
        r#""[1.5,2.50)""#,
        ("numrange", "[1.5,2.50)"),
        ("longtext", "[1.5,2.50)"),
        ("TEXT", "[1.5,2.50)"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"DATERANGE"}"#,
        r#""[2026-01-01,infinity)""#,
        ("daterange", "[2026-01-01,infinity)"),
        ("longtext", "[2026-01-01,infinity)"),
        ("TEXT", "[2026-01-01,infinity)"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"TSRANGE"}"#,
        r#""[\"2026-01-01 00:00:00\",\"2026-01-02 00:00:00\")""#,
        (
            "tsrange",
            r#"["2026-01-01 00:00:00","2026-01-02 00:00:00")"#,
        ),
        (
            "longtext",
            r#"["2026-01-01 00:00:00","2026-01-02 00:00:00")"#,
        ),
        ("TEXT", r#"["2026-01-01 00:00:00","2026-01-02 00:00:00")"#),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"TSTZRANGE"}"#,
        r#""[\"2017-06-05 11:29:12.549426+00\",)""#,
        ("tstzrange", r#"["2017-06-05 11:29:12.549426+00",)"#),
        ("longtext", r#"["2017-06-05 11:29:12.549426+00",)"#),
        ("TEXT", r#"["2017-06-05 11:29:12.549426+00",)"#),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"CITEXT"}"#,
        r#""MiXed""#,
        ("citext", "MiXed"),
        ("longtext", "MiXed"),
        ("TEXT", "MiXed"),
    ),
    field(
        r#""type":"map","keys":{"type":"string"},"values":{"type":"string","optional":true},"parameters":{"__debezium.source.column.type":"HSTORE"}"#,
        r#"{"a":"it's","b":null}"#,
        ("hstore", r#""a"=>"it's", "b"=>NULL"#),
        ("json", r#"{"a": "it's", "b": null}"#),
        ("JSON", r#"{"a":"it's","b":null}"#),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Json","version":1,"parameters":{"__debezium.source.column.type":"HSTORE"}"#,
        r#""{\"a\":\"1\"}""#,
        ("hstore", r#""a"=>"1""#),
        ("json", r#"{"a": "1"}"#),
        ("JSON", r#"{"a":"1"}"#),
    ),
    field(
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","__debezium.source.column.type":"MONEY"}"#,
        r#""AeI6""#,
        ("money", "$1,234.50"),
        ("decimal(65,2)", "1234.50"),
        ("DECIMAL_TEXT", "1234.50"),
    ),
    field(
        r#""type":"int64","parameters":{"__debezium.source.column.type":"OID"}"#,
        "4294967295",
        ("oid", "4294967295"),
        ("bigint", "4294967295"),
        ("INTEGER", "4294967295"),
    ),
    field(
        r#""type":"int16","parameters":{"__debezium.source.column.type":"TINYINT","__debezium.source.column.length":"1"}"#,
        "-128",
        ("smallint", "-128"),
        ("tinyint", "-128"),
        ("INTEGER", "-128"),
    ),
    field(
        r#""type":"int16","parameters":{"__debezium.source.column.type":"TINYINT UNSIGNED"}"#,
        "255",
        ("smallint", "255"),
        ("tinyint unsigned", "255"),
        ("INTEGER", "255"),
    ),
    field(
        r#""type":"int64","parameters":{"__debezium.source.column.type":"INT UNSIGNED ZEROFILL"}"#,
        "4294967295",
        ("bigint", "4294967295"),
        ("int unsigned", "4294967295"),
        ("INTEGER", "4294967295"),
    ),
    field(
        r#""type":"int64","parameters":{"__debezium.source.column.type":"BIGINT UNSIGNED"}"#,
        "-1",
        ("bigint", "-1"),
        ("bigint unsigned", "18446744073709551615"),
        ("INTEGER", "-1"),
    ),
    field(
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"0","__debezium.source.column.type":"BIGINT UNSIGNED"}"#,
        r#""AP//////////""#,
        ("numeric", "18446744073709551615"),
        ("bigint unsigned", "18446744073709551615"),
        ("DECIMAL_TEXT", "18446744073709551615"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"VARCHAR","__debezium.source.column.length":"20"}"#,
        r#""größe 😀""#,
        ("character varying(20)", "größe 😀"),
        ("varchar(20)", "größe 😀"),
        ("VARCHAR(20)", "größe 😀"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"BPCHAR","__debezium.source.column.length":"4"}"#,
        r#""ab  ""#,
        ("character varying(4)", "ab  "),
        ("varchar(4)", "ab  "),
        ("VARCHAR(4)", "ab  "),
    ),
    field(
        r#""type":"bytes","parameters":{"__debezium.source.column.type":"VARBINARY","__debezium.source.column.length":"16"}"#,
        r#""AAH/""#,
        ("bytea", "\\x0001ff"),
        ("varbinary(16)", "0001FF"),
        ("BLOB", "0001FF"),
    ),
    field(
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","__debezium.source.column.type":"NUMERIC","__debezium.source.column.length":"9"}"#,
        r#""EtaH""#,
        ("numeric(9,2)", "12345.67"),
        ("decimal(9,2)", "12345.67"),
        ("DECIMAL(9,2)", "12345.67"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.Timestamp","version":1,"parameters":{"__debezium.source.column.type":"DATETIME","__debezium.source.column.length":"3"}"#,
        "1795256130123",
        ("timestamp(3) without time zone", "2026-11-21 10:15:30.123"),
        ("datetime(3)", "2026-11-21 10:15:30.123"),
        ("TIMESTAMP", "2026-11-21 10:15:30.123000"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.MicroTime","version":1,"parameters":{"__debezium.source.column.type":"TIME","__debezium.source.column.length":"15","__debezium.source.column.scale":"3"}"#,
        "36930123000",
        ("time(3) without time zone", "10:15:30.123"),
        ("time(3)", "10:15:30.123"),
        ("TIME", "10:15:30.123000"),
    ),
];

/// The schema of a key.
const UNSIGNED: &str =
    r#""type":"int64","parameters":{"__debezium.source.column.type":"BIGINT UNSIGNED"}"#;

#[tokio::test]
async fn what_names_and_sources_tell_becomes_the_column_that_is_created() {
    for engine in ENGINES {
        for fields in [NAMED, TOLD] {
            let harness = Harness::of(engine).await;
            check(&harness, fields, UNSIGNED, ("auto.create", "true")).await;
        }
    }
}

#[tokio::test]
async fn what_names_and_sources_tell_becomes_the_column_that_is_added() {
    for engine in ENGINES {
        for fields in [NAMED, TOLD] {
            let harness = Harness::of(engine).await;
            let characters = match engine {
                Engine::MySql | Engine::MariaDb => "DEFAULT CHARACTER SET utf8mb4",
                Engine::Postgres | Engine::Sqlite => "",
            };
            let table = "CREATE TABLE made (id bigint NOT NULL PRIMARY KEY)";
            harness.run(&format!("{table} {characters}")).await;
            check(&harness, fields, UNSIGNED, ("auto.evolve", "true")).await;
        }
    }
}
