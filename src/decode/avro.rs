//! Avro with a schema registry: records that begin with the number of the schema they were written
//! with, or carry it in a header.
//!
//! The writer's schema is compiled once per id ([`schema`]) and fields go from the bytes straight
//! into values ([`wire`]); what no column wants is passed over. There is no reader's schema: the
//! table is what is read for. Records of different schemas may follow each other.

mod schema;
mod wire;

use std::borrow::Cow;
use std::sync::Arc;

use super::registered::{KeyOrValue, Registered, Source};
use super::{Decode, Encoded, ReadError, Visitor, json};
use crate::config::converter::RegistryOptions;
use crate::record::{Field, Kind, Schema, SchemaCache, Side, Value};
use crate::registry::Registry;
pub(in crate::decode) use schema::Program;
use schema::{Node, NodeId};
use wire::Cursor;

/// Reads Avro.
#[derive(Debug)]
pub struct Avro {
    source: Source<Program>,
    default_for_null: bool,
    /// Schemas for transforms, where nulls are kept: without defaults that could replace them.
    kept_nulls: SchemaCache<Arc<Schema>>,
    /// Room for what has no text of its own.
    scratch: String,
}

impl Avro {
    /// With schemas from this registry.
    pub fn new(registry: Registry, options: &RegistryOptions, side: KeyOrValue) -> Self {
        Self {
            source: Source::new(registry, options, side),
            default_for_null: options.default_for_null,
            kept_nulls: SchemaCache::default(),
            scratch: String::new(),
        }
    }

    /// The schema is at hand, or known to be none: the bytes can be read now.
    pub fn is_ready(&mut self, encoded: Encoded<'_>) -> bool {
        self.source.is_ready(encoded)
    }
}

impl Decode for Avro {
    #[inline]
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let (program, body) = self.source.open(encoded).map_err(ReadError::Malformed)?;
        read_body(
            program,
            self.default_for_null,
            &mut self.scratch,
            body,
            part,
            visitor,
        )
    }

    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        let (program, _) = self.source.open(encoded)?;
        Ok(Some(Arc::clone(program.schema(program.root))))
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        let (program, body) = self.source.open(encoded)?;
        let mut schema = Arc::clone(program.schema(program.root));
        if !self.default_for_null {
            let nullable = || Ok::<_, String>(Arc::new(without_defaults(&schema)));
            schema = self.kept_nulls.get(&schema, nullable)?;
        }
        let mut cursor = Cursor::new(body, self.default_for_null);
        let datum = cursor
            .datum(program, program.root, &schema, 0)
            .map_err(|fault| format!("malformed Avro: {fault}"))?;
        if !cursor.is_at_end() {
            return Err("malformed Avro: bytes are left over behind the record".to_owned());
        }
        Ok(Side {
            schema: Some(schema),
            datum,
        })
    }
}

/// A schema in which nothing that may be null has a default, as `ignore.default.for.nullables` wants
/// it.
fn without_defaults(schema: &Schema) -> Schema {
    let part = |schema: &Arc<Schema>| Arc::new(without_defaults(schema));
    let kind = match &schema.kind {
        Kind::Array(item) => Kind::Array(part(item)),
        Kind::Map { key, value } => Kind::Map {
            key: Arc::clone(key),
            value: part(value),
        },
        Kind::Struct(fields) => {
            let fields = fields.iter().map(|field| Field {
                name: Arc::clone(&field.name),
                schema: part(&field.schema),
            });
            Kind::Struct(fields.collect())
        }
        kind => kind.clone(),
    };
    let default = schema.default.clone().filter(|_| !schema.optional);
    Schema {
        kind,
        default,
        ..schema.clone()
    }
}

fn read_body<V: Visitor>(
    program: &Program,
    default_for_null: bool,
    scratch: &mut String,
    body: &[u8],
    part: &[&str],
    visitor: &mut V,
) -> Result<(), ReadError> {
    let mut cursor = Cursor::new(body, default_for_null);
    let fault = |fault: &str| ReadError::Malformed(format!("malformed Avro: {fault}"));
    let start = cursor.descend(program, part).map_err(fault)?;
    match start {
        None => visitor.single(&Value::Null)?,
        Some(node) => match program.node(node) {
            Node::Record(_) => {
                read_record(
                    program,
                    node,
                    default_for_null,
                    scratch,
                    &mut cursor,
                    visitor,
                )?;
            }
            _ => {
                scratch.clear();
                let value = cursor.value(program, node, scratch, 0);
                visitor.single(&value.map_err(fault)?)?;
            }
        },
    }
    // What follows a part is not looked at.
    match cursor.is_at_end() || !part.is_empty() {
        true => Ok(()),
        false => Err(fault("bytes are left over behind the record")),
    }
}

fn read_record<V: Visitor>(
    program: &Program,
    root: NodeId,
    default_for_null: bool,
    scratch: &mut String,
    cursor: &mut Cursor<'_>,
    visitor: &mut V,
) -> Result<(), ReadError> {
    let schema = program.schema(root);
    let (Node::Record(record), Some(of_connect)) = (program.node(root), schema.fields()) else {
        return Ok(());
    };
    visitor.object(Some(schema));
    for (index, (field, connect)) in record.fields.iter().zip(of_connect).enumerate() {
        let name = &*field.name;
        let Some(slot) = visitor.wants(name, Some(index))? else {
            let skipped = cursor.skip(program, field.node, 0);
            skipped.map_err(|fault| malformed(name, fault))?;
            continue;
        };
        let resolved = cursor.resolve(program, field.node);
        match resolved.map_err(|fault| malformed(name, fault))? {
            Some(node) if !matches!(program.node(node), Node::Null) => {
                read_field(program, node, scratch, cursor, name, slot, visitor)?;
            }
            _ => {
                let default = connect.schema.default.as_ref().filter(|_| default_for_null);
                let value = match default {
                    None => Value::Null,
                    Some(default) => default
                        .value_of(Some(&connect.schema))
                        .map_err(|reason| json::in_field(name, reason))?,
                };
                visitor.field(slot, name, &value)?;
            }
        }
    }
    Ok(())
}

/// Hands a field's value over as soon as its kind is known: to make a [`Value`] of any kind first, and
/// to ask it for its kind again, costs more than reading most of them.
#[inline]
fn read_field<V: Visitor>(
    program: &Program,
    node: NodeId,
    scratch: &mut String,
    cursor: &mut Cursor<'_>,
    name: &str,
    slot: V::Slot,
    visitor: &mut V,
) -> Result<(), ReadError> {
    let fault = |fault: &str| malformed(name, fault);
    match program.node(node) {
        Node::Long => {
            let number = cursor.long().map_err(fault)?;
            visitor.field(slot, name, &Value::Int(number))?;
        }
        Node::Int => {
            let number = cursor.int().map_err(fault)?;
            visitor.field(slot, name, &Value::Int(number))?;
        }
        Node::Text => {
            let text = cursor.text().map_err(fault)?;
            visitor.field(slot, name, &Value::Text(Cow::Borrowed(text)))?;
        }
        Node::Double => {
            let number = cursor.double().map_err(fault)?;
            visitor.field(slot, name, &Value::Float64(number))?;
        }
        Node::Boolean => {
            let value = cursor.boolean().map_err(fault)?;
            visitor.field(slot, name, &Value::Bool(value))?;
        }
        _ => {
            scratch.clear();
            let value = &cursor.value(program, node, scratch, 0);
            match value {
                Ok(value) => visitor.field(slot, name, value)?,
                Err(reason) => return Err(fault(reason)),
            }
        }
    }
    Ok(())
}

#[cold]
fn malformed(name: &str, fault: &str) -> ReadError {
    json::in_field(name, &format!("malformed Avro: {fault}"))
}

impl super::registered::Compile for Program {
    fn compile(registered: &Registered) -> Result<Self, String> {
        registered.check_kind("AVRO")?;
        Self::parse(&registered.text, &registered.references)
    }
}

#[cfg(test)]
mod tests;
