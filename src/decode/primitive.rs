//! Texts, bytes and single numbers, as Kafka's own serializers write them: `StringConverter`,
//! `ByteArrayConverter`, and the converters of `IntegerSerializer` and its kin.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

pub use crate::config::converter::Primitive;

use super::{Decode, Encoded, ReadError, Visitor, json};
use crate::record::{Datum, Kind, Schema, Side, Value};

impl Primitive {
    fn value(self, bytes: &[u8]) -> Result<Value<'_>, String> {
        Ok(match self {
            Self::Text => Value::Text(Cow::Borrowed(json::utf8(bytes)?)),
            Self::Bytes => Value::Bytes(Cow::Borrowed(bytes)),
            Self::Short => Value::Int(i16::from_be_bytes(self.sized(bytes)?).into()),
            Self::Integer => Value::Int(i32::from_be_bytes(self.sized(bytes)?).into()),
            Self::Long => Value::Int(i64::from_be_bytes(self.sized(bytes)?)),
            Self::Float => Value::Float32(f32::from_be_bytes(self.sized(bytes)?)),
            Self::Double => Value::Float64(f64::from_be_bytes(self.sized(bytes)?)),
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

    fn schema_of(self) -> Schema {
        Schema::new(match self {
            Self::Text => Kind::String,
            Self::Bytes => Kind::Bytes,
            Self::Short => Kind::Int16,
            Self::Integer => Kind::Int32,
            Self::Long => Kind::Int64,
            Self::Float => Kind::Float32,
            Self::Double => Kind::Float64,
            Self::Boolean => Kind::Boolean,
        })
        .optional()
    }
}

/// One schema for all records, since transforms tell schemas by their identity.
fn shared_schema(kind: Primitive) -> Arc<Schema> {
    static SCHEMAS: OnceLock<[Arc<Schema>; 8]> = OnceLock::new();
    let schemas = SCHEMAS.get_or_init(|| ALL.map(|kind| Arc::new(kind.schema_of())));
    Arc::clone(&schemas[kind as usize])
}

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

impl Decode for Primitive {
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        _part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let value = self.value(encoded.bytes).map_err(ReadError::Malformed)?;
        Ok(visitor.single(&value)?)
    }

    fn schema(&mut self, _encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        Ok(Some(shared_schema(*self)))
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        let bytes = encoded.bytes;
        let datum = match (*self, self.value(bytes)?) {
            (Self::Short, _) => Datum::Int16(i16::from_be_bytes(self.sized(bytes)?)),
            (Self::Integer, _) => Datum::Int32(i32::from_be_bytes(self.sized(bytes)?)),
            (_, Value::Int(number)) => Datum::Int64(number),
            (_, Value::Float32(number)) => Datum::Float32(number),
            (_, Value::Float64(number)) => Datum::Float64(number),
            (_, Value::Bool(value)) => Datum::Boolean(value),
            (_, Value::Text(text)) => Datum::String(text.into_owned()),
            (_, Value::Bytes(bytes)) => Datum::Bytes(bytes.into_owned()),
            _ => Datum::Null,
        };
        Ok(Side {
            schema: Some(shared_schema(*self)),
            datum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
        let marked = Value::Text("\u{feff}a".into());
        check(Primitive::Text, b"\xef\xbb\xbfa", Some(marked));
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
            Some(Value::Float64(-2.25)),
        );
        check(Primitive::Boolean, &[1], Some(Value::Bool(true)));
        check(Primitive::Boolean, &[2], None);
        check(Primitive::Boolean, &[], None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_value_or_a_reason(bytes: Vec<u8>) {
            for kind in ALL {
                let mut format = kind;
                let whole = format.whole(Encoded {
                    bytes: &bytes,
                    headers: &(),
                });
                prop_assert_eq!(whole.is_ok(), kind.value(&bytes).is_ok());
                if let Ok(side) = whole {
                    prop_assert_eq!(side.datum.value().unwrap(), kind.value(&bytes).unwrap());
                }
            }
        }
    }
}
