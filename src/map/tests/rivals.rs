//! Several fields of a record for one column.

use super::*;

fn table(name: &str) -> Table {
    let mut table = orders();
    table.columns[1].name = name.to_owned();
    table
}

/// The text in the second column.
fn mapped(
    column: &str,
    unknown: UnknownFields,
    converter: &Converter,
    values: &[&str],
) -> Result<String, String> {
    let mut keys = keys(KeyMode::None, &[]);
    keys.unknown_fields = unknown;
    let mut mapping = Mapping::new(table(column), &keys, &TEXT, converter);
    let mut last = Err("no records".to_owned());
    for value in values {
        last = mapping
            .map(None, Some(value))
            .map(|row| format!("{:?}", row[1]));
    }
    last
}

#[test]
fn names_that_differ_in_case_only_are_not_one_column_at_once() {
    let schemaless = |fields: &[(&str, &str)]| {
        let fields = fields.iter();
        let fields = fields.map(|(name, value)| format!("\"{name}\":\"{value}\""));
        format!("{{\"id\":1,{}}}", fields.collect::<Vec<_>>().join(","))
    };
    let of_schema = |fields: &[(&str, &str)]| {
        let types = fields
            .iter()
            .map(|(name, _)| format!(r#",{{"field":"{name}","type":"string"}}"#));
        let types: String = types.collect();
        format!(
            r#"{{"schema":{{"type":"struct","fields":[{{"field":"id","type":"int64"}}{types}]}},"payload":{}}}"#,
            schemaless(fields)
        )
    };
    let check = |column: &str, fields: &[(&str, &str)], expected: [Result<&str, &str>; 2]| {
        for (unknown, expected) in [UnknownFields::Fail, UnknownFields::Ignore]
            .into_iter()
            .zip(expected)
        {
            let values = [
                (SCHEMALESS, schemaless(fields)),
                (ENVELOPE, of_schema(fields)),
            ];
            for (converter, value) in values {
                // Names are known the second time.
                let found = mapped(column, unknown, &converter, &[&value, &value]);
                match expected {
                    Ok(text) => assert_eq!(found, Ok(format!("Text({text:?})")), "{value}"),
                    Err(part) => {
                        let reason = found.unwrap_err();
                        assert!(reason.contains(part), "{value}: {reason}");
                    }
                }
            }
        }
    };
    let both = "fields \"Name\" and \"name\" are both column \"NAME\" of orders";
    let fields = [("Name", "a"), ("name", "b")];
    check("NAME", &fields, [Err(both), Err(both)]);
    let both = "fields \"Name\" and \"name\" are both column \"name\" of orders";
    check("name", &fields, [Err(both), Ok("b")]);
    let both = "are both column \"Name\" of orders";
    check("Name", &fields, [Err(both), Ok("a")]);
    check("NAME", &fields[..1], [Ok("a"), Ok("a")]);
}

#[test]
fn a_field_may_be_written_now_so_and_now_so() {
    let values = [
        r#"{"id":1,"Name":"a"}"#,
        r#"{"id":1,"name":"b"}"#,
        r#"{"id":1,"name":"c","name":"d"}"#,
    ];
    for (count, expected) in [(1, "a"), (2, "b"), (3, "d")] {
        let found = mapped("NAME", UnknownFields::Fail, &SCHEMALESS, &values[..count]);
        assert_eq!(found, Ok(format!("Text({expected:?})")));
    }
}

#[test]
fn columns_may_differ_in_case_only() {
    let mut table = table("note");
    let other = ColumnType::Text { max_chars: None };
    table.columns.push(column("NOTE", other, true));
    let keys = keys(KeyMode::None, &[]);
    let mut mapping = Mapping::new(table, &keys, &TEXT, &SCHEMALESS);
    let row = mapping
        .map(None, Some(r#"{"id":1,"NOTE":"b","note":"a"}"#))
        .unwrap();
    assert_eq!((row[1], row[3]), (Cell::Text("a"), Cell::Text("b")));
    let refused = mapping.map(None, Some(r#"{"id":1,"Note":"c"}"#));
    let refused = refused.unwrap_err();
    assert!(refused.contains("\"Note\" has no column"), "{refused}");
}
