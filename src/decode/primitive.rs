//! Texts, bytes and single numbers, as Kafka's own serializers write them: `StringConverter`,
//! `ByteArrayConverter`, and the converters of `IntegerSerializer` and its kin.

use std::borrow::Cow;

use rowdock_connectors::ColumnType;

pub use crate::config::converter::Primitive;

use super::{Decode, ReadError, Shape, Visitor, json};
use crate::record::Value;

impl Primitive {
    fn value(self, bytes: &[u8]) -> Result<Value<'_>, String> {
        Ok(match self {
            Self::Text => Value::Text(Cow::Borrowed(json::text(bytes)?)),
            Self::Bytes => Value::Bytes(Cow::Borrowed(bytes)),
            Self::Short => Value::Int(i16::from_be_bytes(self.sized(bytes)?).into()),
            Self::Integer => Value::Int(i32::from_be_bytes(self.sized(bytes)?).into()),
            Self::Long => Value::Int(i64::from_be_bytes(self.sized(bytes)?)),
            Self::Float => Value::Float32(f32::from_be_bytes(self.sized(bytes)?)),
            Self::Double => Value::Float(f64::from_be_bytes(self.sized(bytes)?)),
            Self::Boolean => match self.sized(bytes)? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                _ => return Err("a boolean that is neither 0 nor 1".to_owned()),
            },
        })
    }

    fn sized<const N: usize>(self, bytes: &[u8]) -> Result<[u8; N], String> {
        let size = bytes.len();
        let name = self.name();
        bytes
            .try_into()
            .map_err(|_| format!("{size} bytes, but a {name} has {N}"))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "byte array",
            Self::Short => "16-bit integer",
            Self::Integer => "32-bit integer",
            Self::Long => "64-bit integer",
            Self::Float => "32-bit float",
            Self::Double => "64-bit float",
            Self::Boolean => "boolean",
        }
    }

    fn column_type(self) -> ColumnType {
        match self {
            Self::Text => ColumnType::Text { max_chars: None },
            Self::Bytes => ColumnType::Bytes,
            Self::Short => ColumnType::Int16,
            Self::Integer => ColumnType::Int32,
            Self::Long => ColumnType::Int64,
            Self::Float => ColumnType::Float32,
            Self::Double => ColumnType::Float64,
            Self::Boolean => ColumnType::Bool,
        }
    }
}

impl Decode for Primitive {
    fn read<V: Visitor>(&mut self, bytes: &[u8], visitor: &mut V) -> Result<(), ReadError> {
        let value = self.value(bytes).map_err(ReadError::Malformed)?;
        Ok(visitor.single(&value)?)
    }

    fn shape(&mut self, _bytes: &[u8]) -> Result<Option<Shape>, String> {
        Ok(Some(Shape::Single(self.column_type())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Primitive; 8] = [
        Primitive::Text,
        Primitive::Bytes,
        Primitive::Short,
        Primitive::Integer,
        Primitive::Long,
        Primitive::Float,
        Primitive::Double,
        Primitive::Boolean,
    ];

    #[test]
    fn reads_what_kafkas_serializers_write() {
        let check = |kind: Primitive, bytes: &[u8], expected: Option<Value<'_>>| {
            assert_eq!(kind.value(bytes).ok(), expected, "{kind:?} {bytes:?}");
        };
        check(
            Primitive::Text,
            "é".as_bytes(),
            Some(Value::Text("é".into())),
        );
        check(Primitive::Text, b"null", Some(Value::Text("null".into())));
        check(Primitive::Text, b"\xff", None);
        check(
            Primitive::Bytes,
            b"\xff",
            Some(Value::Bytes(b"\xff".into())),
        );
        check(Primitive::Short, &[0xff, 0xfe], Some(Value::Int(-2)));
        check(Primitive::Integer, &[0, 0, 1, 0], Some(Value::Int(256)));
        check(Primitive::Integer, &[0, 0, 1], None);
        check(
            Primitive::Long,
            &i64::MIN.to_be_bytes(),
            Some(Value::Int(i64::MIN)),
        );
        check(
            Primitive::Float,
            &1.5_f32.to_be_bytes(),
            Some(Value::Float32(1.5)),
        );
        check(
            Primitive::Double,
            &(-2.25_f64).to_be_bytes(),
            Some(Value::Float(-2.25)),
        );
        check(Primitive::Boolean, &[1], Some(Value::Bool(true)));
        check(Primitive::Boolean, &[2], None);
        check(Primitive::Boolean, &[], None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_a_reason(bytes: Vec<u8>) {
            for kind in ALL {
                if let Err(reason) = kind.value(&bytes) {
                    prop_assert!(!reason.is_empty());
                }
            }
        }
    }
}
