//! What formats with a schema registry share: how a record names its schema, and schemas made ready
//! for reading.
//!
//! A schema that is not at hand is asked for in the background. So a record is looked at twice:
//! [`Source::is_ready`] before it is taken in, when it may still wait, and [`Source::open`] when it
//! is read.
//!
//! | dialect   | in front of the bytes         | or in a header                                          |
//! |-----------|-------------------------------|---------------------------------------------------------|
//! | Confluent | 0, then 4 bytes: id           | `__key_schema_id`, `__value_schema_id`: 1 and a GUID, or 0 and an id |
//! | Apicurio  | 0, then 4 or 8 bytes: id      | `apicurio.{key,value}.{contentId,globalId}`: 8 bytes    |

use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::Arc;

use super::Encoded;
use crate::config::converter::{IdFraming, RegistryOptions};
use crate::registry::{Lookup, Registry, SchemaId};

pub use crate::registry::Registered;

/// Schemas kept ready by one side of one topic; more means that the producers make one up per
/// record.
const COMPILED_MAX: usize = 1_000;

/// What a format makes of a schema's text.
pub trait Compile: Sized {
    /// Makes the schema ready for reading.
    ///
    /// # Errors
    /// Says what is wrong with the schema: every record that names it is bad.
    fn compile(registered: &Registered) -> Result<Self, String>;
}

/// Schemas of one side of a record.
#[derive(Debug)]
pub struct Source<P> {
    registry: Registry,
    framing: Framing,
    /// The schema of the record before this one, or why it has none.
    current: Option<(SchemaId, Result<Arc<P>, String>)>,
    compiled: HashMap<SchemaId, Arc<P>>,
}

/// How a record names its schema.
#[derive(Debug, Clone, Copy)]
struct Framing {
    header: &'static CStr,
    ids: IdFraming,
}

/// Whether it is about keys or values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrValue {
    /// Keys.
    Key,
    /// Values.
    Value,
}

const MAGIC: u8 = 0;
const MAGIC_GUID: u8 = 1;

impl<P: Compile> Source<P> {
    /// Schemas from this registry.
    pub fn new(registry: Registry, options: &RegistryOptions, side: KeyOrValue) -> Self {
        let header = match (options.ids, options.by_global_id, side) {
            (IdFraming::Confluent, _, KeyOrValue::Key) => c"__key_schema_id",
            (IdFraming::Confluent, _, KeyOrValue::Value) => c"__value_schema_id",
            (_, true, KeyOrValue::Key) => c"apicurio.key.globalId",
            (_, true, KeyOrValue::Value) => c"apicurio.value.globalId",
            (_, false, KeyOrValue::Key) => c"apicurio.key.contentId",
            (_, false, KeyOrValue::Value) => c"apicurio.value.contentId",
        };
        Self {
            registry,
            framing: Framing {
                header,
                ids: options.ids,
            },
            current: None,
            compiled: HashMap::new(),
        }
    }

    /// The record's schema is at hand, or known to be none. Else it has been asked for.
    pub fn is_ready(&mut self, encoded: Encoded<'_>) -> bool {
        match self.framing.split(encoded) {
            // A bad frame needs no schema to be refused.
            Err(_) => true,
            Ok((id, _)) => self.make_current(id),
        }
    }

    /// The record's schema and what follows its frame.
    ///
    /// # Errors
    /// When there is no frame, no such schema, or none that can be used.
    pub fn open<'a>(&mut self, encoded: Encoded<'a>) -> Result<(&Arc<P>, &'a [u8]), String> {
        let (id, body) = self.framing.split(encoded)?;
        let is_current = matches!(&self.current, Some((current, _)) if *current == id);
        if !is_current && !self.make_current(id) {
            return Err(format!("schema {id} has not arrived from the registry yet"));
        }
        match &self.current {
            Some((_, Ok(compiled))) => Ok((compiled, body)),
            Some((_, Err(reason))) => Err(reason.clone()),
            None => Err(format!("schema {id} is not at hand")),
        }
    }

    fn make_current(&mut self, id: SchemaId) -> bool {
        if matches!(&self.current, Some((current, Ok(_))) if *current == id) {
            return true;
        }
        if let Some(compiled) = self.compiled.get(&id) {
            self.current = Some((id, Ok(Arc::clone(compiled))));
            return true;
        }
        let found = match self.registry.lookup(id) {
            Lookup::Pending => return false,
            Lookup::Refused(reason) => Err(reason),
            Lookup::Known(registered) => self.compile(id, &registered),
        };
        self.current = Some((id, found));
        true
    }

    fn compile(&mut self, id: SchemaId, registered: &Registered) -> Result<Arc<P>, String> {
        let compiled = P::compile(registered)
            .map(Arc::new)
            .map_err(|reason| format!("schema {id}: {reason}"))?;
        if self.compiled.len() >= COMPILED_MAX {
            self.compiled.clear();
        }
        self.compiled.insert(id, Arc::clone(&compiled));
        Ok(compiled)
    }
}

impl Framing {
    fn split<'a>(&self, encoded: Encoded<'a>) -> Result<(SchemaId, &'a [u8]), String> {
        if let Some(header) = encoded.headers.last(self.header) {
            return Ok((self.id_in_header(&header)?, encoded.bytes));
        }
        let size = match self.ids {
            IdFraming::ApicurioWide => 8,
            IdFraming::Confluent | IdFraming::ApicurioNarrow => 4,
        };
        match encoded.bytes.split_first() {
            Some((&MAGIC, rest)) if rest.len() >= size => {
                let (id, body) = rest.split_at(size);
                Ok((self.numbered(id)?, body))
            }
            Some((&MAGIC, _)) => Err(format!(
                "the bytes end within the schema's id ({size} bytes behind the magic byte 0)"
            )),
            _ => Err(
                "the bytes do not begin with the magic byte 0: they were not written by a \
                 serializer with a schema registry"
                    .to_owned(),
            ),
        }
    }

    fn id_in_header(&self, header: &[u8]) -> Result<SchemaId, String> {
        let malformed = || {
            let name = self.header.to_string_lossy();
            format!("header {name} holds no id of a schema")
        };
        match (self.ids, header) {
            (IdFraming::Confluent, [MAGIC_GUID, guid @ ..]) => {
                guid.try_into().map(SchemaId::Guid).map_err(|_| malformed())
            }
            (IdFraming::Confluent, [MAGIC, id @ ..]) if id.len() == 4 => self.numbered(id),
            (IdFraming::ApicurioNarrow | IdFraming::ApicurioWide, id) if id.len() == 8 => {
                self.numbered(id)
            }
            _ => Err(malformed()),
        }
    }

    /// Registries count in signed integers; a number beyond those is no question worth asking.
    fn numbered(&self, id: &[u8]) -> Result<SchemaId, String> {
        let id = number(id);
        let largest = match self.ids {
            IdFraming::Confluent => u64::from(i32::MAX.unsigned_abs()),
            IdFraming::ApicurioNarrow | IdFraming::ApicurioWide => i64::MAX.unsigned_abs(),
        };
        match id <= largest {
            true => Ok(SchemaId::Number(id)),
            false => Err("the bytes name a schema by a negative number".to_owned()),
        }
    }
}

/// Big-endian, at most 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_front_or_in_a_header() {
        let check =
            |ids: IdFraming, header: &[u8], bytes: &[u8], expected: Option<(SchemaId, &[u8])>| {
                let framing = Framing { header: c"id", ids };
                let headers = match header {
                    [] => Vec::new(),
                    header => vec![("id".to_owned(), Some(header.to_vec()))],
                };
                let encoded = Encoded {
                    bytes,
                    headers: &headers,
                };
                assert_eq!(framing.split(encoded).ok(), expected, "{bytes:?}");
            };
        let number = SchemaId::Number;
        check(
            IdFraming::Confluent,
            &[],
            &[0, 0, 0, 1, 2, 9],
            Some((number(258), &[9])),
        );
        check(
            IdFraming::Confluent,
            &[],
            &[0, 0, 0, 1, 2],
            Some((number(258), &[])),
        );
        check(IdFraming::Confluent, &[], &[0, 0, 0, 1], None);
        check(IdFraming::Confluent, &[], &[1, 0, 0, 0, 1, 2], None);
        check(IdFraming::Confluent, &[], &[], None);
        check(IdFraming::Confluent, &[], &[0, 0xff, 0, 0, 0, 2], None);
        let guid: Vec<u8> = std::iter::once(1).chain(0..16).collect();
        let expected = SchemaId::Guid(std::array::from_fn(|index| u8::try_from(index).unwrap()));
        check(
            IdFraming::Confluent,
            &guid,
            &[0, 7],
            Some((expected, &[0, 7])),
        );
        check(IdFraming::Confluent, &guid[..9], &[0, 7], None);
        check(
            IdFraming::Confluent,
            &[0, 0, 0, 0, 5],
            &[7],
            Some((number(5), &[7])),
        );
        check(
            IdFraming::ApicurioWide,
            &[],
            &[0, 0, 0, 0, 0, 0, 0, 0, 3, 9],
            Some((number(3), &[9])),
        );
        check(
            IdFraming::ApicurioNarrow,
            &[],
            &[0, 0, 0, 0, 3, 9],
            Some((number(3), &[9])),
        );
        check(
            IdFraming::ApicurioNarrow,
            &[0, 0, 0, 0, 0, 0, 0, 3],
            &[9],
            Some((number(3), &[9])),
        );
    }
}
