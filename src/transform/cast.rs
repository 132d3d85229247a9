//! `Cast`: fields, or a whole key or value, to another primitive type.
//!
//! Numbers are narrowed as Java narrows them: integers lose their high bits, floats stop at the
//! ends of the range. Whoever wants an error instead leaves the field as it is; then it is checked
//! against its column.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::object::{self, Object};
use super::{About, Fault, SideTransform, fault, java_text};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::schema::{LOGICAL_DATE, LOGICAL_TIME, LOGICAL_TIMESTAMP};
use crate::record::{Datum, Field, Kind, Map, Schema, SchemaCache, Side, Struct};

mod number;

const PURPOSE: &str = "cast types";

/// See the module.
#[derive(Debug)]
pub(super) struct Cast {
    casts: Casts,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

#[derive(Debug)]
enum Casts {
    Whole(Target),
    Fields(Vec<(String, Target)>),
}

/// What a value is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Int8,
    Int16,
    Int32,
    Int64,
    Float32,
    Float64,
    Boolean,
    String,
}

impl Cast {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        Ok(Self {
            casts: parse(options.list(&keys::CAST_SPEC)).map_err(fault(&keys::CAST_SPEC))?,
            defaults: options.is_true(&keys::REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }
}

fn parse(spec: &[String]) -> Result<Casts, String> {
    let mut fields: Vec<(String, Target)> = Vec::new();
    let mut whole = None;
    for mapping in spec {
        let parts: Vec<&str> = mapping.split(':').map(str::trim).collect();
        match parts.as_slice() {
            [target] => whole = Some(target_type(target)?),
            [field, target] => {
                let target = target_type(target)?;
                match fields.iter_mut().find(|(known, _)| known == field) {
                    Some(known) => known.1 = target,
                    None => fields.push(((*field).to_owned(), target)),
                }
            }
            _ => return Err(format!("Invalid rename mapping: {mapping}")),
        }
    }
    match whole {
        Some(target) if spec.len() == 1 => Ok(Casts::Whole(target)),
        Some(_) => Err(
            "Cast transformations that specify a type to cast the entire value to \
             may only specify a single cast in their spec"
                .to_owned(),
        ),
        None if fields.is_empty() => Err("Must specify at least one field to cast.".to_owned()),
        None => Ok(Casts::Fields(fields)),
    }
}

fn target_type(name: &str) -> Result<Target, String> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "int8" => Target::Int8,
        "int16" => Target::Int16,
        "int32" => Target::Int32,
        "int64" => Target::Int64,
        "float32" => Target::Float32,
        "float64" => Target::Float64,
        "boolean" => Target::Boolean,
        "string" => Target::String,
        other => {
            return Err(format!(
                "Invalid type found in casting spec: {other}; valid types are int8, int16, int32, \
                 int64, float32, float64, boolean and string"
            ));
        }
    })
}

impl SideTransform for Cast {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        if side.datum.is_null() {
            return Ok(side);
        }
        match &self.casts {
            Casts::Whole(target) => {
                let target = *target;
                let schema = match &side.schema {
                    None => None,
                    Some(schema) => {
                        Some(self.schemas.get(schema, || whole_schema(schema, target))?)
                    }
                };
                let datum = cast(side.datum, side.schema.as_deref(), target)?;
                Ok(Side { schema, datum })
            }
            Casts::Fields(fields) => match object::required(side, PURPOSE)? {
                Object::Map(map) => cast_map(map, fields),
                Object::Struct(value) => {
                    let basis = value.schema();
                    let schema = self.schemas.get(basis, || fields_schema(basis, fields))?;
                    cast_struct(value, schema, fields, self.defaults)
                }
            },
        }
    }
}

fn cast_map(mut map: Map, fields: &[(String, Target)]) -> Result<Side, String> {
    for (name, target) in fields {
        let value = match map.get_mut(name) {
            Some(place) => std::mem::replace(place, Datum::Null),
            None => Datum::Null,
        };
        let value = cast(value, None, *target).map_err(|reason| within(name, &reason))?;
        // A field that is not there becomes null, as in Connect.
        map.insert(name.as_str(), value);
    }
    Ok(Side::schemaless(Datum::Map(map)))
}

fn cast_struct(
    value: Struct,
    schema: Arc<Schema>,
    fields: &[(String, Target)],
    defaults: bool,
) -> Result<Side, String> {
    let basis = Arc::clone(value.schema());
    let old_fields = basis.fields().unwrap_or_default();
    let mut values = value.into_values(defaults);
    for (field, value) in old_fields.iter().zip(&mut values) {
        if let Some(target) = target_of(fields, &field.name) {
            let old = std::mem::replace(value, Datum::Null);
            *value = cast(old, Some(&field.schema), target)
                .map_err(|reason| within(&field.name, &reason))?;
        }
    }
    Ok(object::struct_side(Struct::new(schema, values)))
}

fn within(field: &str, reason: &str) -> String {
    format!("field \"{field}\": {reason}")
}

fn target_of(fields: &[(String, Target)], name: &str) -> Option<Target> {
    let found = fields.iter().find(|(field, _)| field == name);
    found.map(|(_, target)| *target)
}

fn fields_schema(basis: &Schema, fields: &[(String, Target)]) -> Result<Arc<Schema>, String> {
    let mut cast_fields = Vec::new();
    for field in basis.fields().unwrap_or_default() {
        let schema = match target_of(fields, &field.name) {
            None => Arc::clone(&field.schema),
            Some(target) => Arc::new(Schema {
                optional: field.schema.optional,
                default: cast_default(&field.schema, target)?,
                ..Schema::new(target.kind())
            }),
        };
        cast_fields.push(Field {
            name: Arc::clone(&field.name),
            schema,
        });
    }
    let schema = object::schema_like(basis, Kind::Struct(cast_fields))?;
    Ok(Arc::new(Schema {
        optional: basis.optional,
        ..schema
    }))
}

fn whole_schema(basis: &Schema, target: Target) -> Result<Arc<Schema>, String> {
    let schema = object::schema_like(basis, target.kind())?;
    Ok(Arc::new(Schema {
        optional: basis.optional,
        default: cast_default(basis, target)?,
        ..schema
    }))
}

fn cast_default(schema: &Schema, target: Target) -> Result<Option<Datum>, String> {
    match &schema.default {
        Some(default) => cast(default.clone(), Some(schema), target).map(Some),
        None => Ok(None),
    }
}

/// Casts one value. Its schema, when it has one, says what dates stand for.
fn cast(value: Datum, schema: Option<&Schema>, target: Target) -> Result<Datum, String> {
    let value = match value {
        Datum::Null => return Ok(Datum::Null),
        Datum::Array(_) | Datum::Map(_) | Datum::Entries(_) | Datum::Struct(_) => {
            return Err(format!(
                "Cast transformation does not support casting from {}",
                value.kind()
            ));
        }
        Datum::Date(_) | Datum::Time(_) | Datum::Timestamp(_) => encoded(value, schema, target)?,
        other => other,
    };
    if target == Target::String {
        return text(value).map(Datum::String);
    }
    number::cast(&value, target)
}

/// Dates and times are numbers to every target but text, and only where their schema names them.
fn encoded(value: Datum, schema: Option<&Schema>, target: Target) -> Result<Datum, String> {
    let Some(schema) = schema else {
        return Err(format!(
            "Cast transformation was passed {} without a schema",
            value.kind()
        ));
    };
    if target == Target::String {
        return Ok(value);
    }
    let millis = |nanos: i64| nanos.div_euclid(1_000_000);
    Ok(match (value, schema.name.as_deref()) {
        (Datum::Date(days), Some(LOGICAL_DATE)) => Datum::Int32(days),
        (Datum::Time(nanos), Some(LOGICAL_TIME)) => Datum::Int64(millis(nanos)),
        (Datum::Timestamp(at), Some(LOGICAL_TIMESTAMP)) => {
            Datum::Int64(super::moment::millis(at).ok_or("the timestamp is out of range")?)
        }
        (other, _) => other,
    })
}

fn text(value: Datum) -> Result<String, String> {
    Ok(match value {
        Datum::Boolean(value) => value.to_string(),
        Datum::Int8(value) => value.to_string(),
        Datum::Int16(value) => value.to_string(),
        Datum::Int32(value) => value.to_string(),
        Datum::Int64(value) => value.to_string(),
        Datum::Float32(value) => java_text::float(value),
        Datum::Float64(value) => java_text::double(value),
        Datum::Number(literal) if number::is_integer(&literal) => literal,
        Datum::Number(literal) => java_text::double(number::double(&literal)?),
        Datum::String(text) => text,
        Datum::Bytes(bytes) => BASE64.encode(bytes),
        Datum::Decimal(plain) => java_text::decimal(&plain),
        other => java_text::moment(super::moment::of(&other).ok_or("not a text")?),
    })
}

impl Target {
    fn kind(self) -> Kind {
        match self {
            Self::Int8 => Kind::Int8,
            Self::Int16 => Kind::Int16,
            Self::Int32 => Kind::Int32,
            Self::Int64 => Kind::Int64,
            Self::Float32 => Kind::Float32,
            Self::Float64 => Kind::Float64,
            Self::Boolean => Kind::Boolean,
            Self::String => Kind::String,
        }
    }
}
