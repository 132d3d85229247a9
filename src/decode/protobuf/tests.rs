//! A schema of every kind of field, and messages written by hand.

use proptest::prelude::*;

use super::*;
use crate::config::converter::IdFraming;
use crate::decode::probe::{self, Probe};
use crate::record::{Datum, Kind, Logical};
use crate::registry::SchemaId;

const SCHEMA: &str = r#"
    syntax = "proto3";
    package shop;
    import "google/protobuf/timestamp.proto";
    import "google/protobuf/wrappers.proto";
    import "google/protobuf/duration.proto";
    import "google/type/date.proto";
    import "confluent/type/decimal.proto";
    import "confluent/meta.proto";
    import "shop/address.proto";
    message Other { string nothing = 1; }
    message Order {
        enum State { NEW = 0; PAID = 1; }
        message Inner { int32 deep = 1; }
        int64 id = 1 [(confluent.field_meta).doc = "the id"];
        optional string note = 2;
        State state = 3;
        google.protobuf.Timestamp at = 4;
        google.protobuf.Int32Value count = 5;
        google.type.Date day = 6;
        confluent.type.Decimal price = 7;
        repeated int32 list = 8;
        map<string, Inner> map = 9;
        Address address = 10;
        Order parent = 11;
        uint64 large = 12;
        bytes raw = 13;
        oneof choice { string one = 14; bool two = 15; }
        google.protobuf.Duration wait = 16;
        float ratio = 17;
    }"#;

fn compiled() -> Compiled {
    Compiled::compile(&Registered {
        kind: Some("PROTOBUF".to_owned()),
        text: SCHEMA.to_owned(),
        references: vec![Reference {
            name: "shop/address.proto".to_owned(),
            text: "syntax = \"proto3\"; package shop; message Address { string city = 1; }"
                .to_owned(),
        }],
    })
    .unwrap()
}

fn shape(message: &MessageDescriptor) -> Shape {
    Shape {
        message: message.clone(),
        schema: Arc::new(schema::of_message(message)),
    }
}

fn read(body: &[u8]) -> Result<Vec<(String, Value<'static>)>, String> {
    let (message, body) = compiled().message(body)?;
    let read = DynamicMessage::decode(message.clone(), body).map_err(|error| error.to_string())?;
    let mut probe = Probe::default();
    match read_message(&shape(&message), &read, &[], &mut probe) {
        Ok(()) => Ok(probe
            .fields
            .into_iter()
            .map(|(name, _, value)| (name, value))
            .collect()),
        Err(ReadError::Malformed(reason)) => Err(reason),
        Err(ReadError::Refused(error)) => Err(error.to_string()),
    }
}

/// A field of length-delimited bytes.
fn sized(number: u8, bytes: &[u8]) -> Vec<u8> {
    let tag = u32::from(number) << 3 | 2;
    let tag = if tag < 0x80 {
        vec![u8::try_from(tag).unwrap()]
    } else {
        vec![
            u8::try_from(tag & 0x7f | 0x80).unwrap(),
            u8::try_from(tag >> 7).unwrap(),
        ]
    };
    [&tag[..], &[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// Message 1 of the file: one index, zigzag.
const ORDER: &[u8] = &[2, 2];

fn order(fields: &[Vec<u8>]) -> Vec<u8> {
    [ORDER, &fields.concat()].concat()
}

#[test]
fn every_kind_of_field_is_read() {
    let body = order(&[
        vec![8, 7],
        sized(2, b"x"),
        vec![3 << 3, 1],
        sized(4, &[8, 1, 16, 5]),
        sized(5, &[8, 3]),
        sized(6, &[8, 0xea, 0x0f, 16, 1, 24, 31]),
        sized(7, &[&sized(1, &[0x04, 0xd2])[..], &[24, 2]].concat()),
        sized(8, &[1, 2]),
        sized(9, &[&sized(1, b"b")[..], &sized(2, &[8, 1])].concat()),
        sized(9, &[&sized(1, b"a")[..], &sized(2, &[])].concat()),
        sized(10, &sized(1, b"Ulm")),
        sized(13, &[0, 1]),
        vec![15 << 3, 1],
        sized(16, &[8, 1, 16, 0x80, 0xca, 0xb5, 0xee, 1]),
    ]);
    let found = read(&body).unwrap();
    let at = rowdock_connectors::Timestamp {
        seconds: 1,
        nanos: 5,
    };
    let expected: Vec<(&str, Value<'static>)> = vec![
        ("id", Value::Int(7)),
        ("note", Value::Text("x".into())),
        ("state", Value::Text("PAID".into())),
        ("at", Value::Timestamp(at)),
        ("count", Value::Int(3)),
        ("day", Value::Date(20_484)),
        ("price", Value::Decimal("12.34".into())),
        ("list", Value::Json("[1,2]".into())),
        (
            "map",
            Value::Json(r#"{"a":{"deep":0},"b":{"deep":1}}"#.into()),
        ),
        ("address", Value::Json(r#"{"city":"Ulm"}"#.into())),
        ("parent", Value::Null),
        ("large", Value::Decimal("0".into())),
        ("raw", Value::Bytes(vec![0, 1].into())),
        ("one", Value::Null),
        ("two", Value::Bool(true)),
        ("wait", Value::Text("PT1.500000000S".into())),
        ("ratio", Value::Float32(0.0)),
    ];
    assert_eq!(found.len(), expected.len());
    for ((name, value), (expected_name, expected)) in found.iter().zip(&expected) {
        assert_eq!((name.as_str(), value), (*expected_name, expected));
    }
}

/// `fixtures/ProtobufFixture.java` wrote it.
#[test]
fn what_googles_serializer_wrote_is_read() {
    let registered = Registered {
        kind: Some("PROTOBUF".to_owned()),
        text: include_str!("../fixtures/order.proto").to_owned(),
        references: Vec::new(),
    };
    let registry = Registry::of([(SchemaId::Number(1), registered)]);
    let options = probe::registry_options(IdFraming::Confluent);
    let mut format = Protobuf::new(registry, &options, KeyOrValue::Value);
    let found = probe::read(&mut format, include_bytes!("../fixtures/order.protobuf")).unwrap();
    let at = rowdock_connectors::Timestamp {
        seconds: 1_769_854_830,
        nanos: 123_456_789,
    };
    let expected: Vec<(&str, Value<'static>)> = vec![
        ("i32", Value::Int(-32)),
        ("i64", Value::Int(-64)),
        ("u64", Value::Decimal("18446744073709551615".into())),
        ("s32", Value::Int(-7)),
        ("f64", Value::Decimal("9".into())),
        ("real", Value::Float32(0.1)),
        ("double", Value::Float64(-0.25)),
        ("bool", Value::Bool(true)),
        ("text", Value::Text("Grüße \"x\"\n".into())),
        ("bytes", Value::Bytes(vec![0, 1, 255].into())),
        ("state", Value::Text("PAID".into())),
        ("at", Value::Timestamp(at)),
        ("wrapped", Value::Int(5)),
        ("none", Value::Null),
        ("list", Value::Json("[1,2,3]".into())),
        ("map", Value::Json(r#"{"k":7}"#.into())),
        (
            "address",
            Value::Json(r#"{"city":"Ulm","zip":null}"#.into()),
        ),
        ("absent", Value::Null),
        ("one", Value::Null),
        ("two", Value::Bool(true)),
    ];
    let found: Vec<(&str, Value<'static>)> = found
        .fields
        .iter()
        .map(|(name, _, value)| (name.as_str(), value.clone()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn the_schema_is_connects() {
    let (message, _) = compiled().message(ORDER).unwrap();
    let schema = schema::of_message(&message);
    let field = |name: &str| Arc::clone(&schema.field(name).unwrap().1.schema);
    assert_eq!(schema.name.as_deref(), Some("shop.Order"));
    assert!(!field("id").optional && field("note").optional && field("count").optional);
    assert_eq!(field("at").logical, Logical::Timestamp);
    assert_eq!(field("count").kind, Kind::Int32);
    assert!(matches!(field("map").kind, Kind::Map { .. }));
    assert_eq!(
        field("parent").kind,
        Kind::String,
        "it has no end, and is JSON"
    );
    let (message, body) = compiled().message(&[0, 10, 1, b'x']).unwrap();
    assert_eq!((message.name(), body), ("Other", &[10, 1, b'x'][..]));
    let (message, _) = compiled().message(&[4, 2, 0]).unwrap();
    assert_eq!(message.name(), "Inner");
}

#[test]
fn bad_bytes_and_schemas_say_what_is_wrong() {
    let refused = |body: &[u8], part: &str| {
        let reason = read(body).unwrap_err();
        assert!(reason.contains(part), "{body:?}: {reason}");
    };
    refused(&[], "message indexes");
    refused(&[2], "message indexes");
    refused(&[1], "message indexes");
    refused(&[2, 20], "no message at the record's index");
    refused(&[0xff, 0xff, 0xff, 0xff, 0x0f], "message indexes");
    refused(&[2, 2, 8], "varint");
    refused(
        &order(&[sized(6, &[8, 1, 16, 99])]),
        "field \"day\": a date that is none",
    );
    let failed = Compiled::compile(&Registered {
        kind: None,
        text: "syntax = \"proto3\"; import \"nope.proto\";".to_owned(),
        references: Vec::new(),
    });
    assert!(failed.unwrap_err().contains("nope.proto"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_a_reason(
        body in prop::collection::vec(any::<u8>(), 0..60),
        framed: bool,
    ) {
        let body = match framed {
            true => order(&[body]),
            false => body,
        };
        let direct = read(&body);
        if let Ok((message, rest)) = compiled().message(&body)
            && let Ok(read) = DynamicMessage::decode(message.clone(), rest)
        {
            let whole = values::datum_of_message(&read, &Arc::new(schema::of_message(&message)));
            prop_assert_eq!(direct.is_ok(), whole.is_ok());
            if let (Ok(fields), Ok(Datum::Struct(whole))) = (direct, whole) {
                for (index, (_, value)) in fields.iter().enumerate() {
                    let same = probe::owned(&whole.raw(index).value().unwrap());
                    prop_assert!(same == *value || matches!(value, Value::Float32(_) | Value::Json(_)));
                }
            }
        }
    }
}
