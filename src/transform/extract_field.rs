//! `ExtractField`: one field in the place of the whole key or value.

use std::sync::Arc;

use super::path::FieldPath;
use super::{About, Fault, SideTransform, fault, object};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Side};

const PURPOSE: &str = "field extraction";

/// See the module.
#[derive(Debug)]
pub(super) struct ExtractField {
    path: FieldPath,
    written: String,
    defaults: bool,
}

impl ExtractField {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let key = &keys::EXTRACT_FIELD;
        let written = options.text(key).unwrap_or_default();
        let is_nested = options
            .text(&keys::FIELD_SYNTAX)
            .is_some_and(|version| version.eq_ignore_ascii_case("V2"));
        let path = if is_nested {
            FieldPath::nested(written).map_err(fault(key))?
        } else {
            FieldPath::single(written)
        };
        Ok(Self {
            path,
            written: written.to_owned(),
            defaults: options.is_true(&keys::REPLACE_NULL),
        })
    }

    fn extract(&self, side: Side) -> Result<Side, String> {
        let Some(schema) = side.schema else {
            return match side.datum {
                Datum::Null => Ok(Side::NULL),
                map @ Datum::Map(_) => Ok(Side::schemaless(self.path.take(map, self.defaults)?)),
                other => Err(object::no_map(&other, PURPOSE)),
            };
        };
        if !matches!(side.datum, Datum::Null | Datum::Struct(_)) {
            return Err(object::no_struct(&side.datum, PURPOSE));
        }
        let field = self
            .path
            .field(&schema)
            .ok_or_else(|| format!("Unknown field: {}", self.written))?;
        Ok(Side {
            schema: Some(Arc::clone(&field.schema)),
            datum: self.path.take(side.datum, self.defaults)?,
        })
    }
}

impl SideTransform for ExtractField {
    fn apply(&mut self, side: Side, _about: &About<'_>) -> Result<Side, String> {
        self.extract(side)
    }
}
