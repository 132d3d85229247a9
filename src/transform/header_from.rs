//! `HeaderFrom`: fields copied or moved into headers.

use std::sync::Arc;

use super::object::{self, Object};
use super::{Applied, Fault, Transform, fault};
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{
    Datum, Field, Header, Kind, OwnedRecord, Part, Schema, SchemaCache, Side, Struct,
};

/// See the module.
#[derive(Debug)]
pub(super) struct HeaderFrom {
    part: Part,
    fields: Vec<String>,
    headers: Vec<String>,
    is_move: bool,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

impl HeaderFrom {
    pub(super) fn new(part: Part, options: &Options) -> Result<Self, Fault> {
        let fields = options.list(&keys::HEADER_FROM_FIELDS).to_vec();
        let headers = options.list(&keys::HEADER_FROM_HEADERS).to_vec();
        if fields.len() != headers.len() {
            return Err(fault(&keys::HEADER_FROM_FIELDS)(
                "'fields' config must have the same number of elements as 'headers' config."
                    .to_owned(),
            ));
        }
        Ok(Self {
            part,
            fields,
            headers,
            is_move: options.text(&keys::HEADER_FROM_OPERATION) == Some("move"),
            defaults: options.is_true(&keys::REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }

    fn purpose(&self) -> &'static str {
        if self.is_move {
            "header move"
        } else {
            "header copy"
        }
    }

    fn push(&self, record: &mut OwnedRecord, index: usize, side: Side) {
        record.headers.push(Header {
            name: self.headers[index].clone(),
            schema: side.schema,
            datum: side.datum,
        });
    }

    /// The struct without the moved fields.
    fn without(&mut self, value: Struct) -> Result<Struct, String> {
        let basis = Arc::clone(value.schema());
        let fields = &self.fields;
        let stays = |field: &Field| !fields.iter().any(|moved| **moved == *field.name);
        let schema = self.schemas.get(&basis, || {
            let all = basis.fields().unwrap_or_default().iter();
            let kept = all.filter(|field| stays(field)).cloned().collect();
            object::schema_like(&basis, Kind::Struct(kept)).map(Arc::new)
        })?;
        let values = value.into_values(self.defaults);
        let kept = basis.fields().unwrap_or_default().iter().zip(values);
        let kept = kept.filter(|(field, _)| stays(field));
        Ok(Struct::new(schema, kept.map(|(_, value)| value).collect()))
    }
}

impl Transform for HeaderFrom {
    fn apply(&mut self, mut record: OwnedRecord) -> Applied {
        let side = std::mem::replace(record.side_mut(self.part), Side::NULL);
        let changed = match object::required(side, self.purpose())? {
            Object::Map(mut map) => {
                // All are read before any is moved: a field may go into several headers.
                for (index, field) in self.fields.iter().enumerate() {
                    let datum = map.get(field).cloned().unwrap_or(Datum::Null);
                    self.push(&mut record, index, Side::schemaless(datum));
                }
                if self.is_move {
                    for field in &self.fields {
                        map.remove(field);
                    }
                }
                Object::Map(map)
            }
            Object::Struct(value) => {
                for (index, name) in self.fields.iter().enumerate() {
                    let (_, field) = value
                        .schema()
                        .field(name)
                        .ok_or_else(|| format!("Unknown field: {name}"))?;
                    let side = Side {
                        schema: Some(Arc::clone(&field.schema)),
                        datum: value
                            .get_named(name, self.defaults)
                            .cloned()
                            .unwrap_or(Datum::Null),
                    };
                    self.push(&mut record, index, side);
                }
                Object::Struct(if self.is_move {
                    self.without(value)?
                } else {
                    value
                })
            }
        };
        *record.side_mut(self.part) = changed.into_side();
        Ok(Some(record))
    }
}
