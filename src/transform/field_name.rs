//! Debezium's `FieldNameTransformation`: other names for the fields of key and value, or, where the
//! value is a change event, for those of its `before` and `after`.

use std::sync::Arc;

use super::naming::Naming;
use super::{Applied, Transform, object};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Kind, OwnedRecord, Schema, SchemaCache, Side, Struct};

const ENVELOPE: &str = ".Envelope";

/// See the module.
#[derive(Debug)]
pub(super) struct FieldName {
    naming: Naming,
    schemas: SchemaCache<Arc<Schema>>,
    envelopes: SchemaCache<Arc<Schema>>,
}

impl FieldName {
    pub(super) fn new(options: &Options) -> Self {
        let keys = [
            &keys::FIELD_NAME_PREFIX,
            &keys::FIELD_NAME_SUFFIX,
            &keys::FIELD_NAME_STYLE,
        ];
        Self {
            naming: Naming::new(options, keys),
            schemas: SchemaCache::default(),
            envelopes: SchemaCache::default(),
        }
    }

    /// A struct, or a null in the place of one, with other names.
    fn renamed(&mut self, basis: &Arc<Schema>, datum: Datum) -> Result<Side, String> {
        let naming = &self.naming;
        let schema = self.schemas.get(basis, || renamed(basis, naming))?;
        let datum = match datum {
            Datum::Struct(value) => {
                Datum::Struct(Struct::new(Arc::clone(&schema), value.into_values(false)))
            }
            other => other,
        };
        let schema = Some(schema);
        Ok(Side { schema, datum })
    }

    fn renamed_side(&mut self, side: Side) -> Result<Side, String> {
        match &side.schema {
            Some(schema) if schema.fields().is_some() => {
                let schema = Arc::clone(schema);
                self.renamed(&schema, side.datum)
            }
            _ => Ok(side),
        }
    }

    fn renamed_event(&mut self, basis: &Arc<Schema>, event: Datum) -> Result<Side, String> {
        let Datum::Struct(event) = event else {
            return Err("a change event that is null".to_owned());
        };
        let mut rows = Vec::new();
        let mut values = Vec::new();
        let fields = basis.fields().unwrap_or_default();
        for (field, value) in fields.iter().zip(event.into_values(false)) {
            if !is_row(field) {
                values.push(value);
                continue;
            }
            if field.schema.fields().is_none() {
                return Err("Cannot list fields on non-struct type".to_owned());
            }
            let row = self.renamed(&field.schema, value)?;
            rows.extend(row.schema);
            values.push(row.datum);
        }
        let schema = self.envelopes.get(basis, || with_rows(basis, rows))?;
        Ok(object::struct_side(Struct::new(schema, values)))
    }
}

impl Transform for FieldName {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        let Some(schema) = record.value.schema.clone() else {
            return Ok(Some(record));
        };
        if schema.fields().is_none() {
            return match record.value.datum {
                Datum::Null => Err("null with the schema of no struct".to_owned()),
                _ => Ok(Some(record)),
            };
        }
        let value = std::mem::replace(&mut record.value, Side::NULL).datum;
        let name = schema.name.as_deref().unwrap_or_default();
        record.value = if name.ends_with(ENVELOPE) {
            self.renamed_event(&schema, value)?
        } else {
            self.renamed(&schema, value)?
        };
        let key = std::mem::replace(&mut record.key, Side::NULL);
        record.key = self.renamed_side(key)?;
        Ok(Some(record))
    }
}

fn is_row(field: &Field) -> bool {
    matches!(&*field.name, "before" | "after")
}

fn renamed(basis: &Schema, naming: &Naming) -> Result<Arc<Schema>, String> {
    let mut fields = Vec::new();
    for field in basis.fields().unwrap_or_default() {
        let renamed = Field {
            name: naming.apply(&field.name).into(),
            schema: Arc::clone(&field.schema),
        };
        object::add_field(&mut fields, renamed)?;
    }
    with_fields(basis, fields)
}

/// The event's schema with these schemas for its rows, in their order.
fn with_rows(basis: &Schema, rows: Vec<Arc<Schema>>) -> Result<Arc<Schema>, String> {
    let mut rows = rows.into_iter();
    let fields = basis.fields().unwrap_or_default().iter().map(|field| {
        let row = if is_row(field) { rows.next() } else { None };
        Field {
            name: Arc::clone(&field.name),
            schema: row.unwrap_or_else(|| Arc::clone(&field.schema)),
        }
    });
    with_fields(basis, fields.collect())
}

fn with_fields(basis: &Schema, fields: Vec<Field>) -> Result<Arc<Schema>, String> {
    if basis.default.is_some() {
        return Err("a struct with a default cannot have its fields renamed".to_owned());
    }
    let schema = object::schema_like(basis, Kind::Struct(fields))?;
    Ok(Arc::new(Schema {
        optional: basis.optional,
        ..schema
    }))
}
