//! `SetSchemaMetadata`: another name or version for the schema.

use std::sync::Arc;

use super::{About, Fault, SideTransform, fault};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Schema, SchemaCache, Side, Struct};

/// See the module.
#[derive(Debug)]
pub(super) struct SetSchemaMetadata {
    name: Option<Arc<str>>,
    version: Option<i32>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl SetSchemaMetadata {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let name = options.text(&keys::SCHEMA_NAME).map(Arc::from);
        let version = options.integer(&keys::SCHEMA_VERSION);
        if name.is_none() && version.is_none() {
            return Err(fault(&keys::SCHEMA_NAME)(
                "Neither schema name nor version configured".to_owned(),
            ));
        }
        Ok(Self {
            name,
            version,
            defaults: options.is_true(&keys::REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }
}

impl SideTransform for SetSchemaMetadata {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        let Some(basis) = &side.schema else {
            if side.datum.is_null() {
                return Ok(side);
            }
            return Err("Schema required for [updating schema metadata]".to_owned());
        };
        let schema = self.schemas.get(basis, || {
            Schema {
                version: self.version.or(basis.version),
                ..Schema::clone(basis)
            }
            .named(self.name.clone().or_else(|| basis.name.clone()))
            .map(Arc::new)
        })?;
        let datum = match side.datum {
            Datum::Struct(value) => {
                let values = value.into_values(self.defaults);
                Datum::Struct(Struct::new(Arc::clone(&schema), values))
            }
            other => other,
        };
        Ok(Side {
            schema: Some(schema),
            datum,
        })
    }
}
