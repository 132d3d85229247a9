//! Protobuf with a schema registry: behind the id stands which message of the file it is.
//!
//! The registry keeps `.proto` text, which is compiled once per id. Messages are decoded as a whole,
//! since their fields come in any order. A scalar without presence that is not there is its zero, as
//! the language defines it; any other field that is not there is null. What the common types mean
//! (`Timestamp`, `Duration`, `Date`, `TimeOfDay`, `Decimal`, the wrappers) is what arrives.

mod schema;
mod values;

use std::sync::Arc;

use prost_reflect::{
    DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, ReflectMessage as _,
};
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::registered::{Compile, KeyOrValue, Registered, Source};
use super::{Decode, Encoded, ReadError, Visitor, json};
use crate::config::converter::RegistryOptions;
use crate::record::{Schema, Side, Value};
use crate::registry::{Reference, Registry};

/// Messages within messages, as the id of one may name them.
const INDEXES_MAX: usize = 32;

/// Messages of one schema whose shape is kept: producers use few.
const SHAPES_MAX: usize = 100;

/// The schema's own file; its name appears in no record.
const FILE_NAME: &str = "registered.proto";

/// Files that schemas may import though no registry has them: Confluent's serializers bring them.
const COMMON_FILES: &[(&str, &str)] = &[
    (
        "confluent/type/decimal.proto",
        "syntax = \"proto3\"; package confluent.type;
         message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
    ),
    (
        "confluent/meta.proto",
        "syntax = \"proto3\"; package confluent; import \"google/protobuf/descriptor.proto\";
         message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
         extend google.protobuf.FileOptions { Meta file_meta = 1088; }
         extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
         extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
         extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
         extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }",
    ),
    (
        "google/type/date.proto",
        "syntax = \"proto3\"; package google.type;
         message Date { int32 year = 1; int32 month = 2; int32 day = 3; }",
    ),
    (
        "google/type/timeofday.proto",
        "syntax = \"proto3\"; package google.type;
         message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }",
    ),
];

/// Reads Protobuf.
#[derive(Debug)]
pub struct Protobuf {
    source: Source<Compiled>,
    /// The message that was read last comes first.
    shapes: Vec<Shape>,
}

/// A compiled file.
#[derive(Debug)]
pub(in crate::decode) struct Compiled {
    file: FileDescriptor,
}

/// A message's type, and Connect's schema of it.
#[derive(Debug, Clone)]
struct Shape {
    message: MessageDescriptor,
    schema: Arc<Schema>,
}

impl Protobuf {
    /// With schemas from this registry.
    pub fn new(registry: Registry, options: &RegistryOptions, side: KeyOrValue) -> Self {
        Self {
            source: Source::new(registry, options, side),
            shapes: Vec::new(),
        }
    }

    pub(super) fn is_ready(&mut self, encoded: Encoded<'_>) -> bool {
        self.source.is_ready(encoded)
    }

    fn open(&mut self, encoded: Encoded<'_>) -> Result<(Shape, DynamicMessage), String> {
        let (compiled, body) = self.source.open(encoded)?;
        let (message, body) = compiled.message(body)?;
        let shape = self.shape(&message);
        // The parser's own words quote nothing, but name fields; depth is bounded by it.
        let read = DynamicMessage::decode(message, body)
            .map_err(|error| format!("malformed Protobuf: {error}"))?;
        Ok((shape, read))
    }

    fn shape(&mut self, message: &MessageDescriptor) -> Shape {
        let known = self
            .shapes
            .iter()
            .position(|shape| shape.message == *message);
        match known {
            Some(0) => {}
            Some(known) => self.shapes[..=known].rotate_right(1),
            None => {
                self.shapes.truncate(SHAPES_MAX - 1);
                let shape = Shape {
                    message: message.clone(),
                    schema: Arc::new(schema::of_message(message)),
                };
                self.shapes.insert(0, shape);
            }
        }
        self.shapes[0].clone()
    }
}

impl Compiled {
    /// The message's type, by its path of indexes in front of it, and its bytes.
    fn message<'a>(&self, body: &'a [u8]) -> Result<(MessageDescriptor, &'a [u8]), String> {
        const FAULT: &str = "malformed message indexes in front of a Protobuf message";
        let mut rest = body;
        let count = index(&mut rest).ok_or(FAULT)?;
        // One zero is short for the first message.
        let mut indexes = vec![0];
        if count > 0 {
            if count > INDEXES_MAX {
                return Err(FAULT.to_owned());
            }
            indexes.clear();
            for _ in 0..count {
                indexes.push(index(&mut rest).ok_or(FAULT)?);
            }
        }
        let mut found: Option<MessageDescriptor> = None;
        for index in indexes {
            let next = match &found {
                None => self.file.messages().nth(index),
                Some(outer) => outer.child_messages().nth(index),
            };
            found = Some(next.ok_or("the schema has no message at the record's index")?);
        }
        Ok((found.ok_or(FAULT)?, rest))
    }
}

/// A zigzag number that is an index.
fn index(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u64;
    for shift in (0..35).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if *first < 0x80 {
            // An odd number is negative.
            return (number & 1 == 0).then(|| usize::try_from(number >> 1).ok())?;
        }
    }
    None
}

impl Decode for Protobuf {
    fn read_part<V: Visitor>(
        &mut self,
        encoded: Encoded<'_>,
        part: &[&str],
        visitor: &mut V,
    ) -> Result<(), ReadError> {
        let (shape, message) = self.open(encoded).map_err(ReadError::Malformed)?;
        read_message(&shape, &message, part, visitor)
    }

    fn schema(&mut self, encoded: Encoded<'_>) -> Result<Option<Arc<Schema>>, String> {
        let (shape, _) = self.open(encoded)?;
        Ok(Some(shape.schema))
    }

    fn whole(&mut self, encoded: Encoded<'_>) -> Result<Side, String> {
        let (shape, message) = self.open(encoded)?;
        let datum = values::datum_of_message(&message, &shape.schema)?;
        Ok(Side {
            schema: Some(shape.schema),
            datum,
        })
    }
}

fn read_message<V: Visitor>(
    shape: &Shape,
    message: &DynamicMessage,
    part: &[&str],
    visitor: &mut V,
) -> Result<(), ReadError> {
    if let [name, part @ ..] = part {
        let field = shape.message.get_field_by_name(name);
        let inner = field.and_then(|field| match message.get_field(&field).as_ref() {
            prost_reflect::Value::Message(inner) if message.has_field(&field) => {
                Some(inner.clone())
            }
            _ => None,
        });
        let schema = shape
            .schema
            .field(name)
            .map(|(_, field)| Arc::clone(&field.schema));
        let (Some(inner), Some(schema)) = (inner, schema) else {
            return Ok(visitor.single(&Value::Null)?);
        };
        let shape = Shape {
            message: inner.descriptor(),
            schema,
        };
        return read_message(&shape, &inner, part, visitor);
    }
    visitor.object(Some(&shape.schema));
    for (index, field) in schema::fields(&shape.message).enumerate() {
        let Some(slot) = visitor.wants(field.name(), Some(index))? else {
            continue;
        };
        let fault = |reason: &str| json::in_field(field.name(), reason);
        if field.supports_presence() && !message.has_field(&field) {
            visitor.field(slot, field.name(), &Value::Null)?;
            continue;
        }
        let found = message.get_field(&field);
        let mut scratch = String::new();
        let value = values::value(&found, &field.kind(), &mut scratch).map_err(fault)?;
        visitor.field(slot, field.name(), &value)?;
    }
    Ok(())
}

impl Compile for Compiled {
    fn compile(registered: &Registered) -> Result<Self, String> {
        registered.check_kind("PROTOBUF")?;
        let failed =
            |error: protox::Error| format!("the Protobuf schema cannot be compiled: {error}");
        let mut resolver = ChainFileResolver::new();
        resolver.add(Files {
            text: registered.text.clone(),
            references: registered.references.clone(),
        });
        resolver.add(GoogleFileResolver::new());
        let mut compiler = protox::Compiler::with_file_resolver(resolver);
        compiler.open_file(FILE_NAME).map_err(failed)?;
        let pool: DescriptorPool = compiler.descriptor_pool();
        let file = pool.get_file_by_name(FILE_NAME);
        let file = file.ok_or("the Protobuf schema is empty")?;
        Ok(Self { file })
    }
}

/// The schema, what it imports, and what everybody imports.
struct Files {
    text: String,
    references: Vec<Reference>,
}

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == FILE_NAME {
            return File::from_source(name, &self.text);
        }
        let registered = self.references.iter().find(|known| known.name == name);
        if let Some(registered) = registered {
            return File::from_source(name, &registered.text);
        }
        match COMMON_FILES.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => File::from_source(name, text),
            None => Err(protox::Error::file_not_found(name)),
        }
    }
}

#[cfg(test)]
mod tests;
