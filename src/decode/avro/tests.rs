//! Schemas and bytes, as the specification and Java's writers have them.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::decode::probe::{self, Probe};
use crate::record::{Datum, Kind, Logical, timestamp};
use crate::registry::Reference;

/// Writes values as Avro does.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn long(mut self, number: i64) -> Self {
        let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
        while rest >= 0x80 {
            self.0.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        self.0.push(u8::try_from(rest).unwrap());
        self
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn sized(self, bytes: &[u8]) -> Self {
        self.long(i64::try_from(bytes.len()).unwrap()).raw(bytes)
    }
}

fn bytes() -> Bytes {
    Bytes::default()
}

fn program(schema: &Json) -> Program {
    Program::parse(&schema.to_string(), &[]).unwrap()
}

fn read(program: &Program, bytes: &[u8]) -> Result<Probe, String> {
    let mut probe = Probe::default();
    match super::read_body(program, true, &mut String::new(), bytes, &[], &mut probe) {
        Ok(()) => Ok(probe),
        Err(ReadError::Malformed(reason)) => Err(reason),
        Err(ReadError::Refused(error)) => Err(error.to_string()),
    }
}

/// One field `f` of this type.
fn in_record(of_type: &Json) -> Json {
    json!({"type": "record", "name": "r", "fields": [{"name": "f", "type": of_type}]})
}

fn check(of_type: Json, bytes: Bytes, expected: Value<'static>) {
    let program = program(&in_record(&of_type));
    let probe = read(&program, &bytes.0).unwrap();
    let [(name, Some(0), value)] = probe.fields.as_slice() else {
        panic!("{of_type}: {probe:?}");
    };
    assert_eq!((name.as_str(), value), ("f", &expected), "{of_type}");
    // As a whole it is the same.
    let schema = program.schema(program.root);
    let mut cursor = Cursor::new(&bytes.0, true);
    let Ok(Datum::Struct(whole)) = cursor.datum(&program, program.root, schema, 0) else {
        panic!("{of_type}");
    };
    let of_field = schema.fields().map(|fields| &*fields[0].schema);
    let single = probe::owned(&whole.raw(0).value_of(of_field).unwrap());
    let same_text = match &expected {
        Value::Uuid(bytes) => Value::Text(uuid::Uuid::from_bytes(*bytes).to_string().into()),
        other => probe::owned(other),
    };
    assert_eq!(single, same_text, "{of_type}");
}

#[test]
fn plain_types() {
    check(json!("null"), bytes(), Value::Null);
    check(json!("boolean"), bytes().raw(&[1]), Value::Bool(true));
    check(json!("int"), bytes().long(-7), Value::Int(-7));
    check(json!("long"), bytes().long(i64::MIN), Value::Int(i64::MIN));
    check(json!("long"), bytes().long(i64::MAX), Value::Int(i64::MAX));
    check(
        json!("float"),
        bytes().raw(&1.5_f32.to_le_bytes()),
        Value::Float32(1.5),
    );
    check(
        json!("double"),
        bytes().raw(&(-0.1_f64).to_le_bytes()),
        Value::Float64(-0.1),
    );
    check(
        json!("bytes"),
        bytes().sized(&[1, 2]),
        Value::Bytes(vec![1, 2].into()),
    );
    check(
        json!("string"),
        bytes().sized("é".as_bytes()),
        Value::Text("é".into()),
    );
    check(
        json!({"type": "string"}),
        bytes().sized(b""),
        Value::Text("".into()),
    );
    check(
        json!({"type": "enum", "name": "e", "symbols": ["A", "B"]}),
        bytes().long(1),
        Value::Text("B".into()),
    );
    check(
        json!({"type": "fixed", "name": "x", "size": 2}),
        bytes().raw(&[9, 8]),
        Value::Bytes(vec![9, 8].into()),
    );
}

#[test]
fn what_javas_converter_wrote_is_read() {
    let schema = include_str!("../fixtures/connect.avsc");
    let bytes = include_bytes!("../fixtures/connect.avro");
    let program = Program::parse(schema, &[]).unwrap();
    // Behind the magic byte and the id.
    crate::decode::fixtures::check(&read(&program, &bytes[5..]).unwrap(), false);
}

#[test]
fn logical_types() {
    let decimal = json!({"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2});
    check(
        decimal,
        bytes().sized(&[0x04, 0xd2]),
        Value::Decimal("12.34".into()),
    );
    let fixed =
        json!({"type": "fixed", "name": "d", "size": 3, "logicalType": "decimal", "precision": 5});
    check(
        fixed,
        bytes().raw(&[0xff, 0xff, 0xff]),
        Value::Decimal("-1".into()),
    );
    check(
        json!({"type": "int", "logicalType": "date"}),
        bytes().long(-1),
        Value::Date(-1),
    );
    check(
        json!({"type": "int", "logicalType": "time-millis"}),
        bytes().long(1),
        Value::Time(1_000_000),
    );
    check(
        json!({"type": "long", "logicalType": "time-micros"}),
        bytes().long(86_400_000_000),
        Value::Time(86_400_000_000_000),
    );
    for (unit, per_second) in [
        ("millis", 1_000),
        ("micros", 1_000_000),
        ("nanos", 1_000_000_000),
    ] {
        for prefix in ["", "local-"] {
            let of_type =
                json!({"type": "long", "logicalType": format!("{prefix}timestamp-{unit}")});
            let at = timestamp(-1, per_second);
            let expected = match prefix {
                "" => Value::Timestamp(at),
                _ => Value::LocalTimestamp(at),
            };
            check(of_type, bytes().long(-1), expected);
        }
    }
    let text = "0b2e7d3a-7f0e-4f0a-9d39-3c5a2f0f7b11";
    let id = uuid::Uuid::parse_str(text).unwrap();
    check(
        json!({"type": "string", "logicalType": "uuid"}),
        bytes().sized(text.as_bytes()),
        Value::Text(text.into()),
    );
    check(
        json!({"type": "fixed", "name": "u", "size": 16, "logicalType": "uuid"}),
        bytes().raw(id.as_bytes()),
        Value::Uuid(id.into_bytes()),
    );
    check(
        json!({"type": "fixed", "name": "du", "size": 12, "logicalType": "duration"}),
        bytes().raw(&[1, 0, 0, 0, 2, 0, 0, 0, 0xdc, 5, 0, 0]),
        Value::Text("P1M2DT1.500S".into()),
    );
    // What is no valid logical type is its plain type.
    check(
        json!({"type": "int", "logicalType": "nope"}),
        bytes().long(5),
        Value::Int(5),
    );
}

/// As Connect's converter writes and reads them, whatever Avro says of precision and scale.
#[test]
fn decimals_of_any_precision_and_scale() {
    let check = |precision: Option<i64>, scale: i64, digits: u8, expected: &str| {
        let mut of_type = json!({"type": "bytes", "logicalType": "decimal", "scale": scale});
        if let Some(precision) = precision {
            of_type["precision"] = json!(precision);
        }
        let expected = Value::Decimal(expected.to_owned().into());
        check(of_type, bytes().sized(&[digits]), expected);
    };
    check(None, 2, 5, "0.05");
    check(Some(3), 5, 0xff, "-0.00001");
    check(Some(64), 127, 7, &format!("0.{}7", "0".repeat(126)));
    check(Some(5), -2, 7, "700");
    check(Some(5), -2, 0, "0");
    check(Some(0), 1, 7, "0.7");
    self::check(
        json!({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 16_384}),
        bytes().sized(&[5]),
        Value::Bytes(vec![5].into()),
    );
}

#[test]
fn bytes_keep_what_connect_says_of_them() {
    let check = |mut of_type: Json, told: Json, name: Option<&str>, expected: &[(&str, &str)]| {
        of_type["type"] = json!("bytes");
        of_type["connect.parameters"] = told;
        let program = program(&in_record(&of_type));
        let field = &program.schema(program.root).fields().unwrap()[0].schema;
        assert_eq!(field.name.as_deref(), name, "{of_type}");
        let parameters = field.parameters.iter();
        let parameters: Vec<(&str, &str)> =
            parameters.map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(parameters, expected, "{of_type}");
    };
    let bits = "io.debezium.data.Bits";
    let length = json!({"length": "8"});
    check(
        json!({"connect.name": bits}),
        length,
        Some(bits),
        &[("length", "8")],
    );
    let source = json!({"__debezium.source.column.type": "VARBINARY"});
    let told = ("__debezium.source.column.type", "VARBINARY");
    check(json!({}), source.clone(), None, &[told]);
    let decimal = "org.apache.kafka.connect.data.Decimal";
    check(json!({"connect.name": decimal}), source, None, &[told]);
    let of_scale = |precision: i64, scale: i64| json!({"connect.name": decimal, "logicalType": "decimal", "precision": precision, "scale": scale});
    let digits = "connect.decimal.precision";
    let source = json!({"scale": "7", "source": "NUMERIC"});
    let told = ("source", "NUMERIC");
    let expected = [(digits, "9"), ("scale", "2"), told];
    check(of_scale(9, 2), source.clone(), Some(decimal), &expected);
    // Which is none.
    check(
        of_scale(64, -2),
        source,
        Some(decimal),
        &[("scale", "0"), told],
    );
    let expected = [(digits, "7"), ("scale", "0")];
    check(of_scale(5, -2), json!({}), Some(decimal), &expected);
    let told = json!({digits: "64"});
    let expected = [(digits, "64"), ("scale", "2")];
    check(of_scale(64, 2), told, Some(decimal), &expected);
}

#[test]
fn names_of_connect_and_debezium() {
    let named = |of_type: &str, name: &str| json!({"type": of_type, "connect.name": name});
    let millis = "org.apache.kafka.connect.data.Timestamp";
    check(
        named("long", millis),
        bytes().long(1),
        Value::Timestamp(timestamp(1, 1_000)),
    );
    check(
        named("long", "io.debezium.time.MicroTimestamp"),
        bytes().long(1),
        Value::LocalTimestamp(timestamp(1, 1_000_000)),
    );
    check(
        named("long", "io.debezium.time.NanoTime"),
        bytes().long(1),
        Value::Time(1),
    );
    check(
        named("long", "io.debezium.time.MicroTime"),
        bytes().long(-3_600_000_000),
        Value::Time(-3_600_000_000_000),
    );
    check(
        named("int", "io.debezium.time.Date"),
        bytes().long(3),
        Value::Date(3),
    );
    check(
        named("string", "io.debezium.data.Json"),
        bytes().sized(b"[1]"),
        Value::Json("[1]".into()),
    );
    check(
        json!({"type": "record", "name": "VariableScaleDecimal", "namespace": "io.debezium.data",
            "fields": [{"name": "scale", "type": "int"}, {"name": "value", "type": "bytes"}]}),
        bytes().long(-2).sized(&[7]),
        Value::Decimal("700".into()),
    );
    let small = program(&in_record(&json!({"type": "int", "connect.type": "int16"})));
    let fields = small.schema(small.root).fields().unwrap();
    assert_eq!(fields[0].schema.kind, Kind::Int16);
}

#[test]
fn what_has_parts_is_json() {
    check(
        json!({"type": "array", "items": "int"}),
        bytes()
            .long(2)
            .long(1)
            .long(2)
            .long(-1)
            .long(1)
            .long(3)
            .long(0),
        Value::Json("[1,2,3]".into()),
    );
    check(
        json!({"type": "map", "values": ["null", "string"]}),
        bytes()
            .long(2)
            .sized(b"a")
            .long(0)
            .sized(b"b\"")
            .long(1)
            .sized(b"\n")
            .long(0),
        Value::Json(r#"{"a":null,"b\"":"\n"}"#.into()),
    );
    let inner = json!({"type": "record", "name": "i", "fields": [
        {"name": "d", "type": {"type": "int", "logicalType": "date"}},
        {"name": "m", "type": {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1}},
        {"name": "b", "type": "bytes"}]});
    check(
        inner,
        bytes().long(0).sized(&[15]).sized(&[0, 1]),
        Value::Json(r#"{"d":"1970-01-01","m":1.5,"b":"AAE="}"#.into()),
    );
    let list = json!({"type": "record", "name": "list", "fields": [
        {"name": "v", "type": "int"}, {"name": "next", "type": ["null", "list"]}]});
    check(
        list,
        bytes().long(1).long(1).long(2).long(0),
        Value::Json(r#"{"v":1,"next":{"v":2,"next":null}}"#.into()),
    );
}

#[test]
fn unions_are_what_they_chose() {
    check(json!(["null", "int"]), bytes().long(0), Value::Null);
    check(
        json!(["null", "int"]),
        bytes().long(1).long(5),
        Value::Int(5),
    );
    check(
        json!(["int", "null"]),
        bytes().long(0).long(5),
        Value::Int(5),
    );
    let union = json!(["null", "string", "int", {"type": "array", "items": "int"}]);
    check(
        union.clone(),
        bytes().long(1).sized(b"x"),
        Value::Text("x".into()),
    );
    check(union.clone(), bytes().long(2).long(4), Value::Int(4));
    check(
        union,
        bytes().long(3).long(1).long(7).long(0),
        Value::Json("[7]".into()),
    );
    let time = json!({"type": "long", "connect.name": "io.debezium.time.MicroTime"});
    check(
        json!(["null", "string", time]),
        bytes().long(2).long(5),
        Value::Time(5_000),
    );
}

#[test]
fn nulls_stand_for_defaults() {
    let schema = json!({"type": "record", "name": "r", "fields": [
        {"name": "a", "type": ["int", "null"], "default": 7},
        {"name": "b", "type": ["null", "string"], "default": null},
        {"name": "c", "type": [{"type": "long", "logicalType": "timestamp-micros"}, "null"], "default": 1},
    ]});
    let program = program(&schema);
    let nulls = bytes().long(1).long(0).long(1);
    let values = |default_for_null: bool| {
        let mut probe = Probe::default();
        let mut scratch = String::new();
        super::read_body(
            &program,
            default_for_null,
            &mut scratch,
            &nulls.0,
            &[],
            &mut probe,
        )
        .unwrap();
        probe
            .fields
            .into_iter()
            .map(|(_, _, value)| value)
            .collect::<Vec<_>>()
    };
    let at = Value::Timestamp(timestamp(1, 1_000_000));
    assert_eq!(values(true), [Value::Int(7), Value::Null, at]);
    assert_eq!(values(false), [Value::Null, Value::Null, Value::Null]);
    let whole = |default_for_null: bool| {
        let root = program.schema(program.root);
        let mut cursor = Cursor::new(&nulls.0, default_for_null);
        match cursor.datum(&program, program.root, root, 0) {
            Ok(Datum::Struct(value)) => value.values().to_vec(),
            other => panic!("{other:?}"),
        }
    };
    let at = Datum::Timestamp(timestamp(1, 1_000_000));
    assert_eq!(whole(true), [Datum::Int32(7), Datum::Null, at]);
    assert_eq!(whole(false), [Datum::Null, Datum::Null, Datum::Null]);
    let kept = super::without_defaults(program.schema(program.root));
    for field in kept.fields().unwrap() {
        assert_eq!(field.schema.default, None, "{}", field.name);
    }
}

#[test]
fn schemas_tell_connects_types() {
    let schema = json!({"type": "record", "name": "Order", "namespace": "shop", "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"], "default": null},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "parent", "type": ["null", "Order"]}]});
    let program = program(&schema);
    let root = program.schema(program.root);
    assert_eq!(root.name.as_deref(), Some("shop.Order"));
    let fields = root.fields().unwrap();
    let optional: Vec<bool> = fields.iter().map(|field| field.schema.optional).collect();
    assert_eq!(optional, [false, true, false, false, false, true]);
    assert_eq!(fields[2].schema.logical, Logical::Decimal { scale: 2 });
    assert_eq!(fields[3].schema.logical, Logical::Timestamp);
    assert!(matches!(fields[4].schema.kind, Kind::Array(_)));
    assert_eq!(
        fields[5].schema.kind,
        Kind::String,
        "it has no end, and is JSON"
    );
}

#[test]
fn references_are_named_types() {
    let address = Reference {
        name: "shop.Address".to_owned(),
        text: json!({"type": "record", "name": "Address", "namespace": "shop",
            "fields": [{"name": "city", "type": "string"}]})
        .to_string(),
    };
    let order = in_record(&json!("shop.Address")).to_string();
    let program = Program::parse(&order, &[address]).unwrap();
    let probe = read(&program, &bytes().sized(b"Ulm").0).unwrap();
    assert_eq!(probe.fields[0].2, Value::Json(r#"{"city":"Ulm"}"#.into()));
    assert!(
        Program::parse(&order, &[])
            .unwrap_err()
            .contains("unknown type, shop.Address")
    );
}

#[test]
fn bad_schemas_say_what_is_wrong() {
    let refused = |schema: &str, part: &str| {
        let reason = Program::parse(schema, &[]).unwrap_err();
        assert!(reason.contains(part), "{schema}: {reason}");
    };
    refused("{", "malformed");
    refused("7", "no name, list or object");
    refused(r#"{"type":"record","name":"r"}"#, "record r has no fields");
    refused(
        r#"{"type":"record","name":"r","fields":[{"type":"int"}]}"#,
        "a field without a name",
    );
    refused(
        r#"{"type":"fixed","name":"f","size":-1}"#,
        "fixed f has no size",
    );
    refused(r#""nope""#, "unknown type, nope");
    let mut deep = json!("int");
    for _ in 0..200 {
        deep = json!({"type": "array", "items": deep});
    }
    assert!(Program::parse(&deep.to_string(), &[]).is_err());
}

#[test]
fn malformed_bytes_are_refused_before_memory_is_taken() {
    let refused = |of_type: Json, bytes: Bytes, part: &str| {
        let reason = read(&program(&in_record(&of_type)), &bytes.0).unwrap_err();
        assert!(reason.contains(part), "{of_type}: {reason}");
    };
    refused(
        json!("int"),
        bytes(),
        "field \"f\": malformed Avro: the bytes end too early",
    );
    refused(json!("int"), bytes().long(1 << 40), "more than 32 bits");
    refused(json!("long"), bytes().raw(&[0xff; 11]), "more than 64 bits");
    refused(
        json!("string"),
        bytes().long(2_000_000_000),
        "end too early",
    );
    refused(json!("string"), bytes().long(-1), "negative length");
    refused(json!("string"), bytes().sized(&[0xff]), "not valid UTF-8");
    refused(json!("boolean"), bytes().raw(&[2]), "neither 0 nor 1");
    refused(
        json!(["null", "int"]),
        bytes().long(2),
        "a union without such a branch",
    );
    refused(
        json!(["int", "long", "null"]),
        bytes().long(-1),
        "a union without such a branch",
    );
    refused(
        json!({"type": "enum", "name": "e", "symbols": ["A"]}),
        bytes().long(1),
        "without such a symbol",
    );
    refused(
        json!({"type": "array", "items": "null"}),
        bytes().long(i64::MAX),
        "more items",
    );
    refused(
        json!({"type": "array", "items": "int"}),
        bytes().long(i64::MIN).long(0),
        "more items",
    );
    refused(
        json!({"type": "int", "logicalType": "time-millis"}),
        bytes().long(-1),
        "out of range",
    );
    refused(json!("null"), bytes().raw(&[0]), "left over");
    let list = json!({"type": "record", "name": "l", "fields": [{"name": "n", "type": "l"}]});
    refused(list, bytes(), "nested too deeply");
}

/// A schema and a value's bytes that go together.
fn written(depth: u32) -> impl Strategy<Value = (Json, Vec<u8>)> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| (json!("long"), bytes().long(number).0)),
        any::<i32>().prop_map(|number| (json!("int"), bytes().long(number.into()).0)),
        any::<bool>().prop_map(|value| (json!("boolean"), vec![u8::from(value)])),
        any::<f64>().prop_map(|number| (json!("double"), number.to_le_bytes().to_vec())),
        ".{0,8}".prop_map(|text| (json!("string"), bytes().sized(text.as_bytes()).0)),
        any::<Vec<u8>>().prop_map(|raw| (json!("bytes"), bytes().sized(&raw).0)),
        Just((json!("null"), Vec::new())),
    ];
    leaf.prop_recursive(depth, 24, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(schema, value)| {
                (
                    json!({"type": "array", "items": schema}),
                    bytes().long(1).raw(&value).long(0).0,
                )
            }),
            inner.clone().prop_map(|(schema, value)| {
                let map = bytes().long(1).sized(b"k").raw(&value).long(0).0;
                (json!({"type": "map", "values": schema}), map)
            }),
            prop::collection::vec(inner, 0..3).prop_map(|parts| {
                let name = format!("r{}", fastrand::u64(..));
                let fields: Vec<Json> = (0..)
                    .zip(&parts)
                    .map(
                        |(index, (schema, _))| json!({"name": format!("f{index}"), "type": schema}),
                    )
                    .collect();
                let value = parts.into_iter().flat_map(|(_, value)| value).collect();
                (
                    json!({"type": "record", "name": name, "fields": fields}),
                    value,
                )
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_well_written_is_read_and_passed_over_alike((schema, value) in written(3)) {
        let program = program(&in_record(&schema));
        prop_assert!(read(&program, &value).is_ok(), "{schema}");
        let mut cursor = Cursor::new(&value, true);
        prop_assert!(cursor.skip(&program, program.root, 0).is_ok() && cursor.is_at_end());
        let mut cursor = Cursor::new(&value, true);
        let whole = cursor.datum(&program, program.root, program.schema(program.root), 0);
        prop_assert!(whole.is_ok() && cursor.is_at_end());
    }

    #[test]
    fn what_was_changed_is_a_value_or_a_reason(
        (schema, mut value) in written(3),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for (place, byte) in changes {
            if !value.is_empty() {
                let place = place.index(value.len());
                value[place] = byte;
            }
        }
        value.truncate(cut.index(value.len() + 1));
        let program = program(&in_record(&schema));
        if let Ok(probe) = read(&program, &value) {
            for (_, _, found) in probe.fields {
                if let Value::Json(text) = found {
                    prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&text).is_ok());
                }
            }
        }
        let _whole = Cursor::new(&value, true).datum(&program, program.root, program.schema(program.root), 0);
    }

    #[test]
    fn any_text_is_a_schema_or_a_reason(text in r#"[\{\}\[\]":,a-z]{0,60}"#) {
        let _parsed = Program::parse(&text, &[]);
    }
}
