//! Values with a schema into tables that are made for them: every type of Connect, its logical types and
//! Debezium's, into each engine. Avro, Protobuf and JSON Schema arrive as the same types.

use super::harness::Harness;
use crate::support::engine::Engine;

/// A field: its schema without the name, its value, and per engine the column that is made and what the
/// column then shows as text.
pub(super) struct Field {
    pub(super) schema: &'static str,
    pub(super) value: &'static str,
    postgres: (&'static str, &'static str),
    mysql: (&'static str, &'static str),
    sqlite: (&'static str, &'static str),
}

pub(super) const fn field(
    schema: &'static str,
    value: &'static str,
    postgres: (&'static str, &'static str),
    mysql: (&'static str, &'static str),
    sqlite: (&'static str, &'static str),
) -> Field {
    Field {
        schema,
        value,
        postgres,
        mysql,
        sqlite,
    }
}

/// 2026-11-21T10:15:30.123456Z in microseconds, and the same in milliseconds without their rest.
const MICROS: &str = "1795256130123456";
const MILLIS: &str = "1795256130123";

pub(super) const FIELDS: &[Field] = &[
    field(
        r#""type":"int8""#,
        "-128",
        ("smallint", "-128"),
        ("tinyint", "-128"),
        ("INTEGER", "-128"),
    ),
    field(
        r#""type":"int16""#,
        "32767",
        ("smallint", "32767"),
        ("smallint", "32767"),
        ("INTEGER", "32767"),
    ),
    field(
        r#""type":"int32""#,
        "-2147483648",
        ("integer", "-2147483648"),
        ("int", "-2147483648"),
        ("INTEGER", "-2147483648"),
    ),
    field(
        r#""type":"int64""#,
        "9223372036854775807",
        ("bigint", "9223372036854775807"),
        ("bigint", "9223372036854775807"),
        ("INTEGER", "9223372036854775807"),
    ),
    field(
        r#""type":"float""#,
        "1.5",
        ("real", "1.5"),
        ("float", "1.5"),
        ("REAL", "1.5"),
    ),
    field(
        r#""type":"double""#,
        "-0.1",
        ("double precision", "-0.1"),
        ("double", "-0.1"),
        ("REAL", "-0.1"),
    ),
    field(
        r#""type":"boolean""#,
        "true",
        ("boolean", "true"),
        ("tinyint(1)", "1"),
        ("BOOLEAN", "1"),
    ),
    field(
        r#""type":"string""#,
        r#""größe 😀""#,
        ("text", "größe 😀"),
        ("longtext", "größe 😀"),
        ("TEXT", "größe 😀"),
    ),
    field(
        r#""type":"bytes""#,
        r#""AAH/""#,
        ("bytea", "\\x0001ff"),
        ("longblob", "0001FF"),
        ("BLOB", "0001FF"),
    ),
    // 123456.78 as the bytes of an integer with a scale.
    field(
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2","connect.decimal.precision":"12"}"#,
        r#""ALxhTg==""#,
        ("numeric(12,2)", "123456.78"),
        ("decimal(12,2)", "123456.78"),
        ("DECIMAL(12,2)", "123456.78"),
    ),
    field(
        r#""type":"int32","name":"org.apache.kafka.connect.data.Date","version":1"#,
        "20778",
        ("date", "2026-11-21"),
        ("date", "2026-11-21"),
        ("DATE", "2026-11-21"),
    ),
    field(
        r#""type":"int32","name":"org.apache.kafka.connect.data.Time","version":1"#,
        "36930123",
        ("time without time zone", "10:15:30.123"),
        ("time(6)", "10:15:30.123000"),
        ("TIME", "10:15:30.123000"),
    ),
    field(
        r#""type":"int64","name":"org.apache.kafka.connect.data.Timestamp","version":1"#,
        MILLIS,
        ("timestamp without time zone", "2026-11-21 10:15:30.123"),
        ("datetime(6)", "2026-11-21 10:15:30.123000"),
        ("TIMESTAMP", "2026-11-21 10:15:30.123000"),
    ),
    field(
        r#""type":"int32","name":"io.debezium.time.Date","version":1"#,
        "-719162",
        ("date", "0001-01-01"),
        ("date", "0001-01-01"),
        ("DATE", "0001-01-01"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.MicroTime","version":1"#,
        "36930123456",
        ("time without time zone", "10:15:30.123456"),
        ("time(6)", "10:15:30.123456"),
        ("TIME", "10:15:30.123456"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.MicroTimestamp","version":1"#,
        MICROS,
        ("timestamp without time zone", "2026-11-21 10:15:30.123456"),
        ("datetime(6)", "2026-11-21 10:15:30.123456"),
        ("TIMESTAMP", "2026-11-21 10:15:30.123456"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.NanoTimestamp","version":1"#,
        "1795256130123456789",
        ("timestamp without time zone", "2026-11-21 10:15:30.123456"),
        ("datetime(6)", "2026-11-21 10:15:30.123456"),
        ("TIMESTAMP", "2026-11-21 10:15:30.123456789"),
    ),
    field(
        r#""type":"string","name":"io.debezium.time.ZonedTimestamp","version":1"#,
        r#""2026-11-21T10:15:30.5+02:00""#,
        ("timestamp with time zone", "2026-11-21 08:15:30.5+00"),
        ("datetime(6)", "2026-11-21 08:15:30.500000"),
        ("TIMESTAMPTZ", "2026-11-21 08:15:30.500000Z"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Uuid","version":1"#,
        r#""AB000000-0000-0000-0000-000000000001""#,
        ("uuid", "ab000000-0000-0000-0000-000000000001"),
        ("char(36)", "AB000000-0000-0000-0000-000000000001"),
        ("UUID", "ab000000-0000-0000-0000-000000000001"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Json","version":1"#,
        r#""{\"a\":1}""#,
        ("jsonb", "{\"a\": 1}"),
        ("json", "{\"a\": 1}"),
        ("JSON", "{\"a\":1}"),
    ),
    field(
        r#""type":"struct","fields":[{"field":"city","type":"string"}]"#,
        r#"{"city":"Ulm"}"#,
        ("jsonb", "{\"city\": \"Ulm\"}"),
        ("json", "{\"city\": \"Ulm\"}"),
        ("JSON", "{\"city\":\"Ulm\"}"),
    ),
    field(
        r#""type":"map","keys":{"type":"string"},"values":{"type":"int32"}"#,
        r#"{"x":1}"#,
        ("jsonb", "{\"x\": 1}"),
        ("json", "{\"x\": 1}"),
        ("JSON", "{\"x\":1}"),
    ),
    field(
        r#""type":"array","items":{"type":"string"}"#,
        r#"["a","b"]"#,
        ("text[]", "{a,b}"),
        ("json", "[\"a\", \"b\"]"),
        ("JSON", "[\"a\",\"b\"]"),
    ),
    // 31415 with a scale of 4, in the record itself.
    field(
        r#""type":"struct","name":"io.debezium.data.VariableScaleDecimal","version":1,"fields":[{"field":"scale","type":"int32"},{"field":"value","type":"bytes"}]"#,
        r#"{"scale":4,"value":"erc="}"#,
        ("numeric", "3.1415"),
        ("decimal(65,30)", "3.141500000000000000000000000000"),
        ("DECIMAL_TEXT", "3.1415"),
    ),
];

#[tokio::test]
async fn every_type_of_a_schema_gets_its_column() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        check(
            &harness,
            FIELDS,
            r#""type":"int64""#,
            ("auto.create", "true"),
        )
        .await;
    }
}

pub(super) const ENGINES: [Engine; 4] = [
    Engine::Postgres,
    Engine::MySql,
    Engine::MariaDb,
    Engine::Sqlite,
];

/// Writes a record with these fields, and one in which they are null, into the table `made`, and looks at
/// the columns and what is in them. `id` is the schema of the key.
pub(super) async fn check(
    harness: &Harness,
    fields: &[Field],
    id: &str,
    definitions: (&str, &str),
) {
    let engine = harness.engine;
    let keys = [
        definitions,
        ("pk.mode", "record_value"),
        ("pk.fields", "id"),
        ("insert.mode", "upsert"),
        ("value.converter.schemas.enable", "true"),
    ];
    let records = [
        record(1, id, fields, |field| field.value),
        record(2, id, fields, |_| "null"),
    ];
    let refused = harness.write("made", &keys, &records).await;
    assert_eq!(refused, Vec::<String>::new(), "{engine:?}");
    let mut wrong = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        let column = format!("c{place}");
        let (made, shown) = expected(engine, field);
        let found = without_width(harness.text(&type_of(engine, &column)).await);
        if found != made {
            wrong.push(format!("{}: {found}, not {made}", field.schema));
        }
        let found = harness.text(&value_of(engine, &column, made, 1)).await;
        if found != shown {
            wrong.push(format!("{}: {found}, not {shown}", field.schema));
        }
        let null = format!("SELECT count(*) FROM made WHERE id = 2 AND {column} IS NULL");
        assert_eq!(number(harness, &null).await, "1", "{}", field.schema);
    }
    assert_eq!(wrong, Vec::<String>::new(), "{engine:?}");
}

/// A record with all fields, in the form with its schema.
fn record(
    number: usize,
    id: &str,
    fields: &[Field],
    value: impl Fn(&Field) -> &'static str,
) -> String {
    let mut schemas = vec![format!(r#"{{"field":"id",{id}}}"#)];
    let mut values = vec![format!("\"id\":{number}")];
    for (place, field) in fields.iter().enumerate() {
        schemas.push(format!(
            r#"{{"field":"c{place}","optional":true,{}}}"#,
            field.schema
        ));
        values.push(format!("\"c{place}\":{}", value(field)));
    }
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{}]}},"payload":{{{}}}}}"#,
        schemas.join(","),
        values.join(",")
    )
}

/// MariaDB's JSON is a text, which stays as it was written; it has a type of its own for UUIDs, which
/// MySQL keeps as they are written.
pub(super) fn expected(engine: Engine, field: &Field) -> (&'static str, &'static str) {
    match (engine, field.mysql.0) {
        (Engine::Postgres, _) => field.postgres,
        (Engine::MariaDb, "json") => ("longtext", field.sqlite.1),
        (Engine::MariaDb, "char(36)") => ("uuid", field.sqlite.1),
        (Engine::MySql | Engine::MariaDb, _) => field.mysql,
        (Engine::Sqlite, _) => field.sqlite,
    }
}

pub(super) fn type_of(engine: Engine, column: &str) -> String {
    match engine {
        Engine::Postgres => format!(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = 'made'::regclass AND attname = '{column}'"
        ),
        Engine::MySql | Engine::MariaDb => format!(
            "SELECT COLUMN_TYPE FROM information_schema.COLUMNS
             WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'made' AND COLUMN_NAME = '{column}'"
        ),
        Engine::Sqlite => {
            format!("SELECT type FROM pragma_table_info('made') WHERE name = '{column}'")
        }
    }
}

/// MariaDB shows integers with the width that nothing is made of.
pub(super) fn without_width(found: String) -> String {
    match (found.split_once('('), found.split_once(')')) {
        (
            Some((integer @ ("tinyint" | "smallint" | "int" | "bigint" | "year"), _)),
            Some((_, rest)),
        ) if found != "tinyint(1)" => {
            format!("{integer}{rest}")
        }
        _ => found,
    }
}

pub(super) fn value_of(engine: Engine, column: &str, made: &str, row: usize) -> String {
    let shown = match (engine, made) {
        (Engine::Postgres, _) => format!("{column}::text"),
        (_, "longblob" | "BLOB" | "varbinary(16)") => format!("hex({column})"),
        (_, "bit(9)") => format!("bin({column})"),
        (_, "point" | "geometry") => format!("ST_AsText({column})"),
        (_, "year" | "tinyint unsigned" | "int unsigned" | "bigint unsigned") => {
            format!("CAST({column} AS char)")
        }
        _ => column.to_owned(),
    };
    format!("SELECT {shown} FROM made WHERE id = {row}")
}

/// PostgreSQL's counts are no texts.
async fn number(harness: &Harness, sql: &str) -> String {
    let sql = match harness.engine {
        Engine::Postgres => sql.replace("count(*)", "count(*)::text"),
        _ => sql.to_owned(),
    };
    harness.text(&sql).await
}
