//! `ValueToKey`: fields of the value become the key.

use std::sync::Arc;

use super::{Applied, Fault, Transform, object};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Kind, Map, OwnedRecord, Schema, SchemaCache, Side, Struct};

const PURPOSE: &str = "copying fields from value to key";

/// See the module.
#[derive(Debug)]
pub(super) struct ValueToKey {
    fields: Vec<String>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl ValueToKey {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        Ok(Self {
            fields: options.list(&keys::VALUE_TO_KEY_FIELDS).to_vec(),
            defaults: options.is_true(&keys::REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }

    fn key_of_struct(&mut self, value: &Struct) -> Result<Side, String> {
        let basis = value.schema();
        let schema = self
            .schemas
            .get(basis, || key_schema(basis, &self.fields))?;
        let values = self.fields.iter().map(|name| {
            let found = value.get_named(name, self.defaults);
            found.cloned().unwrap_or(Datum::Null)
        });
        let values = values.collect();
        Ok(object::struct_side(Struct::new(schema, values)))
    }
}

fn key_schema(basis: &Schema, names: &[String]) -> Result<Arc<Schema>, String> {
    let mut fields: Vec<Field> = Vec::new();
    for name in names {
        let (_, field) = basis
            .field(name)
            .ok_or_else(|| format!("Field does not exist: {name}"))?;
        object::add_field(&mut fields, field.clone())?;
    }
    Ok(Arc::new(Schema::new(Kind::Struct(fields))))
}

impl Transform for ValueToKey {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        record.key = match (&record.value.schema, &record.value.datum) {
            (None, Datum::Map(map)) => {
                let entries = self.fields.iter().map(|name| {
                    let value = map.get(name).cloned().unwrap_or(Datum::Null);
                    (name.clone(), value)
                });
                Side::schemaless(Datum::Map(Map::from_entries(entries.collect())))
            }
            (Some(_), Datum::Struct(value)) => self.key_of_struct(value)?,
            (None, other) => return Err(object::no_map(other, PURPOSE)),
            (Some(_), other) => return Err(object::no_struct(other, PURPOSE)),
        };
        Ok(Some(record))
    }
}
