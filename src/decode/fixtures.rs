//! Bytes that Java's own converters wrote, and what they must mean here.
//!
//! One Connect struct with a field of every type, written by Kafka's `JsonConverter` 4.1.1 (schemas
//! enabled, decimals in both forms) and by Apicurio's `AvroConverter` 2.6.13, which has the schema
//! model of Confluent's. `fixtures/Fixtures.java` wrote them. `order.protobuf` is Google's own
//! serializer's, `order-json-schema.bin` Apicurio's for JSON Schema.

use rowdock_connectors::Timestamp;

use super::probe::Probe;
use crate::record::{Value, timestamp};

/// Checks what a format found in a fixture. `numbers`: the format keeps numbers as written.
pub(crate) fn check(found: &Probe, numbers: bool) {
    let number = |text: &'static str, number: i64| match numbers {
        true => Value::Number(text),
        false => Value::Int(number),
    };
    let at = Timestamp {
        seconds: 1_769_854_830,
        nanos: 123_000_000,
    };
    let expected: Vec<(&str, Value<'static>)> = vec![
        ("i8", number("-8", -8)),
        ("i16", number("-16", -16)),
        ("i32", number("-32", -32)),
        ("i64", number("-64", -64)),
        ("f32", float(numbers, "0.1", Value::Float32(0.1))),
        ("f64", float(numbers, "-0.25", Value::Float64(-0.25))),
        ("bool", Value::Bool(true)),
        ("text", Value::Text("Grüße \"x\"\n".into())),
        ("bytes", Value::Bytes(vec![0, 1, 255].into())),
        ("decimal", Value::Decimal("-1234.50".into())),
        ("day", Value::Date(20_484)),
        ("time", Value::Time(37_230_123_000_000)),
        ("at", Value::Timestamp(at)),
        ("none", Value::Null),
        ("with_default", Value::Int(42)),
        ("list", Value::Json("[1,2,3]".into())),
        ("map", Value::Json(r#"{"k":7}"#.into())),
        (
            "address",
            Value::Json(r#"{"city":"Ulm","zip":null}"#.into()),
        ),
        (
            "micros",
            Value::LocalTimestamp(timestamp(1_769_854_830_123_456, 1_000_000)),
        ),
        ("json", Value::Json(r#"{"a": [1]}"#.into())),
    ];
    for ((name, _, value), (expected_name, expected)) in found.fields.iter().zip(&expected) {
        let same = match (value, expected) {
            // Decimals as numbers keep their text too.
            (Value::Number(one), Value::Decimal(other)) => one == other,
            (value, expected) => value == expected,
        };
        assert!(
            name == expected_name && same,
            "{name}: {value:?} instead of {expected:?}"
        );
    }
    assert_eq!(found.fields.len(), expected.len());
}

fn float(numbers: bool, text: &'static str, float: Value<'static>) -> Value<'static> {
    match numbers {
        true => Value::Number(text),
        false => float,
    }
}
