//! What most transforms take: an object with fields, with a schema or without.

use std::sync::Arc;

use crate::record::{Datum, Field, Kind, Map, Schema, Side, Struct};

/// An object: a map without a schema, or a struct with one.
pub(super) enum Object {
    Map(Map),
    Struct(Struct),
}

/// The object of a side.
///
/// # Errors
/// When it is something else; in Connect's words, with what is wanted it for.
pub(super) fn required(side: Side, purpose: &str) -> Result<Object, String> {
    match (side.schema, side.datum) {
        (None, Datum::Map(map)) => Ok(Object::Map(map)),
        (Some(_), Datum::Struct(value)) => Ok(Object::Struct(value)),
        (None, other) => Err(no_map(&other, purpose)),
        (Some(_), other) => Err(no_struct(&other, purpose)),
    }
}

/// Why this is no map.
pub(super) fn no_map(found: &Datum, purpose: &str) -> String {
    let found = found.kind();
    format!("Only Map objects supported in absence of schema for [{purpose}], found: {found}")
}

/// Why this is no struct.
pub(super) fn no_struct(found: &Datum, purpose: &str) -> String {
    let found = found.kind();
    format!("Only Struct objects supported for [{purpose}], found: {found}")
}

/// A schema of another type with the name, version, description and parameters of this one;
/// required, and without a default.
///
/// # Errors
/// When the name is that of a decimal and the parameters have no usable scale.
pub(super) fn schema_like(basis: &Schema, kind: Kind) -> Result<Schema, String> {
    Schema {
        version: basis.version,
        doc: basis.doc.clone(),
        parameters: basis.parameters.clone(),
        ..Schema::new(kind)
    }
    .named(basis.name.clone())
}

/// A struct's schema with more fields, otherwise as [`schema_like`].
///
/// # Errors
/// When it has a field of that name, and as [`schema_like`].
pub(super) fn extended(basis: &Schema, added: &[Field]) -> Result<Arc<Schema>, String> {
    let mut fields = basis.fields().unwrap_or_default().to_vec();
    for field in added {
        add_field(&mut fields, field.clone())?;
    }
    schema_like(basis, Kind::Struct(fields)).map(Arc::new)
}

/// Appends a field.
///
/// # Errors
/// When there is one of that name.
pub(super) fn add_field(fields: &mut Vec<Field>, field: Field) -> Result<(), String> {
    if fields.iter().any(|known| known.name == field.name) {
        let name = field.name;
        return Err(format!(
            "Cannot create field because of field name duplication {name}"
        ));
    }
    fields.push(field);
    Ok(())
}

impl Object {
    /// It as a side again.
    pub(super) fn into_side(self) -> Side {
        match self {
            Self::Map(map) => Side::schemaless(Datum::Map(map)),
            Self::Struct(value) => struct_side(value),
        }
    }
}

/// A struct with its own schema.
pub(super) fn struct_side(value: Struct) -> Side {
    Side {
        schema: Some(Arc::clone(value.schema())),
        datum: Datum::Struct(value),
    }
}
