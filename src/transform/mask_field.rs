//! `MaskField`: values of fields replaced by nothing, or by a text or number of their own type.

use super::object::{self, Object};
use super::{About, Fault, SideTransform};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::decimal;
use crate::record::{Datum, Map, Side, Struct};

const PURPOSE: &str = "mask fields";

/// See the module.
#[derive(Debug)]
pub(super) struct MaskField {
    fields: Vec<String>,
    replacement: Option<String>,
    defaults: bool,
}

impl MaskField {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        Ok(Self {
            fields: options.list(&keys::MASK_FIELDS).to_vec(),
            replacement: options.text(&keys::MASK_REPLACEMENT).map(str::to_owned),
            defaults: options.is_true(&keys::REPLACE_NULL),
        })
    }

    fn masked(&self, name: &str, value: &Datum) -> Result<Datum, String> {
        let masked = match &self.replacement {
            _ if value.is_null() => return Ok(Datum::Null),
            None => blank(value),
            Some(replacement) => replaced(value, replacement),
        };
        masked.map_err(|reason| format!("field \"{name}\": {reason}"))
    }
}

impl SideTransform for MaskField {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        match object::required(side, PURPOSE)? {
            Object::Map(mut map) => {
                for name in &self.fields {
                    // A field that is not there becomes null, as in Connect.
                    let masked = match map.get(name) {
                        Some(value) => self.masked(name, value)?,
                        None => Datum::Null,
                    };
                    map.insert(name.as_str(), masked);
                }
                Ok(Side::schemaless(Datum::Map(map)))
            }
            Object::Struct(value) => {
                let schema = value.schema().clone();
                let fields = schema.fields().unwrap_or_default();
                let mut values = value.into_values(self.defaults);
                for (field, value) in fields.iter().zip(&mut values) {
                    if self.fields.iter().any(|name| **name == *field.name) {
                        *value = self.masked(&field.name, value)?;
                    }
                }
                Ok(object::struct_side(Struct::new(schema, values)))
            }
        }
    }
}

/// The value that says nothing, of the same type.
fn blank(value: &Datum) -> Result<Datum, String> {
    Ok(match value {
        Datum::Boolean(_) => Datum::Boolean(false),
        Datum::Int8(_) => Datum::Int8(0),
        Datum::Int16(_) => Datum::Int16(0),
        Datum::Int32(_) => Datum::Int32(0),
        Datum::Int64(_) => Datum::Int64(0),
        Datum::Float32(_) => Datum::Float32(0.0),
        Datum::Float64(_) | Datum::Number(_) => Datum::Float64(0.0),
        Datum::Decimal(_) => Datum::Decimal("0".to_owned()),
        Datum::Date(_) => Datum::Date(0),
        Datum::Time(_) => Datum::Time(0),
        Datum::Timestamp(_) => Datum::Timestamp(rowdock_connectors::Timestamp::default()),
        Datum::String(_) => Datum::String(String::new()),
        Datum::Array(_) => Datum::Array(Vec::new()),
        Datum::Map(_) => Datum::Map(Map::default()),
        Datum::Entries(_) => Datum::Entries(Vec::new()),
        Datum::Null | Datum::Bytes(_) | Datum::Struct(_) => {
            return Err(format!("{} cannot be masked", value.kind()));
        }
    })
}

/// The replacement, of the same type.
fn replaced(value: &Datum, replacement: &str) -> Result<Datum, String> {
    let failed = || {
        format!(
            "the replacement cannot be made {} like the value",
            value.kind()
        )
    };
    let whole = || {
        integer(replacement)
            .map(i64::to_le_bytes)
            .ok_or_else(failed)
    };
    Ok(match value {
        Datum::String(_) => Datum::String(replacement.to_owned()),
        // What is too large loses its high bits, as in Java.
        Datum::Int8(_) => Datum::Int8(i8::from_le_bytes([whole()?[0]])),
        Datum::Int16(_) => Datum::Int16(i16::from_le_bytes([whole()?[0], whole()?[1]])),
        Datum::Int32(_) => {
            let [a, b, c, d, ..] = whole()?;
            Datum::Int32(i32::from_le_bytes([a, b, c, d]))
        }
        Datum::Int64(_) => Datum::Int64(i64::from_le_bytes(whole()?)),
        Datum::Float32(_) => Datum::Float32(replacement.parse().map_err(|_| failed())?),
        Datum::Float64(_) | Datum::Number(_) => {
            Datum::Float64(replacement.parse().map_err(|_| failed())?)
        }
        Datum::Decimal(_) => {
            Datum::Decimal(decimal::plain(replacement).ok_or_else(failed)?.into_owned())
        }
        other => {
            let found = other.kind();
            return Err(format!(
                "{found} cannot be masked with a replacement of one's own"
            ));
        }
    })
}

/// A whole number.
fn integer(text: &str) -> Option<i64> {
    let plain = decimal::plain(text)?;
    let whole = plain.split('.').next().unwrap_or_default();
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replacements_keep_the_type() {
        let check = |value: Datum, replacement: &str, expected: Option<Datum>| {
            assert_eq!(
                replaced(&value, replacement).ok(),
                expected,
                "{replacement}"
            );
        };
        check(Datum::Int8(1), "42", Some(Datum::Int8(42)));
        check(Datum::Int8(1), "300", Some(Datum::Int8(44)));
        check(Datum::Int64(1), "x", None);
        check(Datum::Float64(1.0), "2.5", Some(Datum::Float64(2.5)));
        check(
            Datum::Decimal("1".into()),
            "2.50",
            Some(Datum::Decimal("2.50".into())),
        );
        check(
            Datum::String("a".into()),
            "***",
            Some(Datum::String("***".into())),
        );
        check(Datum::Boolean(true), "1", None);
        assert!(blank(&Datum::Bytes(vec![1])).is_err());
    }
}
