//! `HoistField`: the whole key or value becomes the one field of an object.

use std::sync::Arc;

use super::{About, Fault, SideTransform, object};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Kind, Map, Schema, SchemaCache, Side, Struct};

/// See the module.
#[derive(Debug)]
pub(super) struct HoistField {
    field: Arc<str>,
    schemas: SchemaCache<Arc<Schema>>,
}

impl HoistField {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let field = options.text(&keys::HOIST_FIELD).unwrap_or_default();
        Ok(Self {
            field: field.into(),
            schemas: SchemaCache::default(),
        })
    }
}

impl SideTransform for HoistField {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        let Some(basis) = side.schema else {
            let entries = vec![(self.field.to_string(), side.datum)];
            return Ok(Side::schemaless(Datum::Map(Map::from_entries(entries))));
        };
        let schema = self.schemas.get(&basis, || {
            let field = Field {
                name: Arc::clone(&self.field),
                schema: Arc::clone(&basis),
            };
            Ok::<_, String>(Arc::new(Schema::new(Kind::Struct(vec![field]))))
        })?;
        if side.datum.is_null() && !basis.optional {
            return Err(format!(
                "Invalid value: null used for required field: \"{}\"",
                self.field
            ));
        }
        Ok(object::struct_side(Struct::new(schema, vec![side.datum])))
    }
}
