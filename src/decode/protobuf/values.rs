//! Values of a decoded message.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::NaiveDate;
use prost_reflect::{
    DynamicMessage, Kind as ProtoKind, MapKey, ReflectMessage as _, Value as ProtoValue,
};
use rowdock_connectors::Timestamp;

use super::schema::{self, Common};
use crate::decimal;
use crate::decode::{document, tree};
use crate::record::{Datum, Kind, Map, Schema, Struct, Value};

/// A field's value; what has parts becomes JSON, written to `scratch`, which is empty.
pub(super) fn value<'v>(
    value: &'v ProtoValue,
    kind: &ProtoKind,
    scratch: &'v mut String,
) -> Result<Value<'v>, &'static str> {
    Ok(match value {
        ProtoValue::Bool(value) => Value::Bool(*value),
        ProtoValue::I32(number) => Value::Int(i64::from(*number)),
        ProtoValue::I64(number) => Value::Int(*number),
        ProtoValue::U32(number) => Value::Int(i64::from(*number)),
        ProtoValue::U64(number) => Value::Decimal(number.to_string().into()),
        ProtoValue::F32(number) => Value::Float32(*number),
        ProtoValue::F64(number) => Value::Float64(*number),
        ProtoValue::String(text) => Value::Text(Cow::Borrowed(text)),
        ProtoValue::Bytes(bytes) => Value::Bytes(Cow::Borrowed(bytes)),
        ProtoValue::EnumNumber(number) => Value::Text(symbol(*number, kind).into()),
        ProtoValue::Message(message) => match Common::of(&message.descriptor()) {
            Some(common) => common_value(common, message)?,
            None => {
                push_message(scratch, message)?;
                Value::Json(Cow::Borrowed(scratch))
            }
        },
        ProtoValue::List(_) | ProtoValue::Map(_) => {
            push(scratch, value, kind)?;
            Value::Json(Cow::Borrowed(scratch))
        }
    })
}

/// Numbers without a name may come from a newer schema.
fn symbol(number: i32, kind: &ProtoKind) -> String {
    let named = match kind {
        ProtoKind::Enum(of_enum) => of_enum.get_value(number),
        _ => None,
    };
    named.map_or_else(|| number.to_string(), |named| named.name().to_owned())
}

fn common_value(common: Common, message: &DynamicMessage) -> Result<Value<'static>, &'static str> {
    let number = |name: &str| match message.get_field_by_name(name).as_deref() {
        Some(ProtoValue::I64(number)) => *number,
        Some(ProtoValue::I32(number)) => i64::from(*number),
        _ => 0,
    };
    Ok(match common {
        Common::Timestamp => Value::Timestamp(Timestamp {
            seconds: number("seconds"),
            nanos: nanos(number("nanos"))?,
        }),
        Common::Duration => {
            let (seconds, nanos) = (number("seconds"), number("nanos"));
            let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
            let (seconds, nanos) = (seconds.unsigned_abs(), nanos.unsigned_abs());
            Value::Text(format!("{sign}PT{seconds}.{nanos:09}S").into())
        }
        Common::Date => {
            let part = |name: &str| u32::try_from(number(name)).unwrap_or(0);
            let year = i32::try_from(number("year")).unwrap_or(0);
            let date = NaiveDate::from_ymd_opt(year, part("month"), part("day"));
            Value::Date(date.ok_or("a date that is none")?.to_epoch_days())
        }
        Common::TimeOfDay => {
            let hours = number("hours").saturating_mul(3600);
            let minutes = number("minutes").saturating_mul(60);
            let seconds = hours
                .saturating_add(minutes)
                .saturating_add(number("seconds"));
            if !(0..=86_400).contains(&seconds) {
                return Err("a time of day out of range");
            }
            Value::Time(seconds * 1_000_000_000 + i64::from(nanos(number("nanos"))?))
        }
        Common::Decimal => {
            let bytes = match message.get_field_by_name("value").as_deref() {
                Some(ProtoValue::Bytes(bytes)) => bytes.clone(),
                _ => prost_reflect::bytes::Bytes::new(),
            };
            Value::Decimal(decimal::from_unscaled(&bytes, number("scale"))?.into())
        }
        Common::Wrapper => {
            let inner = message.get_field_by_name("value");
            let inner = inner.as_deref().ok_or("a wrapper without a value")?;
            let mut scratch = String::new();
            tree::untyped(value(inner, &ProtoKind::Bool, &mut scratch)?)
                .value()
                .map(own)?
        }
    })
}

fn own(value: Value<'_>) -> Value<'static> {
    match value {
        Value::Text(text) => Value::Text(text.into_owned().into()),
        Value::Bytes(bytes) => Value::Bytes(bytes.into_owned().into()),
        Value::Decimal(text) => Value::Decimal(text.into_owned().into()),
        Value::Bool(value) => Value::Bool(value),
        Value::Int(number) => Value::Int(number),
        Value::Float32(number) => Value::Float32(number),
        Value::Float64(number) => Value::Float64(number),
        _ => Value::Null,
    }
}

fn nanos(nanos: i64) -> Result<u32, &'static str> {
    u32::try_from(nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)
        .ok_or("nanoseconds out of range")
}

/// Appends a message as JSON; depth is bounded by the decoder.
fn push_message(out: &mut String, message: &DynamicMessage) -> Result<(), &'static str> {
    out.push('{');
    let mut first = true;
    for field in schema::fields(&message.descriptor()) {
        if !first {
            out.push(',');
        }
        first = false;
        document::push_text(out, field.name());
        out.push(':');
        if field.supports_presence() && !message.has_field(&field) {
            out.push_str("null");
        } else {
            push(out, &message.get_field(&field), &field.kind())?;
        }
    }
    out.push('}');
    Ok(())
}

fn push(out: &mut String, found: &ProtoValue, kind: &ProtoKind) -> Result<(), &'static str> {
    match found {
        ProtoValue::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push(out, item, kind)?;
            }
            out.push(']');
            Ok(())
        }
        ProtoValue::Map(entries) => {
            let value_kind = match kind {
                ProtoKind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other.clone(),
            };
            // The decoder keeps no order; the same record shall always be the same text.
            let mut entries: Vec<_> = entries.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (index, (key, item)) in entries.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                document::push_text(out, &key_text(key));
                out.push(':');
                push(out, item, &value_kind)?;
            }
            out.push('}');
            Ok(())
        }
        ProtoValue::Message(message) if Common::of(&message.descriptor()).is_none() => {
            push_message(out, message)
        }
        single => {
            let mut scratch = String::new();
            document::push(out, &value(single, kind, &mut scratch)?)
        }
    }
}

fn key_text(key: &MapKey) -> String {
    let mut text = String::new();
    let written = match key {
        MapKey::Bool(key) => write!(text, "{key}"),
        MapKey::I32(key) => write!(text, "{key}"),
        MapKey::I64(key) => write!(text, "{key}"),
        MapKey::U32(key) => write!(text, "{key}"),
        MapKey::U64(key) => write!(text, "{key}"),
        MapKey::String(key) => write!(text, "{key}"),
    };
    debug_assert!(written.is_ok(), "a string takes everything");
    text
}

/// A message as a whole, as its schema says.
pub(super) fn datum_of_message(
    message: &DynamicMessage,
    schema: &Arc<Schema>,
) -> Result<Datum, String> {
    let Some(fields) = schema.fields() else {
        let mut text = String::new();
        push_message(&mut text, message)?;
        return Ok(Datum::String(text));
    };
    let mut data = Vec::with_capacity(fields.len());
    for (field, known) in schema::fields(&message.descriptor()).zip(fields) {
        let is_null = field.supports_presence() && !message.has_field(&field);
        data.push(match is_null {
            true => Datum::Null,
            false => datum(&message.get_field(&field), &field.kind(), &known.schema)
                .map_err(|reason| format!("field \"{}\": {reason}", field.name()))?,
        });
    }
    Ok(Datum::Struct(Struct::new(Arc::clone(schema), data)))
}

fn datum(found: &ProtoValue, kind: &ProtoKind, schema: &Arc<Schema>) -> Result<Datum, String> {
    match (found, &schema.kind) {
        (ProtoValue::List(items), Kind::Array(item)) => {
            let data = items.iter().map(|found| datum(found, kind, item));
            data.collect::<Result<_, _>>().map(Datum::Array)
        }
        (ProtoValue::Map(entries), Kind::Map { value, .. }) => {
            let value_kind = match kind {
                ProtoKind::Message(entry) => entry.map_entry_value_field().kind(),
                other => other.clone(),
            };
            let mut sorted: Vec<_> = entries.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            let data = sorted
                .into_iter()
                .map(|(key, found)| Ok((key_text(key), datum(found, &value_kind, value)?)));
            let data = data.collect::<Result<Vec<_>, String>>()?;
            Ok(Datum::Map(Map::from_entries(data)))
        }
        (ProtoValue::Message(message), _) if Common::of(&message.descriptor()).is_none() => {
            datum_of_message(message, schema)
        }
        (ProtoValue::I32(number), Kind::Int32) => Ok(Datum::Int32(*number)),
        (single, _) => {
            let mut scratch = String::new();
            Ok(tree::untyped(value(single, kind, &mut scratch)?))
        }
    }
}
