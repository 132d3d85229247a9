//! Defaults of schemas: columns that are created or added have them, so that a row which somebody writes
//! by hand has what a record's null would have become.

use super::harness::Harness;
use super::schemas::{ENGINES, FIELDS, Field, expected, field, type_of, value_of, without_width};
use super::sources::{NAMED, TOLD};
use crate::support::engine::Engine;

/// Values that a statement could say wrongly.
const ODD: &[Field] = &[
    field(
        r#""type":"string""#,
        r#""it's \\ \" 😀 ü\n`%""#,
        ("text", "it's \\ \" 😀 ü\n`%"),
        ("longtext", "it's \\ \" 😀 ü\n`%"),
        ("TEXT", "it's \\ \" 😀 ü\n`%"),
    ),
    field(
        r#""type":"string","parameters":{"__debezium.source.column.type":"VARCHAR","__debezium.source.column.length":"9"}"#,
        r#""'\\'😀\n""#,
        ("character varying(9)", "'\\'😀\n"),
        ("varchar(9)", "'\\'😀\n"),
        ("VARCHAR(9)", "'\\'😀\n"),
    ),
    field(
        r#""type":"string""#,
        r#""""#,
        ("text", ""),
        ("longtext", ""),
        ("TEXT", ""),
    ),
    field(
        r#""type":"bytes""#,
        r#""AP8nXA==""#,
        ("bytea", "\\x00ff275c"),
        ("longblob", "00FF275C"),
        ("BLOB", "00FF275C"),
    ),
    field(
        r#""type":"bytes""#,
        r#""""#,
        ("bytea", "\\x"),
        ("longblob", ""),
        ("BLOB", ""),
    ),
    field(
        r#""type":"int64""#,
        "-9223372036854775808",
        ("bigint", "-9223372036854775808"),
        ("bigint", "-9223372036854775808"),
        ("INTEGER", "-9223372036854775808"),
    ),
    field(
        r#""type":"double""#,
        "1.7976931348623157e308",
        ("double precision", "1.7976931348623157e+308"),
        ("double", "1.7976931348623157e308"),
        ("REAL", "1.79769313486232e+308"),
    ),
    field(
        r#""type":"double""#,
        "5e-324",
        ("double precision", "5e-324"),
        ("double", "5e-324"),
        ("REAL", "4.94065645841247e-324"),
    ),
    field(
        r#""type":"int32","name":"org.apache.kafka.connect.data.Date","version":1"#,
        "2932896",
        ("date", "9999-12-31"),
        ("date", "9999-12-31"),
        ("DATE", "9999-12-31"),
    ),
    field(
        r#""type":"int64","name":"io.debezium.time.MicroTime","version":1"#,
        "86400000000",
        ("time without time zone", "24:00:00"),
        ("time(6)", "24:00:00.000000"),
        ("TIME", "24:00:00.000000"),
    ),
    field(
        r#""type":"string","name":"io.debezium.data.Json","version":1"#,
        r#""{\"a\":\"it's \\\\ 😀\"}""#,
        ("jsonb", r#"{"a": "it's \\ 😀"}"#),
        ("json", r#"{"a": "it's \\ 😀"}"#),
        ("JSON", r#"{"a":"it's \\ 😀"}"#),
    ),
];

/// Columns whose values only the server can read have no default.
const WITHOUT: &[&str] = &[
    "time with time zone",
    "interval",
    "bit(9)",
    "bit varying",
    "xml",
    "tsvector",
    "ltree",
    "hstore",
    "point",
    "geometry",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "int4range",
    "int8range",
    "numrange",
    "daterange",
    "tsrange",
    "tstzrange",
];

const KEYS: [(&str, &str); 4] = [
    ("pk.mode", "record_value"),
    ("pk.fields", "id"),
    ("insert.mode", "upsert"),
    ("value.converter.schemas.enable", "true"),
];

#[tokio::test]
async fn columns_are_made_with_the_defaults_of_their_schema() {
    for engine in ENGINES {
        for fields in [FIELDS, ODD, NAMED, TOLD] {
            let created = Harness::of(engine).await;
            write(&created, fields, ("auto.create", "true")).await;
            created.run("INSERT INTO made (id) VALUES (2)").await;
            check(&created, fields, &[1, 2]).await;

            let added = Harness::of(engine).await;
            let table = "CREATE TABLE made (id bigint NOT NULL PRIMARY KEY)";
            let characters = match engine {
                Engine::MySql | Engine::MariaDb => "DEFAULT CHARACTER SET utf8mb4",
                Engine::Postgres | Engine::Sqlite => "",
            };
            added.run(&format!("{table} {characters}")).await;
            added.run("INSERT INTO made (id) VALUES (3)").await;
            write(&added, fields, ("auto.evolve", "true")).await;
            added.run("INSERT INTO made (id) VALUES (2)").await;
            check(&added, fields, &[1, 2, 3]).await;
        }
    }
}

/// A record in which all these fields are null, so that their defaults stand in.
async fn write(harness: &Harness, fields: &[Field], definitions: (&str, &str)) {
    let mut schemas = vec![r#"{"field":"id","type":"int64"}"#.to_owned()];
    let mut values = vec!["\"id\":1".to_owned()];
    for (place, field) in fields.iter().enumerate() {
        let optional = place % 2 == 0;
        schemas.push(format!(
            r#"{{"field":"c{place}","optional":{optional},"default":{},{}}}"#,
            field.value, field.schema
        ));
        values.push(format!("\"c{place}\":null"));
    }
    let record = format!(
        r#"{{"schema":{{"type":"struct","fields":[{}]}},"payload":{{{}}}}}"#,
        schemas.join(","),
        values.join(",")
    );
    let keys: Vec<_> = KEYS.into_iter().chain([definitions]).collect();
    harness.stored("made", &keys, &[&record]).await;
}

/// The fields' values are in these rows, the first of which is the record's.
async fn check(harness: &Harness, fields: &[Field], rows: &[usize]) {
    let engine = harness.engine;
    let mut wrong = Vec::new();
    for (place, field) in fields.iter().enumerate() {
        let column = format!("c{place}");
        let (made, shown) = expected(engine, field);
        let found = without_width(harness.text(&type_of(engine, &column)).await);
        if found != made {
            wrong.push(format!("{}: {found}, not {made}", field.schema));
        }
        for row in rows {
            let found = harness.text(&value_of(engine, &column, made, *row)).await;
            let shown = match *row != 1 && WITHOUT.contains(&made) {
                true => "null",
                false => shown,
            };
            // As text it has been in MySQL, as it was written.
            let is_id = made == "char(36)" && found.eq_ignore_ascii_case(shown);
            if found != shown && !is_id {
                wrong.push(format!("row {row}, {}: {found}, not {shown}", field.schema));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "{engine:?}");
}

/// A record in the form with its schema, whose only field besides the key is `c`.
fn record(schema: &str, default: &str, value: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","fields":[{{"field":"id","type":"int64"}},
           {{"field":"c","optional":true,"default":{default},{schema}}}]}},
           "payload":{{"id":1,"c":{value}}}}}"#
    )
}

/// Where a database has no such value the table is made all the same.
#[tokio::test]
async fn a_default_that_the_database_cannot_hold_is_left_out() {
    let text = r#""type":"string""#;
    let double = r#""type":"double""#;
    let date = r#""type":"int32","name":"org.apache.kafka.connect.data.Date","version":1"#;
    let json = r#""type":"string","name":"io.debezium.data.Json","version":1"#;
    let long = format!("\"{}\"", "x".repeat(100_000));
    let cases = [
        (text, r#""a\u0000b""#, r#""a""#, "61"),
        (double, r#""NaN""#, "1", "1"),
        (double, r#""-Infinity""#, "1", "1"),
        (date, "99999999", "0", "1970-01-01"),
        (json, r#""{""#, r#""{}""#, "{}"),
        (text, &long, r#""a""#, "61"),
    ];
    let found_in = |engine| match engine {
        Engine::Postgres => ["null", "NaN", "-Infinity", "null", "null", "null"],
        Engine::MySql | Engine::MariaDb => ["610062", "null", "null", "null", "null", "null"],
        Engine::Sqlite => ["null", "null", "-Inf", "null", "null", "null"],
    };
    for engine in ENGINES {
        for ((schema, default, value, stored), expected) in cases.into_iter().zip(found_in(engine))
        {
            let harness = Harness::of(engine).await;
            let keys: Vec<_> = KEYS.into_iter().chain([("auto.create", "true")]).collect();
            let record = record(schema, default, value);
            harness.stored("made", &keys, &[&record]).await;
            harness.run("INSERT INTO made (id) VALUES (2)").await;
            for (row, expected) in [(1, stored), (2, expected)] {
                let shown = match (engine, schema == text) {
                    (Engine::Postgres, true) => "encode(c::bytea, 'hex')",
                    (Engine::Postgres, false) => "c::text",
                    (_, true) => "nullif(hex(c), '')",
                    (Engine::MySql | Engine::MariaDb, false) => "CAST(c AS char)",
                    (Engine::Sqlite, false) => "CAST(c AS text)",
                };
                let found = format!("SELECT {shown} FROM made WHERE id = {row}");
                let found = harness.text(&found).await;
                let found = found.strip_suffix(".0").unwrap_or(&found);
                assert_eq!(found, expected, "{engine:?}, {schema}, row {row}");
            }
        }
    }
}

/// A record without the field leaves the column of a row that is there as it is; in a new row it has the
/// column's default.
#[tokio::test]
async fn a_record_without_the_field_leaves_the_column_to_the_table() {
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        let keys: Vec<_> = KEYS.into_iter().chain([("auto.create", "true")]).collect();
        let records = record(r#""type":"int32""#, "7", "5");
        harness.stored("made", &keys, &[&records]).await;
        harness
            .stored(
                "made",
                &schemas_off(),
                &[r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3,"c":null}"#],
            )
            .await;
        assert_eq!(harness.count("made WHERE id = 1 AND c = 5").await, 1);
        assert_eq!(harness.count("made WHERE id = 2 AND c = 7").await, 1);
        assert_eq!(harness.count("made WHERE id = 3 AND c IS NULL").await, 1);
    }
}

fn schemas_off() -> Vec<(&'static str, &'static str)> {
    let keys = KEYS.into_iter();
    keys.filter(|(key, _)| *key != "value.converter.schemas.enable")
        .collect()
}

/// A key has its default, too, but for a number that SQLite gives out by itself.
#[tokio::test]
async fn keys_have_defaults() {
    let record = r#"{"schema":{"type":"struct","fields":[
        {"field":"id","type":"string","default":"it's none"},{"field":"n","type":"int32"}]},
        "payload":{"id":"a","n":1}}"#;
    let numbered = r#"{"schema":{"type":"struct","fields":[
        {"field":"id","type":"int64","default":7},{"field":"n","type":"int32"}]},
        "payload":{"id":1,"n":1}}"#;
    for engine in ENGINES {
        let harness = Harness::of(engine).await;
        let keys: Vec<_> = KEYS.into_iter().chain([("auto.create", "true")]).collect();
        harness.stored("named", &keys, &[record]).await;
        harness.stored("numbered", &keys, &[numbered]).await;
        harness.run("INSERT INTO named (n) VALUES (2)").await;
        harness.run("INSERT INTO numbered (n) VALUES (2)").await;
        let named = "named WHERE id = 'it''s none' AND n = 2";
        assert_eq!(harness.count(named).await, 1, "{engine:?}");
        let number = if engine == Engine::Sqlite { 2 } else { 7 };
        let numbered = format!("numbered WHERE id = {number} AND n = 2");
        assert_eq!(harness.count(&numbered).await, 1, "{engine:?}");
    }
}

/// MariaDB takes no default with characters that the table's own has not; the column is there without it.
#[tokio::test]
async fn a_default_that_the_table_refuses_costs_no_column() {
    for engine in [Engine::MySql, Engine::MariaDb] {
        let harness = Harness::of(engine).await;
        let table = "CREATE TABLE made (id bigint PRIMARY KEY) DEFAULT CHARACTER SET latin1";
        harness.run(table).await;
        let keys: Vec<_> = KEYS.into_iter().chain([("auto.evolve", "true")]).collect();
        let varchar = r#""type":"string","parameters":{"__debezium.source.column.type":"VARCHAR","__debezium.source.column.length":"9"}"#;
        let record = record(varchar, r#""😀""#, r#""a""#);
        harness.stored("made", &keys, &[&record]).await;
        assert_eq!(harness.count("made WHERE c = 'a'").await, 1, "{engine:?}");
    }
}
