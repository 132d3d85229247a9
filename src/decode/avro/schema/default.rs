//! Defaults of fields, as a schema writes them in JSON.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::decimal;
use crate::decode::json::DEPTH_MAX;
use crate::decode::tree;
use crate::record::meaning::Meaning;
use crate::record::schema::names;
use crate::record::{Datum, Kind, Logical, Map, Schema, Struct};

/// A default; `None` for one that does not fit its type, and so never stands in.
/// `meaning` is that of the type, where it is finer than Connect's name for it.
pub(super) fn read(schema: &Arc<Schema>, meaning: Option<Meaning>, json: &Json) -> Option<Datum> {
    match (meaning, json.as_i64()) {
        (Some(meaning), Some(number)) => meant(schema, meaning, number),
        _ => datum(schema, json, 0),
    }
}

fn datum(schema: &Arc<Schema>, json: &Json, depth: usize) -> Option<Datum> {
    if depth > DEPTH_MAX {
        return None;
    }
    let part = |schema: &Arc<Schema>, json: &Json| datum(schema, json, depth + 1);
    Some(match (&schema.kind, json) {
        (_, Json::Null) if schema.optional => Datum::Null,
        (_, json) if schema.logical != Logical::None => logical(schema, json)?,
        (Kind::Boolean, Json::Bool(value)) => Datum::Boolean(*value),
        (Kind::Int8, json) => Datum::Int8(json.as_i64()?.try_into().ok()?),
        (Kind::Int16, json) => Datum::Int16(json.as_i64()?.try_into().ok()?),
        (Kind::Int32, json) => Datum::Int32(json.as_i64()?.try_into().ok()?),
        (Kind::Int64, json) => Datum::Int64(json.as_i64()?),
        (Kind::Float32, Json::Number(number)) => Datum::Float32(number.to_string().parse().ok()?),
        (Kind::Float64, json) => Datum::Float64(json.as_f64()?),
        // A default of one of several types is taken as it looks.
        (Kind::String, json) if schema.name.as_deref() == Some(names::AVRO_UNION) => untyped(json)?,
        (Kind::String, Json::String(text)) => Datum::String(text.clone()),
        (Kind::Bytes, Json::String(text)) => Datum::Bytes(bytes(text)?),
        (Kind::Array(item), Json::Array(items)) => {
            let items = items.iter().map(|json| part(item, json));
            Datum::Array(items.collect::<Option<_>>()?)
        }
        (Kind::Map { value, .. }, Json::Object(entries)) => {
            let entries = entries
                .iter()
                .map(|(name, json)| Some((name.clone(), part(value, json)?)));
            Datum::Map(Map::from_entries(entries.collect::<Option<_>>()?))
        }
        (Kind::Struct(fields), Json::Object(values)) => {
            let values = fields.iter().map(|field| match values.get(&*field.name) {
                Some(json) => part(&field.schema, json),
                None => Some(field.schema.default.clone().unwrap_or(Datum::Null)),
            });
            Datum::Struct(Struct::new(
                Arc::clone(schema),
                values.collect::<Option<_>>()?,
            ))
        }
        _ => return None,
    })
}

fn untyped(json: &Json) -> Option<Datum> {
    Some(match json {
        Json::Bool(value) => Datum::Boolean(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Datum::Int64(number),
            None => Datum::Float64(number.as_f64()?),
        },
        Json::String(text) => Datum::String(text.clone()),
        _ => return None,
    })
}

fn logical(schema: &Schema, json: &Json) -> Option<Datum> {
    match (schema.logical, json) {
        (Logical::Decimal { scale }, Json::String(text)) => {
            let plain = decimal::from_unscaled(&bytes(text)?, scale.into());
            Some(Datum::Decimal(plain.ok()?))
        }
        (_, json) => meant(schema, Meaning::of_schema(schema)?, json.as_i64()?),
    }
}

fn meant(schema: &Schema, meaning: Meaning, number: i64) -> Option<Datum> {
    let value = meaning.of_integer(number).ok()?;
    Some(match (schema.is_debezium_time(), &schema.kind) {
        (true, Kind::Int32) => Datum::Int32(number.try_into().ok()?),
        (true, _) => Datum::Int64(number),
        (false, _) => tree::untyped(value),
    })
}

/// Bytes in a default are written as characters up to U+00FF.
fn bytes(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect()
}
