//! `InsertField`: topic, partition, offset, time, or a fixed text as fields.

use std::sync::Arc;

use super::object::{self, Object};
use super::{About, Fault, SideTransform, fault, moment};
use crate::config::definitions::ConfigKey;
use crate::config::definitions::transforms as keys;
use crate::config::transforms::Options;
use crate::record::{Datum, Field, Kind, Schema, SchemaCache, Side, Struct};

const PURPOSE: &str = "field insertion";

/// See the module.
#[derive(Debug)]
pub(super) struct InsertField {
    insertions: Vec<Insertion>,
    defaults: bool,
    schemas: SchemaCache<Arc<Schema>>,
}

#[derive(Debug)]
struct Insertion {
    name: Arc<str>,
    optional: bool,
    what: What,
}

#[derive(Debug)]
enum What {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Text(String),
}

impl InsertField {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let mut insertions = Vec::new();
        let mut add = |key: &ConfigKey, what: What| {
            if let Some(spec) = options.text(key) {
                insertions.push(Insertion::new(spec, what));
            }
        };
        add(&keys::INSERT_TOPIC_FIELD, What::Topic);
        add(&keys::INSERT_PARTITION_FIELD, What::Partition);
        add(&keys::INSERT_OFFSET_FIELD, What::Offset);
        add(&keys::INSERT_TIMESTAMP_FIELD, What::Timestamp);
        match (
            options.text(&keys::INSERT_STATIC_FIELD),
            options.text(&keys::INSERT_STATIC_VALUE),
        ) {
            (Some(field), None) => {
                return Err(fault(&keys::INSERT_STATIC_VALUE)(format!(
                    "No value specified for static field: {field}"
                )));
            }
            (_, text) => {
                let text = text.unwrap_or_default().to_owned();
                add(&keys::INSERT_STATIC_FIELD, What::Text(text));
            }
        }
        if insertions.is_empty() {
            return Err(fault(&keys::INSERT_TOPIC_FIELD)(
                "No field insertion configured".to_owned(),
            ));
        }
        Ok(Self {
            insertions,
            defaults: options.is_true(&keys::REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }
}

impl Insertion {
    /// `!` after the name: required, `?` or nothing: optional.
    fn new(spec: &str, what: What) -> Self {
        let (name, optional) = match spec.strip_suffix('!') {
            Some(name) => (name, false),
            None => (spec.strip_suffix('?').unwrap_or(spec), true),
        };
        Self {
            name: name.into(),
            optional,
            what,
        }
    }

    fn field(&self) -> Field {
        let schema = match self.what {
            What::Topic | What::Text(_) => Schema::new(Kind::String),
            What::Partition => Schema::new(Kind::Int32),
            What::Offset => Schema::new(Kind::Int64),
            What::Timestamp => Schema::timestamp(),
        };
        Field {
            name: Arc::clone(&self.name),
            schema: Arc::new(Schema {
                optional: self.optional,
                ..schema
            }),
        }
    }

    /// `None`: there is nothing to insert. Without a schema a time is its milliseconds.
    fn datum(&self, about: &About<'_>, has_schema: bool) -> Option<Datum> {
        Some(match &self.what {
            What::Topic => Datum::String(about.topic.to_owned()),
            What::Partition => Datum::Int32(about.partition),
            What::Offset => Datum::Int64(about.offset),
            What::Timestamp => {
                let millis = about.timestamp_ms?;
                if has_schema {
                    Datum::Timestamp(moment::from_scaled(millis, 1_000))
                } else {
                    Datum::Int64(millis)
                }
            }
            What::Text(text) => Datum::String(text.clone()),
        })
    }
}

impl InsertField {
    /// Inserts a fixed text as an optional field.
    pub(super) fn constant(name: &str, text: &str, defaults: bool) -> Self {
        Self {
            insertions: vec![Insertion::new(name, What::Text(text.to_owned()))],
            defaults,
            schemas: SchemaCache::default(),
        }
    }

    /// Applies it to one side of a record.
    pub(super) fn insert(&mut self, side: Side, about: &About<'_>) -> Result<Side, String> {
        if side.datum.is_null() {
            return Ok(side);
        }
        match object::required(side, PURPOSE)? {
            Object::Map(mut map) => {
                for insertion in &self.insertions {
                    if let Some(datum) = insertion.datum(about, false) {
                        map.insert(&*insertion.name, datum);
                    }
                }
                Ok(Side::schemaless(Datum::Map(map)))
            }
            Object::Struct(value) => {
                let basis = value.schema();
                let insertions = &self.insertions;
                let schema = self.schemas.get(basis, || {
                    let added: Vec<Field> = insertions.iter().map(Insertion::field).collect();
                    object::extended(basis, &added)
                })?;
                let mut values = value.into_values(self.defaults);
                for insertion in insertions {
                    // A required field without a value is caught by its column, if it matters.
                    values.push(insertion.datum(about, true).unwrap_or(Datum::Null));
                }
                Ok(object::struct_side(Struct::new(schema, values)))
            }
        }
    }
}

impl SideTransform for InsertField {
    fn apply(&mut self, side: Side, about: &About<'_>) -> Result<Side, String> {
        self.insert(side, about)
    }
}
