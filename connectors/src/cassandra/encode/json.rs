//! JSON documents as collections, tuples, vectors and types of one's own.
//!
//! | type            | document                                                                      |
//! |-----------------|-------------------------------------------------------------------------------|
//! | list, set       | an array                                                                      |
//! | vector          | an array of as many elements as the type has                                  |
//! | map             | an object whose names are the keys, or an array of arrays of a key and a value |
//! | tuple           | an array of at most as many elements; those that are missing are null         |
//! | type of one's own | an object; fields that are missing are null, further ones are refused         |
//! | scalars inside  | numbers, booleans and texts; a text may stand for any scalar, as in a map's keys |
//!
//! Numbers are read from their digits, never through floats. A value is as deep as its type, which
//! bounds the recursion.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Timelike as _};
use scylla::frame::response::result::{CollectionType, ColumnType, NativeType};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Misfit, duration, push_native, with_length};
use crate::row::{Cell, Timestamp};

/// Longest exponent that is written out in plain notation.
const EXPONENT_MAX: i32 = 5_000;

pub(super) fn push(
    buffer: &mut Vec<u8>,
    document: &str,
    column_type: &ColumnType<'_>,
) -> Result<(), Misfit> {
    let document = document.trim();
    match column_type {
        ColumnType::Native(native) => push_scalar(buffer, document, native),
        ColumnType::Collection { typ, .. } => match typ {
            CollectionType::List(element) | CollectionType::Set(element) => {
                push_list(buffer, &array(document)?, element)
            }
            CollectionType::Map(key, value) => push_map(buffer, document, key, value),
            _ => Err("values of this type cannot be made".into()),
        },
        ColumnType::Vector { typ, dimensions } => {
            push_vector(buffer, &array(document)?, typ, *dimensions)
        }
        ColumnType::Tuple(types) => push_tuple(buffer, &array(document)?, types),
        ColumnType::UserDefinedType { definition, .. } => {
            push_fields(buffer, object(document)?, &definition.field_types)
        }
        _ => Err("values of this type cannot be made".into()),
    }
}

fn array(document: &str) -> Result<Vec<&RawValue>, Misfit> {
    serde_json::from_str(document).map_err(|_| "only an array fits".into())
}

/// An object's members in their order, names as they are meant.
fn object(document: &str) -> Result<Vec<(Cow<'_, str>, &RawValue)>, Misfit> {
    let mut reader = serde_json::Deserializer::from_str(document);
    reader
        .deserialize_map(Members)
        .map_err(|_| "only an object fits".into())
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
            members.push((Cow::Owned(name), value));
        }
        Ok(members)
    }
}

fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

fn push_count(buffer: &mut Vec<u8>, count: usize) -> Result<(), Misfit> {
    let count = i32::try_from(count).map_err(|_| "too many elements")?;
    buffer.extend_from_slice(&count.to_be_bytes());
    Ok(())
}

fn push_list(
    buffer: &mut Vec<u8>,
    items: &[&RawValue],
    element: &ColumnType<'_>,
) -> Result<(), Misfit> {
    push_count(buffer, items.len())?;
    for item in items {
        push_element(buffer, item, element)?;
    }
    Ok(())
}

/// Elements of collections are never null.
fn push_element(
    buffer: &mut Vec<u8>,
    item: &RawValue,
    element: &ColumnType<'_>,
) -> Result<(), Misfit> {
    if is_null(item) {
        return Err("collections cannot hold null".into());
    }
    with_length(buffer, |buffer| push(buffer, item.get(), element))
}

fn push_map(
    buffer: &mut Vec<u8>,
    document: &str,
    key: &ColumnType<'_>,
    value: &ColumnType<'_>,
) -> Result<(), Misfit> {
    if document.starts_with('[') {
        let entries = array(document)?;
        push_count(buffer, entries.len())?;
        for entry in entries {
            let [name, item] = array(entry.get())?[..] else {
                return Err("only arrays of a key and a value fit".into());
            };
            push_element(buffer, name, key)?;
            push_element(buffer, item, value)?;
        }
        return Ok(());
    }
    let members = object(document)?;
    push_count(buffer, members.len())?;
    for (name, item) in members {
        with_length(buffer, |buffer| match key {
            ColumnType::Native(native) => push_text(buffer, &name, native),
            nested => push(buffer, &name, nested),
        })?;
        push_element(buffer, item, value)?;
    }
    Ok(())
}

/// Elements of a fixed length lie end to end, others each behind its length.
fn push_vector(
    buffer: &mut Vec<u8>,
    items: &[&RawValue],
    element: &ColumnType<'_>,
    dimensions: u16,
) -> Result<(), Misfit> {
    if items.len() != usize::from(dimensions) {
        return Err(format!("only an array of {dimensions} elements fits").into());
    }
    for item in items {
        if is_null(item) {
            return Err("vectors cannot hold null".into());
        }
        if has_fixed_length(element) {
            push(buffer, item.get(), element)?;
        } else {
            let mut content = Vec::new();
            push(&mut content, item.get(), element)?;
            let length = u64::try_from(content.len()).unwrap_or(u64::MAX);
            duration::push_unsigned(buffer, length);
            buffer.extend_from_slice(&content);
        }
    }
    Ok(())
}

/// Whether Cassandra knows the length of a vector's element from its type.
fn has_fixed_length(element: &ColumnType<'_>) -> bool {
    match element {
        ColumnType::Native(native) => native.type_size_for_vector().is_some(),
        ColumnType::Vector { typ, .. } => has_fixed_length(typ),
        _ => false,
    }
}

fn push_tuple(
    buffer: &mut Vec<u8>,
    items: &[&RawValue],
    types: &[ColumnType<'_>],
) -> Result<(), Misfit> {
    if items.len() > types.len() {
        return Err(format!("only an array of {} elements fits", types.len()).into());
    }
    for (index, item_type) in types.iter().enumerate() {
        push_part(buffer, items.get(index).copied(), item_type)?;
    }
    Ok(())
}

fn push_fields(
    buffer: &mut Vec<u8>,
    members: Vec<(Cow<'_, str>, &RawValue)>,
    fields: &[(Cow<'_, str>, ColumnType<'_>)],
) -> Result<(), Misfit> {
    let find = |field: &str| members.iter().find(|(name, _)| name == field);
    let unknown = members
        .iter()
        .any(|(name, _)| !fields.iter().any(|(field, _)| field == name));
    if unknown {
        return Err("the object has a field that the type has not".into());
    }
    for (field, field_type) in fields {
        let item = find(field).map(|(_, item)| *item);
        push_part(buffer, item, field_type)
            .map_err(|rule| -> Misfit { format!("in field {field:?}: {rule}").into() })?;
    }
    Ok(())
}

/// A part of a tuple or of a type of one's own, which may be null.
fn push_part(
    buffer: &mut Vec<u8>,
    item: Option<&RawValue>,
    item_type: &ColumnType<'_>,
) -> Result<(), Misfit> {
    match item.filter(|item| !is_null(item)) {
        Some(item) => with_length(buffer, |buffer| push(buffer, item.get(), item_type)),
        None => {
            buffer.extend_from_slice(&super::NULL.to_be_bytes());
            Ok(())
        }
    }
}

fn push_scalar(buffer: &mut Vec<u8>, literal: &str, native: &NativeType) -> Result<(), Misfit> {
    if literal.starts_with('"') {
        let text: String = serde_json::from_str(literal).map_err(|_| "the text is broken")?;
        return push_text(buffer, &text, native);
    }
    if literal.starts_with(['{', '[']) {
        return match native {
            NativeType::Text => push_native(buffer, &Cell::Text(literal), native),
            _ => Err("only a single value fits".into()),
        };
    }
    match native {
        NativeType::Text | NativeType::Ascii => push_native(buffer, &Cell::Text(literal), native),
        NativeType::Timestamp => {
            let millis: i64 = literal.parse().map_err(|_| "only whole milliseconds fit")?;
            push_native(buffer, &Cell::Timestamp(from_millis(millis)), native)
        }
        NativeType::Uuid
        | NativeType::Timeuuid
        | NativeType::Inet
        | NativeType::Duration
        | NativeType::Blob
        | NativeType::Date
        | NativeType::Time => Err("only a text fits".into()),
        _ => push_text(buffer, literal, native),
    }
}

/// A text in the place of any scalar.
fn push_text(buffer: &mut Vec<u8>, text: &str, native: &NativeType) -> Result<(), Misfit> {
    let cell = match native {
        NativeType::Boolean => match text {
            "true" => Cell::Bool(true),
            "false" => Cell::Bool(false),
            _ => return Err("only true and false fit".into()),
        },
        NativeType::TinyInt
        | NativeType::SmallInt
        | NativeType::Int
        | NativeType::BigInt
        | NativeType::Counter => Cell::Int(
            text.parse()
                .map_err(|_| "only whole numbers in range fit")?,
        ),
        NativeType::Float | NativeType::Double => Cell::Float(float(text)?),
        NativeType::Varint | NativeType::Decimal => {
            let plain = plain(text).ok_or("only decimal numbers fit")?;
            return push_native(buffer, &Cell::Decimal(&plain), native);
        }
        NativeType::Blob => {
            buffer.extend_from_slice(&bytes(text)?);
            return Ok(());
        }
        NativeType::Date => {
            let date = NaiveDate::parse_from_str(text, "%Y-%m-%d");
            Cell::Date(
                date.map_err(|_| "only dates such as 2026-11-21 fit")?
                    .to_epoch_days(),
            )
        }
        NativeType::Time => {
            let time = NaiveTime::parse_from_str(text, "%H:%M:%S%.f");
            let time = time.map_err(|_| "only times of day such as 10:15:30.5 fit")?;
            let whole = i64::from(time.num_seconds_from_midnight()) * 1_000_000_000;
            Cell::Time(whole + i64::from(time.nanosecond()))
        }
        NativeType::Timestamp => Cell::Timestamp(timestamp(text)?),
        NativeType::Uuid | NativeType::Timeuuid => {
            let uuid = uuid::Uuid::try_parse(text).map_err(|_| "only UUIDs fit")?;
            Cell::Uuid(uuid.into_bytes())
        }
        _ => Cell::Text(text),
    };
    push_native(buffer, &cell, native)
}

fn float(text: &str) -> Result<f64, Misfit> {
    match text {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        text => text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .ok_or_else(|| "only numbers in range fit".into()),
    }
}

/// `0x` and hexadecimal digits, or base64.
fn bytes(text: &str) -> Result<Vec<u8>, Misfit> {
    const RULE: &str = "only base64, or 0x and hexadecimal digits, fit";
    if let Some(digits) = text.strip_prefix("0x") {
        if digits.len() % 2 != 0 || !digits.is_ascii() {
            return Err(RULE.into());
        }
        let pair = |start: usize| u8::from_str_radix(&digits[start..start + 2], 16).ok();
        let pairs = (0..digits.len()).step_by(2).map(pair);
        return pairs
            .collect::<Option<Vec<u8>>>()
            .ok_or_else(|| RULE.into());
    }
    openssl::base64::decode_block(text).map_err(|_| RULE.into())
}

/// ISO 8601; without a zone it is UTC.
fn timestamp(text: &str) -> Result<Timestamp, Misfit> {
    let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    let moment = zoned.or_else(|_| {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").map(|local| local.and_utc())
    });
    let moment = moment.map_err(|_| "only timestamps such as 2026-11-21T10:15:30Z fit")?;
    Ok(Timestamp {
        seconds: moment.timestamp(),
        nanos: moment.timestamp_subsec_nanos().min(999_999_999),
    })
}

fn from_millis(millis: i64) -> Timestamp {
    let nanos = millis.rem_euclid(1_000) * 1_000_000;
    Timestamp {
        seconds: millis.div_euclid(1_000),
        nanos: u32::try_from(nanos).unwrap_or_default(),
    }
}

/// A JSON number in plain notation.
fn plain(literal: &str) -> Option<Cow<'_, str>> {
    let Some((mantissa, exponent)) = literal.split_once(['e', 'E']) else {
        return Some(Cow::Borrowed(literal));
    };
    let exponent: i32 = exponent.parse().ok()?;
    if exponent.abs() > EXPONENT_MAX {
        return None;
    }
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let point = i32::try_from(whole.len()).ok()? + exponent;
    let plain = match usize::try_from(point) {
        Err(_) | Ok(0) => {
            let zeros = "0".repeat(usize::try_from(-point).unwrap_or(0));
            format!("{sign}0.{zeros}{digits}")
        }
        Ok(point) if point >= digits.len() => format!("{sign}{digits:0<point$}"),
        Ok(point) => format!("{sign}{}.{}", &digits[..point], &digits[point..]),
    };
    Some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_written_out() {
        let check = |literal: &str, expected: Option<&str>| {
            assert_eq!(plain(literal).as_deref(), expected, "{literal}");
        };
        check("1.5", Some("1.5"));
        check("1e3", Some("1000"));
        check("-1.25e1", Some("-12.5"));
        check("1.25E+2", Some("125"));
        check("5e-3", Some("0.005"));
        check("12e-1", Some("1.2"));
        check("0e0", Some("0"));
        check("1e99999", None);
        check("1e", None);
    }

    #[test]
    fn milliseconds_before_the_epoch() {
        let at = from_millis(-1);
        assert_eq!((at.seconds, at.nanos), (-1, 999_000_000));
    }
}
