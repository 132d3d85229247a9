//! `Flatten`: fields of nested objects become fields of the whole, with joined names.

use std::sync::Arc;

use super::object::{self, Object};
use super::{About, Fault, SideTransform};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Kind, Map, Schema, SchemaCache, Side, Struct};

const PURPOSE: &str = "flattening";

/// See the module.
#[derive(Debug)]
pub(super) struct Flatten {
    delimiter: String,
    schemas: SchemaCache<Arc<Schema>>,
}

impl Flatten {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let delimiter = options.text(&keys::FLATTEN_DELIMITER).unwrap_or_default();
        Ok(Self {
            delimiter: delimiter.to_owned(),
            schemas: SchemaCache::default(),
        })
    }
}

impl SideTransform for Flatten {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        if side.datum.is_null() {
            return Ok(side);
        }
        let delimiter = &self.delimiter;
        match object::required(side, PURPOSE)? {
            Object::Map(map) => {
                let mut entries = Vec::new();
                flatten_map(map, "", delimiter, &mut entries)?;
                Ok(Side::schemaless(Datum::Map(Map::from_entries(entries))))
            }
            Object::Struct(value) => {
                let basis = value.schema();
                let schema = self.schemas.get(basis, || flat_schema(basis, delimiter))?;
                let count = schema.fields().map_or(0, <[_]>::len);
                let mut values = Vec::with_capacity(count);
                flatten_struct(value, &mut values);
                Ok(object::struct_side(Struct::new(schema, values)))
            }
        }
    }
}

fn flatten_map(
    map: Map,
    prefix: &str,
    delimiter: &str,
    entries: &mut Vec<(String, Datum)>,
) -> Result<(), String> {
    for (name, value) in map.into_entries() {
        let name = joined(prefix, delimiter, &name);
        match value {
            Datum::Map(inner) => flatten_map(inner, &name, delimiter, entries)?,
            Datum::Struct(_) | Datum::Entries(_) => {
                let found = value.kind();
                return Err(format!(
                    "Flatten transformation does not support {found} for record without schemas \
                     (for field {name})."
                ));
            }
            other => entries.push((name, other)),
        }
    }
    Ok(())
}

fn joined(prefix: &str, delimiter: &str, name: &str) -> String {
    if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}{delimiter}{name}")
    }
}

fn flat_schema(basis: &Schema, delimiter: &str) -> Result<Arc<Schema>, String> {
    let mut fields: Vec<Field> = Vec::new();
    let default = match &basis.default {
        Some(Datum::Struct(default)) => Some(default),
        _ => None,
    };
    flatten_fields(basis, "", delimiter, basis.optional, default, &mut fields)?;
    for (index, field) in fields.iter().enumerate() {
        if fields[..index].iter().any(|known| known.name == field.name) {
            return Err(format!(
                "Cannot create field because of field name duplication {}",
                field.name
            ));
        }
    }
    object::schema_like(basis, Kind::Struct(fields)).map(Arc::new)
}

/// What is optional, or has a default, above a field passes down to it.
fn flatten_fields(
    schema: &Schema,
    prefix: &str,
    delimiter: &str,
    optional: bool,
    default: Option<&Struct>,
    fields: &mut Vec<Field>,
) -> Result<(), String> {
    for (index, field) in schema.fields().unwrap_or_default().iter().enumerate() {
        let name = joined(prefix, delimiter, &field.name);
        let optional = optional || field.schema.optional;
        let own_default = field.schema.default.as_ref();
        let default = own_default
            .or_else(|| default.map(|default| default.get(index)))
            .filter(|default| !default.is_null());
        match &field.schema.kind {
            Kind::Struct(_) => {
                let default = match default {
                    Some(Datum::Struct(default)) => Some(default),
                    _ => None,
                };
                flatten_fields(&field.schema, &name, delimiter, optional, default, fields)?;
            }
            Kind::Map { .. } => {
                return Err(format!(
                    "Flatten transformation does not support map for record with schemas \
                     (for field {name})."
                ));
            }
            _ => fields.push(Field {
                name: name.into(),
                schema: Arc::new(Schema {
                    optional,
                    default: default.cloned(),
                    ..Schema::clone(&field.schema)
                }),
            }),
        }
    }
    Ok(())
}

/// Values in the order of the flat schema's fields.
fn flatten_struct(value: Struct, values: &mut Vec<Datum>) {
    let schema = Arc::clone(value.schema());
    let fields = schema.fields().unwrap_or_default();
    for (field, value) in fields.iter().zip(value.into_values(true)) {
        match value {
            Datum::Struct(inner) => flatten_struct(inner, values),
            // A struct that is null leaves all its fields null.
            Datum::Null => values.extend((0..leaves(&field.schema)).map(|_| Datum::Null)),
            other => values.push(other),
        }
    }
}

/// Fields of a flat schema that one schema becomes.
fn leaves(schema: &Schema) -> usize {
    match schema.fields() {
        Some(fields) => fields.iter().map(|field| leaves(&field.schema)).sum(),
        None => 1,
    }
}
